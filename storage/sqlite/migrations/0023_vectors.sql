-- The vectors of messages for the search by meaning. They are derived from the messages, in the background, by the model
-- that is named in embedding_model, and only with a configured embedder.
CREATE TABLE embedding (
    workspace  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    -- The sign of each number, in a bit: these are compared first.
    signs      BLOB    NOT NULL,
    -- Each number, as a signed byte.
    numbers    BLOB    NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence)
) STRICT, WITHOUT ROWID;

-- A search reads the signs of many messages, and not their numbers.
CREATE INDEX embedding_by_signs
    ON embedding (workspace, session_id, sequence, signs);

-- How far each session has vectors.
CREATE TABLE embedding_session (
    workspace  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    PRIMARY KEY (workspace, session_id)
) STRICT, WITHOUT ROWID;

-- How far each workspace has vectors: every write up to this revision.
CREATE TABLE embedding_progress (
    workspace TEXT    NOT NULL PRIMARY KEY,
    revision  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Of the processes that share the database, only the holder of the lease writes vectors.
CREATE TABLE embedding_model (
    model       TEXT NOT NULL,
    holder      TEXT NOT NULL,
    -- Seconds since 1970.
    lease_until REAL NOT NULL
) STRICT;

INSERT INTO embedding_model (model, holder, lease_until)
VALUES ('', '', 0);
