-- Folders and repositories that bring profiles, as they were when they were last read.
CREATE TABLE collection (
    workspace  TEXT NOT NULL,
    identifier TEXT NOT NULL,
    -- The last segment of the identifier, with which the names of its profiles begin.
    name       TEXT NOT NULL,
    -- The collection as a list shows it.
    summary    TEXT NOT NULL,
    record     TEXT NOT NULL,
    PRIMARY KEY (workspace, identifier)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX collection_by_name
    ON collection (workspace, name);

-- The collection that a profile belongs to; NULL for one of its own.
ALTER TABLE profile
    ADD COLUMN collection TEXT;
