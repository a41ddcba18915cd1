-- The labels of a session as JSON; NULL if it has none.
ALTER TABLE session
    ADD COLUMN labels TEXT;

ALTER TABLE session
    ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;

ALTER TABLE session
    ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;

-- The beginning of the last message as JSON; NULL if there is none.
ALTER TABLE session
    ADD COLUMN last_message TEXT;

ALTER TABLE session
    ADD COLUMN is_root INTEGER GENERATED ALWAYS AS (parent_session_id IS NULL) VIRTUAL;

-- After every name comes what stands for none.
ALTER TABLE session
    ADD COLUMN sort_name TEXT GENERATED ALWAYS AS (COALESCE(folded_name, '􏿿')) VIRTUAL;

-- The session as a list shows it: the summary, which is stored, and what changes with each message.
ALTER TABLE session
    ADD COLUMN listed TEXT GENERATED ALWAYS AS (
        rtrim(summary, '}')
        || iif(labels IS NULL, '', ',"labels":' || labels)
        || iif(archived, ',"archived":true', '')
        || iif(pinned, ',"pinned":true', '')
        || iif(last_message IS NULL, '', ',"lastMessage":' || last_message)
        || '}'
    ) VIRTUAL;

-- Without the text of a damaged record.
UPDATE session
SET last_message = (
    SELECT '{"role":"' || role
        || '","timestamp":"' || substr(record, instr(record, ',"timestamp":"') + 14, 27)
        || '","content":' || json_quote(substr(record ->> '$.content', 1, 200))
        || '}'
    FROM message
    WHERE message.workspace = session.workspace
        AND message.session_id = session.id
        AND message.sequence = session.message_count
        AND json_valid(record)
);

-- The labels of sessions, one a row, kept by the triggers below: whatever writes a session writes these.
CREATE TABLE session_label (
    workspace          TEXT NOT NULL,
    session_id         TEXT NOT NULL,
    key                TEXT NOT NULL,
    value              TEXT NOT NULL,
    -- That of the session: an index has the sessions of a label in the order of a list.
    session_updated_at TEXT NOT NULL,
    PRIMARY KEY (workspace, session_id, key),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX session_label_by_key
    ON session_label (workspace, key, session_updated_at, session_id DESC);

CREATE INDEX session_label_by_value
    ON session_label (workspace, key, value, session_updated_at, session_id DESC);

CREATE TRIGGER session_inserted_with_labels
AFTER INSERT ON session
WHEN NEW.labels IS NOT NULL
BEGIN
    INSERT INTO session_label (workspace, session_id, key, value, session_updated_at)
    SELECT NEW.workspace, NEW.id, key, value, NEW.updated_at
    FROM json_each(NEW.labels);
END;

CREATE TRIGGER session_labels_changed
AFTER UPDATE OF labels ON session
WHEN NEW.labels IS NOT OLD.labels
BEGIN
    DELETE FROM session_label
    WHERE workspace = NEW.workspace
        AND session_id = NEW.id;
    INSERT INTO session_label (workspace, session_id, key, value, session_updated_at)
    SELECT NEW.workspace, NEW.id, key, value, NEW.updated_at
    FROM json_each(NEW.labels);
END;

CREATE TRIGGER session_with_labels_updated
AFTER UPDATE OF updated_at ON session
WHEN NEW.labels IS NOT NULL
    AND NEW.updated_at <> OLD.updated_at
BEGIN
    UPDATE session_label
    SET session_updated_at = NEW.updated_at
    WHERE workspace = NEW.workspace
        AND session_id = NEW.id;
END;

-- What most filters ask for is in the indexes that have the order of a list: 10,000 sessions are examined there. Each
-- message sets the status, so only the index that it changes anyway has that.
DROP INDEX session_by_update;

CREATE INDEX session_by_update
    ON session (workspace, updated_at, id DESC, archived, pinned, status, is_root);

DROP INDEX session_by_creation;

CREATE INDEX session_by_creation
    ON session (workspace, created_at, id, archived, pinned, is_root);

CREATE INDEX session_by_name
    ON session (workspace, sort_name, id, archived, pinned, is_root);

-- These are few, and no message goes to a session that has ended.
CREATE INDEX session_archived
    ON session (workspace, updated_at, id DESC)
    WHERE archived = TRUE;

CREATE INDEX session_pinned
    ON session (workspace, updated_at, id DESC)
    WHERE pinned = TRUE;

CREATE INDEX session_by_status
    ON session (workspace, status, updated_at, id DESC)
    WHERE status <> 'active';
