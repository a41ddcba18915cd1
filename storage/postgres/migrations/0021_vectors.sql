-- The vectors of messages for the search by meaning. They are derived from the messages, in the background, by the model
-- that is named in embedding_model, and only with a configured embedder.
CREATE TABLE embedding (
    workspace  TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    sequence   BIGINT NOT NULL,
    -- The sign of each number, in a bit: these are compared first.
    signs      BIT VARYING NOT NULL,
    -- Each number, as a signed byte.
    numbers    BYTEA NOT NULL,
    -- A search reads the signs of many messages, and not their numbers.
    PRIMARY KEY (workspace, session_id, sequence) INCLUDE (signs)
);

-- How far each session has vectors.
CREATE TABLE embedding_session (
    workspace  TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    sequence   BIGINT NOT NULL,
    PRIMARY KEY (workspace, session_id)
);

-- How far each workspace has vectors: every write up to this revision.
CREATE TABLE embedding_progress (
    workspace TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    revision  BIGINT NOT NULL
);

-- Of the processes that share the database, only the holder of the lease writes vectors.
CREATE TABLE embedding_model (
    model       TEXT NOT NULL,
    holder      TEXT NOT NULL,
    -- Seconds since 1970.
    lease_until DOUBLE PRECISION NOT NULL
);

INSERT INTO embedding_model (model, holder, lease_until)
VALUES ('', '', 0);
