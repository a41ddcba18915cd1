-- Rows are found by workspace, then session; without a rowid a transcript lies together on disk, in its order.
-- A session's context stands apart from its counters, so that an append never writes the context again.

CREATE TABLE session (
    workspace     TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    profile       TEXT    NOT NULL,
    amplified_dir TEXT    NOT NULL,
    created_at    TEXT    NOT NULL,
    updated_at    TEXT    NOT NULL,
    message_count INTEGER NOT NULL,
    -- The session as a list shows it: a list is these texts joined.
    summary       TEXT    NOT NULL GENERATED ALWAYS AS (
        '{"id":"' || id
        || '","profile":' || json_quote(profile)
        || ',"amplifiedDir":' || json_quote(amplified_dir)
        || ',"createdAt":"' || created_at
        || '","updatedAt":"' || updated_at
        || '","messageCount":' || message_count || '}'
    ) STORED,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_by_update
    ON session (workspace, updated_at DESC, id);

CREATE TABLE session_context (
    workspace  TEXT NOT NULL,
    session_id TEXT NOT NULL,
    context    TEXT NOT NULL,
    PRIMARY KEY (workspace, session_id),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A record is the message as it is answered, in JSON: a transcript is these texts joined, and a NUL is safe in them.
CREATE TABLE message (
    workspace  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    record     TEXT    NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
