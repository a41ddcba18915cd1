-- Rows are found by workspace, then session; without a rowid a transcript lies together on disk, in its order.
-- What a client sent of any length stands apart from a session's counters, so that an append never writes it again.

CREATE TABLE session (
    workspace          TEXT    NOT NULL,
    id                 TEXT    NOT NULL,
    name               TEXT,
    -- The name without upper and lower case, for filters.
    folded_name        TEXT,
    status             TEXT    NOT NULL,
    profile            TEXT    NOT NULL,
    amplified_dir      TEXT    NOT NULL,
    created_at         TEXT    NOT NULL,
    updated_at         TEXT    NOT NULL,
    started_at         TEXT,
    ended_at           TEXT,
    -- A JSON string, in which a NUL is safe.
    error_message      TEXT,
    parent_session_id  TEXT,
    forked_at_sequence INTEGER,
    message_count      INTEGER NOT NULL,
    token_usage        INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    -- The version, and the last message, when something else than the transcript last changed.
    changed_version    INTEGER NOT NULL,
    changed_sequence   INTEGER NOT NULL,
    -- Counts the writes of the workspace: the session that changed last has the highest.
    revision           INTEGER NOT NULL,
    created_revision   INTEGER NOT NULL,
    -- The session as a list shows it: a list is these texts joined.
    summary            TEXT    NOT NULL GENERATED ALWAYS AS (
        '{"id":"' || id
        || '","status":"' || status
        || '","profile":' || json_quote(profile)
        || ',"amplifiedDir":' || json_quote(amplified_dir)
        || ',"createdAt":"' || created_at
        || '","updatedAt":"' || updated_at
        || '","messageCount":' || message_count
        || ',"tokenUsage":' || token_usage
        || ',"version":' || version
        || iif(name IS NULL, '', ',"name":' || json_quote(name))
        || iif(started_at IS NULL, '', ',"startedAt":"' || started_at || '"')
        || iif(ended_at IS NULL, '', ',"endedAt":"' || ended_at || '"')
        || iif(error_message IS NULL, '', ',"errorMessage":' || error_message)
        || iif(parent_session_id IS NULL, '', ',"parentSessionId":"' || parent_session_id || '"')
        || iif(forked_at_sequence IS NULL, '', ',"forkedAtSequence":' || forked_at_sequence)
        || '}'
    ) STORED,
    PRIMARY KEY (workspace, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_by_update
    ON session (workspace, updated_at DESC, id);

CREATE INDEX session_by_revision
    ON session (workspace, revision);

CREATE INDEX session_by_parent
    ON session (workspace, parent_session_id, id)
    WHERE parent_session_id IS NOT NULL;

CREATE TABLE session_detail (
    workspace     TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    context       TEXT NOT NULL,
    error_details TEXT,
    PRIMARY KEY (workspace, session_id),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A record is the message as it is answered, in JSON: a transcript is these texts joined, and a NUL is safe in them.
CREATE TABLE message (
    workspace   TEXT    NOT NULL,
    session_id  TEXT    NOT NULL,
    sequence    INTEGER NOT NULL,
    role        TEXT    NOT NULL,
    token_count INTEGER NOT NULL,
    record      TEXT    NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Sessions that are gone, for those who follow what changes.
CREATE TABLE deletion (
    workspace  TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    session_id TEXT    NOT NULL,
    deleted_at TEXT    NOT NULL,
    PRIMARY KEY (workspace, revision)
) STRICT, WITHOUT ROWID;

-- Answers to requests that may be sent again.
CREATE TABLE idempotency (
    workspace   TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer      TEXT NOT NULL,
    expires_at  TEXT NOT NULL,
    PRIMARY KEY (workspace, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_expiry
    ON idempotency (expires_at);

-- What messages say, by its words. A row is a message: the number of its session, shifted by 31 bits, and its sequence.
-- It is written after the message, when there is time, or before the next search.
CREATE VIRTUAL TABLE search USING fts5 (
    content,
    content = '',
    contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2'
);

-- How far each session is in it.
CREATE TABLE search_session (
    number     INTEGER PRIMARY KEY,
    workspace  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    UNIQUE (workspace, session_id)
) STRICT;

-- How far each workspace is in it: every write up to this revision.
CREATE TABLE search_progress (
    workspace TEXT    NOT NULL PRIMARY KEY,
    revision  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
