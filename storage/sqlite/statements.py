"""The statements of the SQLite storage that are the same for every request. A list has one column: JSON in a BLOB."""

PING = """
SELECT message_count
FROM session
LIMIT 1
"""

INSERT_SESSION = """
INSERT INTO session (
    workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, message_count,
    token_usage, version, changed_version, changed_sequence, revision, created_revision
)
VALUES (
    :workspace, :id, :name, :folded_name, 'created', :profile, :amplified_dir, :now, :now, 0,
    0, 1, 1, 0, :revision, :revision
)
"""

INSERT_DETAIL = """
INSERT INTO session_detail (workspace, session_id, context)
VALUES (:workspace, :id, :context)
"""

# What `session_of` takes (see sessions.py), of the sessions of a workspace.
_SESSIONS = """
    session.id, status, profile, context, amplified_dir, created_at, updated_at, message_count, token_usage, version,
    name, started_at, ended_at, error_message, error_details, parent_session_id, forked_at_sequence
FROM session
JOIN session_detail
    ON session_detail.workspace = session.workspace
    AND session_detail.session_id = session.id
WHERE session.workspace = :workspace"""

SESSION = f"""
SELECT {_SESSIONS}
    AND session.id = :id
"""

STATE = """
SELECT status, version, message_count, updated_at
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

# Whatever changes the status comes after the start, or is it.
SET_STATUS = """
UPDATE session
SET status = :status,
    updated_at = :updated_at,
    started_at = COALESCE(started_at, :updated_at),
    ended_at = :ended_at,
    error_message = :error_message,
    version = version + 1,
    changed_version = version + 1,
    changed_sequence = message_count,
    revision = :revision
WHERE workspace = :workspace
    AND id = :id
"""

SET_ERROR_DETAILS = """
UPDATE session_detail
SET error_details = :error_details
WHERE workspace = :workspace
    AND session_id = :id
"""

UPDATE_SESSION = """
UPDATE session
SET name = iif(:renamed, :name, name),
    folded_name = iif(:renamed, :folded_name, folded_name),
    profile = COALESCE(:profile, profile),
    updated_at = MAX(updated_at, :now),
    version = version + 1,
    changed_version = version + 1,
    changed_sequence = message_count,
    revision = :revision
WHERE workspace = :workspace
    AND id = :id
"""

# `merge_patch` is ours (see connection.py): SQLite's own takes the key "\\u0000" for the empty one.
MERGE_CONTEXT = """
UPDATE session_detail
SET context = merge_patch(context, :patch)
WHERE workspace = :workspace
    AND session_id = :id
RETURNING octet_length(context), (SELECT COUNT(*) FROM json_each(context))
"""

DELETE_SESSION = """
DELETE FROM session
WHERE workspace = :workspace
    AND id = :id
"""

INSERT_DELETION = """
INSERT INTO deletion (workspace, revision, session_id, deleted_at)
VALUES (:workspace, :revision, :id, :now)
"""

# Two for each that comes, so that what is too old gets less and less; the newest stays, and with it its revision.
FORGET_DELETIONS = """
DELETE FROM deletion
WHERE workspace = :workspace
    AND deleted_at < :horizon
    AND revision IN (
        SELECT revision
        FROM deletion
        WHERE workspace = :workspace
        ORDER BY revision
        LIMIT 2
    )
"""

LAST_REVISION = """
SELECT MAX(
    COALESCE((SELECT MAX(revision) FROM session WHERE workspace = :workspace), 0),
    COALESCE((SELECT MAX(revision) FROM deletion WHERE workspace = :workspace), 0)
)
"""

FORK_SESSION = """
INSERT INTO session (
    workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, started_at,
    parent_session_id, forked_at_sequence, message_count, token_usage, version, changed_version, changed_sequence,
    revision, created_revision
)
SELECT
    :workspace, :fork_id, COALESCE(:name, name), COALESCE(:folded_name, folded_name),
    iif(:last = 0, 'created', 'active'), profile, amplified_dir, :now, MAX(updated_at, :now),
    iif(:last = 0, NULL, :now), :id, :last, :last, MIN(:most, (
        SELECT COALESCE(SUM(token_count), 0)
        FROM message
        WHERE workspace = :workspace
            AND session_id = :id
            AND sequence <= :last
    )), 1, 1, :last, :revision, :revision
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

FORK_DETAIL = """
INSERT INTO session_detail (workspace, session_id, context)
SELECT workspace, :fork_id, context
FROM session_detail
WHERE workspace = :workspace
    AND session_id = :id
"""

FORK_MESSAGES = """
INSERT INTO message (workspace, session_id, sequence, role, token_count, record)
SELECT workspace, :fork_id, sequence, role, token_count, record
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

# A CROSS JOIN is read in the order in which it is written.
ANCESTORS = """
WITH RECURSIVE ancestor (distance, id) AS (
    SELECT 1, parent_session_id
    FROM session
    WHERE workspace = :workspace
        AND id = :id
    UNION ALL
    SELECT distance + 1, session.parent_session_id
    FROM ancestor
    CROSS JOIN session
        ON session.workspace = :workspace
        AND session.id = ancestor.id
    WHERE distance < :most
)
SELECT CAST(summary AS BLOB)
FROM ancestor
CROSS JOIN session
    ON session.workspace = :workspace
    AND session.id = ancestor.id
ORDER BY distance
"""

# Without statistics SQLite takes the primary key, and reads every session.
CHILDREN = """
SELECT CAST(summary AS BLOB)
FROM session INDEXED BY session_by_parent
WHERE workspace = :workspace
    AND parent_session_id = :id
ORDER BY id
LIMIT :most
"""

# A transcript's times never go back, though the clock may. A sum past what JSON carries stays at that.
COUNT_MESSAGES = """
UPDATE session
SET message_count = message_count + :count,
    token_usage = MIN(token_usage + :tokens, :most),
    updated_at = MAX(updated_at, :now),
    version = version + 1,
    revision = :revision
WHERE workspace = :workspace
    AND id = :id
    AND status = 'active'
RETURNING message_count, updated_at
"""

# The first message does it, whose version and sequence these will be.
START_WITH_MESSAGES = """
UPDATE session
SET status = 'active',
    started_at = MAX(updated_at, :now),
    changed_version = version + 1,
    changed_sequence = message_count + :count
WHERE workspace = :workspace
    AND id = :id
"""

INSERT_MESSAGE = """
INSERT INTO message (workspace, session_id, sequence, role, token_count, record)
VALUES (:workspace, :id, :sequence, :role, :tokens, :record)
"""

MESSAGE_COUNT = """
SELECT message_count
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

MESSAGE = """
SELECT CAST(record AS BLOB)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
"""

TAIL_STATE = """
SELECT message_count, changed_version, changed_sequence
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

TAIL_MESSAGES = """
SELECT sequence, CAST(record AS BLOB)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
ORDER BY sequence
LIMIT :most
"""

TAIL_SESSION = f"""
SELECT changed_version, changed_sequence, {_SESSIONS}
    AND session.id = :id
"""

COUNT_SESSIONS = """
SELECT COUNT(*)
FROM session
WHERE workspace = :workspace
"""

NEXT_SESSION = f"""
SELECT {_SESSIONS}
    AND session.id > :id
ORDER BY session.id
LIMIT 1
"""

IMPORT_SESSION = """
INSERT INTO session (
    workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, started_at, ended_at,
    error_message, parent_session_id, forked_at_sequence, message_count, token_usage, version, changed_version,
    changed_sequence, revision, created_revision
)
VALUES (
    :workspace, :id, :name, :folded_name, :status, :profile, :amplified_dir, :created_at, :updated_at, :started_at,
    :ended_at, :error_message, :parent_session_id, :forked_at_sequence, :message_count, :token_usage, :version,
    :version, :message_count, :revision, :revision
)
"""

IMPORT_DETAIL = """
INSERT INTO session_detail (workspace, session_id, context, error_details)
VALUES (:workspace, :id, :context, :error_details)
"""

CHANGES = """
SELECT revision, iif(created_revision > :seen, 'created', 'changed'), CAST(summary AS BLOB)
FROM session
WHERE workspace = :workspace
    AND revision > :seen
UNION ALL
SELECT revision, 'deleted', CAST('{"id":"' || session_id || '"}' AS BLOB)
FROM deletion
WHERE workspace = :workspace
    AND revision > :seen
ORDER BY revision
LIMIT :most
"""

CHANGED_SESSIONS = """
SELECT revision, id
FROM session
WHERE workspace = :workspace
    AND revision > :seen
UNION ALL
SELECT revision, session_id
FROM deletion
WHERE workspace = :workspace
    AND revision > :seen
ORDER BY revision
LIMIT :most
"""

RECORDED_ANSWER = """
SELECT fingerprint, CAST(answer AS BLOB)
FROM idempotency
WHERE workspace = :workspace
    AND key = :key
    AND expires_at > :now
"""

RECORD_ANSWER = """
INSERT OR REPLACE INTO idempotency (workspace, key, fingerprint, answer, expires_at)
VALUES (:workspace, :key, :fingerprint, :answer, :expires_at)
"""

# Two for each that comes, so that what is too old gets less and less.
FORGET_ANSWERS = """
DELETE FROM idempotency
WHERE (workspace, key) IN (
    SELECT workspace, key
    FROM idempotency
    WHERE expires_at < :now
    ORDER BY expires_at
    LIMIT 2
)
"""

OLD_SESSIONS = """
SELECT updated_at, id, message_count
FROM session
WHERE workspace = :workspace
    AND updated_at < :cutoff
    AND updated_at >= :at
    AND (updated_at > :at OR id < :after_id)
    AND instr(:statuses, status) > 0
ORDER BY updated_at, id DESC
LIMIT :most
"""
