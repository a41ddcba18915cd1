-- Messages that are indexed in pieces: long ones, which no write should wait for, and corrected ones, whose words are not
-- known yet. A row of the index is one piece: its id is the number, shifted by 31 bits, and the place of the piece. No
-- number is given twice, so that pieces of a text that was replaced meanwhile belong to none.
CREATE TABLE search_long (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    -- Those that are in the index.
    pieces     INTEGER NOT NULL,
    -- The words of the message; NULL until all pieces are in the index: it is not found before.
    words      INTEGER,
    UNIQUE (workspace, session_id, sequence)
) STRICT;

CREATE INDEX search_long_waiting
    ON search_long (workspace, number)
    WHERE words IS NULL;

-- The numbers of sessions are below these.
INSERT INTO sqlite_sequence (name, seq)
VALUES ('search_long', 2147483648);

-- The messages that are in the index.
ALTER TABLE search_progress
    ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;

UPDATE search_progress
SET indexed = (
    SELECT COALESCE(SUM(sequence), 0)
    FROM search_session
    WHERE search_session.workspace = search_progress.workspace
);

-- How often the index was emptied: progress that was made before is none.
ALTER TABLE search_pipeline
    ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

-- The program merges segments itself, a few pages at a time: FTS5 would merge many at once in some writes.
INSERT INTO search (search, rank)
VALUES ('automerge', 0);

INSERT INTO search (search, rank)
VALUES ('crisismerge', 1000);
