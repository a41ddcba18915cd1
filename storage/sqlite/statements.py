"""The statements of the SQLite storage, those of its own and those that every storage has.

A list has one column: JSON in a BLOB.
"""

from ..sql.statements.removals import begin_writing, next_removal, renew_lease, take_removal
from ..sql.statements.sessions import BEGIN_DETAIL as BEGIN_DETAIL
from ..sql.statements.sessions import CHANGED_SESSIONS as CHANGED_SESSIONS
from ..sql.statements.sessions import CONTEXT as CONTEXT
from ..sql.statements.sessions import COUNT_SESSIONS as COUNT_SESSIONS
from ..sql.statements.sessions import DELETE_SESSION as DELETE_SESSION
from ..sql.statements.sessions import FORGET_ANSWER as FORGET_ANSWER
from ..sql.statements.sessions import FORGET_ANSWERS as FORGET_ANSWERS
from ..sql.statements.sessions import FORGET_DELETIONS as FORGET_DELETIONS
from ..sql.statements.sessions import FORK_DETAIL as FORK_DETAIL
from ..sql.statements.sessions import HAS_WORKSPACE as HAS_WORKSPACE
from ..sql.statements.sessions import IMPORT_SESSION as IMPORT_SESSION
from ..sql.statements.sessions import INSERT_DELETION as INSERT_DELETION
from ..sql.statements.sessions import INSERT_DETAIL as INSERT_DETAIL
from ..sql.statements.sessions import INSERT_SESSION as INSERT_SESSION
from ..sql.statements.sessions import LEAVE_DIRECTORY as LEAVE_DIRECTORY
from ..sql.statements.sessions import MESSAGE_COUNT as MESSAGE_COUNT
from ..sql.statements.sessions import NEXT_SESSION as NEXT_SESSION
from ..sql.statements.sessions import SESSION as SESSION
from ..sql.statements.sessions import SESSION_EXISTS, profile_in_directory
from ..sql.statements.sessions import SET_CONTEXT as SET_CONTEXT
from ..sql.statements.sessions import SET_ERROR_DETAILS as SET_ERROR_DETAILS
from ..sql.statements.sessions import SET_LONG_CONTEXT as SET_LONG_CONTEXT
from ..sql.statements.sessions import SET_STATUS as SET_STATUS
from ..sql.statements.sessions import STATE as STATE
from ..sql.statements.sessions import TAIL_SESSION as TAIL_SESSION
from ..sql.statements.sessions import TAIL_STATE as TAIL_STATE
from ..sql.statements.sessions import USE_DIRECTORY as USE_DIRECTORY
from ..sql.statements.sessions import WORKSPACES as WORKSPACES

# See `Dialect`.
STEPS = "(SELECT key AS place, value FROM json_each({})) AS step"

PROFILE_IN_DIRECTORY = profile_in_directory(STEPS)

CLOCK = "unixepoch('subsec')"

NEXT_REMOVAL = LOCK_REMOVAL = next_removal(CLOCK)

TAKE_REMOVAL = take_removal(CLOCK)

BEGIN_WRITING = begin_writing(CLOCK)

RENEW_LEASE = renew_lease(CLOCK)

PING = """
SELECT message_count
FROM session
LIMIT 1
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

LAST_UPDATE = """
SELECT MAX(updated_at)
FROM session
WHERE workspace = :workspace
    AND updated_at < :horizon
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
    revision, created_revision, context, profile_hash
)
SELECT
    :workspace, :fork_id, COALESCE(:name, name), COALESCE(:folded_name, folded_name),
    iif(:last = 0, 'created', 'active'), profile, amplified_dir, :created_at, MAX(updated_at, :now),
    iif(:last = 0, NULL, :created_at), :id, :last, :last, :tokens, 1, 1, :last, :revision, :revision,
    context, profile_hash
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

FORK_MESSAGES = """
INSERT INTO message (workspace, session_id, sequence, role, token_count, record)
SELECT workspace, :fork_id, sequence, role, token_count, record
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
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

MESSAGE = f"""
SELECT CAST(record AS BLOB)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
    AND {SESSION_EXISTS}
"""  # noqa: S608  # of the text above

TAIL_MESSAGES = f"""
SELECT sequence, CAST(record AS BLOB)
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence BETWEEN :first AND :last
    AND {SESSION_EXISTS}
ORDER BY sequence
LIMIT :most
"""  # noqa: S608  # of the text above

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

RECORDED_ANSWER = """
SELECT fingerprint, CAST(answer AS BLOB), session_id
FROM idempotency
WHERE workspace = :workspace
    AND key = :key
    AND expires_at > :now
    AND (
        session_id IS NULL
        OR EXISTS (
            SELECT 1
            FROM session
            WHERE session.workspace = idempotency.workspace
                AND session.id = idempotency.session_id
        )
    )
"""

RECORD_ANSWER = """
INSERT OR REPLACE INTO idempotency (workspace, key, fingerprint, answer, expires_at, session_id)
VALUES (:workspace, :key, :fingerprint, :answer, :expires_at, :session_id)
"""

OLD_SESSIONS = """
SELECT updated_at, id, message_count
FROM session
WHERE workspace = :workspace
    AND updated_at < :cutoff
    AND revision <= :last_revision
    AND updated_at >= :at
    AND (updated_at > :at OR id < :after_id)
    AND instr(:statuses, status) > 0
ORDER BY updated_at, id DESC
LIMIT :most
"""
