-- The rows of sessions are wide. Without a rowid they were the keys of their own tree, a few to a page: seven levels deep
-- where there are a million (https://www.sqlite.org/withoutrowid.html, section 4). With one, a tree of numbers has the
-- rows, and indexes of narrow keys lead there: a page of a list takes a quarter less.
--
-- Most contexts are short, and so are now in these rows: one table less to write to, and to look into. A long one is
-- still apart, and so are the details of an error, each with the other.

CREATE TABLE session_row (
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
    -- NULL where the session has details: it is with those.
    context            TEXT,
    -- What the session's profile was when the session got it; NULL where that is not known.
    profile_hash       TEXT,
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
) STRICT;

INSERT INTO session_row (
    workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, started_at, ended_at,
    error_message, parent_session_id, forked_at_sequence, message_count, token_usage, version, changed_version,
    changed_sequence, revision, created_revision, context, profile_hash
)
SELECT
    session.workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, started_at,
    ended_at, error_message, parent_session_id, forked_at_sequence, message_count, token_usage, version,
    changed_version, changed_sequence, revision, created_revision,
    iif(length(context) <= 256 AND error_details IS NULL, context, NULL), profile_hash
FROM session
LEFT JOIN session_detail
    ON session_detail.workspace = session.workspace
    AND session_detail.session_id = session.id
ORDER BY session.workspace, id;

-- What is left of a session that is lost stays, to be found by a check.
DELETE FROM session_detail
WHERE (workspace, session_id) IN (
    SELECT workspace, id
    FROM session_row
    WHERE context IS NOT NULL
);

ALTER TABLE session_detail
    DROP COLUMN profile_hash;

DROP TABLE session;

ALTER TABLE session_row
    RENAME TO session;

-- What is new comes last, where a tree fills its pages; coming first, it left each half empty.
CREATE INDEX session_by_update
    ON session (workspace, updated_at, id DESC);

CREATE INDEX session_by_revision
    ON session (workspace, revision);

CREATE INDEX session_by_parent
    ON session (workspace, parent_session_id, id)
    WHERE parent_session_id IS NOT NULL;

CREATE INDEX session_by_directory
    ON session (workspace, amplified_dir, id);
