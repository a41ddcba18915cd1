-- The modules that collections bring, as they were when their collections were last read.
CREATE TABLE module (
    workspace  TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    type       TEXT COLLATE "C" NOT NULL,
    collection TEXT COLLATE "C" NOT NULL,
    -- The module as a list shows it.
    summary    TEXT NOT NULL,
    record     TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE INDEX module_by_type
    ON module (workspace, type, id);
