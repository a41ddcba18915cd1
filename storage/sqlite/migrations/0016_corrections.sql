-- Messages that were replaced or deleted after they were appended: the version of the session that this made, and its
-- last message then. Who follows the session is told.
CREATE TABLE correction (
    workspace      TEXT    NOT NULL,
    session_id     TEXT    NOT NULL,
    sequence       INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    after_sequence INTEGER NOT NULL,
    is_deleted     INTEGER NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX correction_by_version
    ON correction (workspace, session_id, version, after_sequence);

CREATE INDEX correction_by_place
    ON correction (workspace, session_id, after_sequence, version);
