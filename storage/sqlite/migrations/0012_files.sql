-- Files, to which parts of messages refer. The bytes of each are in chunks, under an id of their own: two uploads of the
-- same bytes do not meet before one of them becomes the file.
CREATE TABLE file (
    workspace  TEXT    NOT NULL,
    -- SHA-256 of the bytes, in hexadecimal.
    id         TEXT    NOT NULL,
    content_id TEXT    NOT NULL,
    media      TEXT    NOT NULL,
    name       TEXT,
    size       INTEGER NOT NULL,
    created_at TEXT    NOT NULL,
    -- NULL once a message refers to it, until it is created again.
    expires_at TEXT,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_by_creation
    ON file (workspace, created_at, id);

CREATE UNIQUE INDEX file_by_content
    ON file (workspace, content_id);

CREATE INDEX file_by_expiry
    ON file (expires_at)
    WHERE expires_at IS NOT NULL;

CREATE TABLE file_chunk (
    workspace  TEXT    NOT NULL,
    content_id TEXT    NOT NULL,
    place      INTEGER NOT NULL,
    bytes      BLOB    NOT NULL,
    PRIMARY KEY (workspace, content_id, place)
) STRICT;

CREATE TABLE file_reference (
    workspace  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    file_id    TEXT    NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence, file_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_reference_by_file
    ON file_reference (workspace, file_id, session_id, sequence);

-- Chunks are written and removed in pieces as messages are: in the table `removal` is their id in the place of a
-- session's.
CREATE TRIGGER file_deleted
AFTER DELETE ON file
BEGIN
    INSERT OR IGNORE INTO removal (workspace, session_id, lease_until)
    VALUES (OLD.workspace, OLD.content_id, 0);
END;
