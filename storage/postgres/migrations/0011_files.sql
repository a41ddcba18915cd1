-- Files, to which parts of messages refer. The bytes of each are in chunks, under an id of their own: two uploads of the
-- same bytes do not meet before one of them becomes the file.
CREATE TABLE file (
    workspace  TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of the bytes, in hexadecimal.
    id         TEXT COLLATE "C" NOT NULL,
    content_id TEXT COLLATE "C" NOT NULL,
    media      TEXT NOT NULL,
    name       TEXT,
    size       BIGINT NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    -- NULL once a message refers to it, until it is created again.
    expires_at TEXT COLLATE "C",
    PRIMARY KEY (workspace, id)
);

CREATE INDEX file_by_creation
    ON file (workspace, created_at, id);

CREATE UNIQUE INDEX file_by_content
    ON file (workspace, content_id);

CREATE INDEX file_by_expiry
    ON file (expires_at)
    WHERE expires_at IS NOT NULL;

CREATE TABLE file_chunk (
    workspace  TEXT COLLATE "C" NOT NULL,
    content_id TEXT COLLATE "C" NOT NULL,
    place      BIGINT NOT NULL,
    bytes      BYTEA NOT NULL,
    PRIMARY KEY (workspace, content_id, place)
);

-- Most files are compressed already.
ALTER TABLE file_chunk
    ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE file_reference (
    workspace  TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    sequence   BIGINT NOT NULL,
    file_id    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence, file_id)
);

CREATE INDEX file_reference_by_file
    ON file_reference (workspace, file_id, session_id, sequence);

-- Chunks are written and removed in pieces as messages are: in the table `removal` is their id in the place of a
-- session's.
CREATE FUNCTION remove_chunks_later()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO amplifierd.removal (workspace, session_id, lease_until)
    VALUES (OLD.workspace, OLD.content_id, 0)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END;
$$;

CREATE TRIGGER file_deleted
AFTER DELETE ON file
FOR EACH ROW EXECUTE FUNCTION remove_chunks_later();
