-- Messages that were replaced or deleted after they were appended: the version of the session that this made, and its
-- last message then. Who follows the session is told.
CREATE TABLE correction (
    workspace      TEXT COLLATE "C" NOT NULL,
    session_id     TEXT COLLATE "C" NOT NULL,
    sequence       BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    after_sequence BIGINT NOT NULL,
    is_deleted     BOOLEAN NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence)
);

CREATE UNIQUE INDEX correction_by_version
    ON correction (workspace, session_id, version, after_sequence);

CREATE INDEX correction_by_place
    ON correction (workspace, session_id, after_sequence, version);
