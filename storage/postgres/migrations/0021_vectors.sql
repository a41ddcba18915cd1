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

-- Also a server of the version before, which knows no vectors, leaves none of what it deletes or corrects. Whoever writes
-- may have another search path.
CREATE FUNCTION remove_vectors()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM amplifierd.embedding
    USING removed
    WHERE embedding.workspace = removed.workspace
        AND embedding.session_id = removed.session_id
        AND embedding.sequence = removed.sequence;
    RETURN NULL;
END;
$$;

CREATE TRIGGER messages_deleted
AFTER DELETE ON message
REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION remove_vectors();

-- The revision of the session is a new one: the message gets another vector.
CREATE FUNCTION replace_vector()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM amplifierd.embedding
    WHERE workspace = OLD.workspace
        AND session_id = OLD.session_id
        AND sequence = OLD.sequence;
    UPDATE amplifierd.embedding_session
    SET sequence = OLD.sequence - 1
    WHERE workspace = OLD.workspace
        AND session_id = OLD.session_id
        AND sequence >= OLD.sequence;
    RETURN NULL;
END;
$$;

CREATE TRIGGER message_corrected
AFTER UPDATE OF record ON message
FOR EACH ROW
WHEN (OLD.record <> NEW.record)
EXECUTE FUNCTION replace_vector();

CREATE FUNCTION forget_session()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM amplifierd.embedding_session
    WHERE workspace = OLD.workspace
        AND session_id = OLD.session_id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER removal_ended
AFTER DELETE ON removal
FOR EACH ROW EXECUTE FUNCTION forget_session();
