-- The modules that collections bring, as they were when their collections were last read.
CREATE TABLE module (
    workspace  TEXT NOT NULL,
    id         TEXT NOT NULL,
    type       TEXT NOT NULL,
    collection TEXT NOT NULL,
    -- The module as a list shows it.
    summary    TEXT NOT NULL,
    record     TEXT NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX module_by_type
    ON module (workspace, type, id);
