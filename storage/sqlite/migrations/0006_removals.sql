-- Messages are removed in pieces after their session, and written in pieces before it. While they are, the session is
-- here: whoever finds messages without a session looks here first.

CREATE TABLE removal (
    workspace   TEXT NOT NULL,
    session_id  TEXT NOT NULL,
    -- Who writes the session; NULL if it is to be removed.
    writer      TEXT,
    -- Seconds since 1970. A writer that does not renew its lease has ended, and what it wrote is removed.
    lease_until REAL NOT NULL,
    PRIMARY KEY (workspace, session_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX removal_by_lease
    ON removal (lease_until);

CREATE TRIGGER session_deleted
AFTER DELETE ON session
BEGIN
    INSERT OR IGNORE INTO removal (workspace, session_id, lease_until)
    VALUES (OLD.workspace, OLD.id, 0);
END;

-- What the index of words has still of sessions that were deleted: from now on it goes with their messages.
CREATE TEMP TABLE forgotten AS
SELECT number
FROM deletion
CROSS JOIN search_session
    ON search_session.workspace = deletion.workspace
    AND search_session.session_id = deletion.session_id
LEFT JOIN search_progress
    ON search_progress.workspace = deletion.workspace
WHERE deletion.revision > COALESCE(search_progress.revision, 0);

DELETE FROM search
WHERE rowid >> 31 IN (SELECT number FROM temp.forgotten);

DELETE FROM search_session
WHERE number IN (SELECT number FROM temp.forgotten);

DROP TABLE temp.forgotten;

-- A foreign key is nothing but text in the schema, and the table stays as it is on the disk:
-- https://www.sqlite.org/lang_altertable.html#otheralter
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = replace(sql, ',
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE', '')
WHERE type = 'table'
    AND name = 'message';

PRAGMA writable_schema = RESET;

-- The session that the answer is about: the record goes with it.
ALTER TABLE idempotency
    ADD COLUMN session_id TEXT;

CREATE INDEX idempotency_by_session
    ON idempotency (workspace, session_id)
    WHERE session_id IS NOT NULL;

-- The answer to a request for one message is recorded as that to one for many. Those from before name no session.
UPDATE idempotency
SET answer = '{"sessionId":"","messages":[' || answer || ']}'
WHERE substr(answer, 1, 8) = '{"role":';
