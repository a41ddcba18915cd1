"""The statements of the PostgreSQL storage in its own SQL.

A list has one column: JSON in bytes.
"""

from ..sql.dialect import MessageTable
from ..sql.statements.collections import module_sources_with_ids, modules_with_ids
from ..sql.statements.corrections import answer_calls, close_calls, message_record, open_calls, reopen_calls
from ..sql.statements.files import delete_unreferenced, insert_references, keep_files, lock_files
from ..sql.statements.integrity import parts, recount
from ..sql.statements.message_lists import messages_with_ids
from ..sql.statements.recorded_responses import RECORDED, recorded_messages
from ..sql.statements.removals import begin_writing, message_sizes, next_removal, renew_lease, take_removal
from ..sql.statements.sessions import SESSION_EXISTS, Statements, columns, profile_in_directory
from ..sql.statements.transfer import IMPORT_SESSION, exported_session, id_uses, session_alone

# See `Dialect`.
STEPS = "json_array_elements_text(CAST({} AS JSON)) WITH ORDINALITY AS step (value, place)"

CLOCK = "EXTRACT(EPOCH FROM clock_timestamp())"

_OF_SESSION = "workspace = :workspace\n    AND session_id = :id"

MESSAGES = MessageTable(
    source="message",
    of_session=_OF_SESSION,
    of_id=_OF_SESSION,
    key="sequence",
    key_of="{}",
    size="octet_length(record)",
)

# The sequence of the last message of the session in a row of `session`.
_LAST_SEQUENCE_OF_SESSION = """COALESCE((
    SELECT MAX(sequence)
    FROM message
    WHERE message.workspace = session.workspace
        AND message.session_id = session.id
), 0)"""

# A session as lists show it.
SUMMARY = """convert_to(
        '{"id":"' || id
        || '","status":"' || status
        || '","profile":' || to_json(profile)
        || ',"amplifiedDir":' || to_json(amplified_dir)
        || ',"createdAt":"' || created_at
        || '","updatedAt":"' || updated_at
        || '","messageCount":' || message_count
        || ',"tokenUsage":' || token_usage
        || ',"version":' || version
        || COALESCE(',"name":' || to_json(name), '')
        || COALESCE(',"startedAt":"' || started_at || '"', '')
        || COALESCE(',"endedAt":"' || ended_at || '"', '')
        || COALESCE(',"errorMessage":' || error_message, '')
        || COALESCE(',"parentSessionId":"' || parent_session_id || '"', '')
        || COALESCE(',"forkedAtSequence":' || forked_at_sequence, '')
        || COALESCE(',"labels":' || labels, '')
        || CASE WHEN archived THEN ',"archived":' || 'true' ELSE '' END
        || CASE WHEN pinned THEN ',"pinned":' || 'true' ELSE '' END
        || COALESCE(',"lastMessage":' || last_message, '')
        || '}',
        'UTF8'
    )"""

# Records joined, unless that is long.
JOINED = """CASE
            WHEN COALESCE(MAX(size), 0) < :bytes THEN convert_to(COALESCE(string_agg(record, ','), ''), 'UTF8')
        END"""


class PostgresStatements(Statements):
    """The statements of PostgreSQL."""

    IMPORT_SESSION = IMPORT_SESSION

    PROFILE_IN_DIRECTORY = profile_in_directory(STEPS)

    MESSAGES_WITH_IDS = messages_with_ids(MESSAGES, STEPS)

    MESSAGE_RECORD = message_record(MESSAGES)

    MESSAGE_SIZES = message_sizes(MESSAGES)

    MESSAGES_TO_COPY = message_sizes(MESSAGES, "token_count", "usage")

    RECORDED_MESSAGES = recorded_messages(MESSAGES)

    RECOUNT = recount(MESSAGES)

    EXPORTED_SESSION = exported_session(_LAST_SEQUENCE_OF_SESSION, "= :id")

    NEXT_SESSION = exported_session(_LAST_SEQUENCE_OF_SESSION, "> :id")

    SESSION_ALONE = session_alone(_LAST_SEQUENCE_OF_SESSION)

    PARTS = parts("message")

    # Sessions whose context is in their own row: a long one, or a missing one, is read by SESSION.
    SHORT_SESSIONS = f"""
SELECT {columns("context", "NULL")}
FROM session
WHERE workspace = :workspace
    AND id = ANY(CAST(:session_ids AS TEXT[]))
    AND context IS NOT NULL
"""  # noqa: S608  # of the text above

    REPLACE_RECORD = """
UPDATE message
SET record = :record
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
"""

    REMOVE_MESSAGES = """
DELETE FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

    ID_USES = id_uses(STEPS)

    MODULES_WITH_IDS = modules_with_ids(STEPS)

    MODULE_SOURCES_WITH_IDS = module_sources_with_ids(STEPS)

    SESSION_SUMMARY = f"""
SELECT {SUMMARY}
FROM session
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the text above

    NEXT_REMOVAL = next_removal(CLOCK)

    TAKE_REMOVAL = take_removal(CLOCK)

    BEGIN_WRITING = begin_writing(CLOCK)

    RENEW_LEASE = renew_lease(CLOCK)

    # A piece of a removal does not wait for the workspace, as other writes do.
    LOCK_FILES = f"{lock_files(STEPS)}FOR UPDATE\n"

    KEEP_FILES = keep_files(STEPS)

    INSERT_REFERENCES = insert_references(STEPS)

    DELETE_UNREFERENCED = delete_unreferenced(STEPS)

    CLOSE_CALLS = close_calls(STEPS)

    OPEN_CALLS = open_calls(STEPS)

    REOPEN_CALLS = reopen_calls(STEPS)

    ANSWER_CALLS = answer_calls(STEPS)

    # Only one of many programs removes it; the others skip it meanwhile.
    LOCK_REMOVAL = f"{NEXT_REMOVAL}FOR UPDATE SKIP LOCKED\n"

    # Whether the server is read-only; it fails if the tables are missing.
    PING = """
SELECT current_setting('transaction_read_only') = 'on', (
    SELECT message_count
    FROM session
    LIMIT 1
)
"""

    WRITE_NOTHING = """
UPDATE schema_version
SET version = version
"""

    # It locks the workspace until the transaction ends.
    NEXT_REVISION = """
INSERT INTO workspace AS kept (workspace, revision)
VALUES (:workspace, :count)
ON CONFLICT (workspace) DO UPDATE
SET revision = kept.revision + EXCLUDED.revision
RETURNING revision
"""

    # One look-up in an index for each workspace.
    LAST_UPDATE = """
SELECT MAX(updated_at)
FROM workspace
CROSS JOIN LATERAL (
    SELECT MAX(updated_at) AS updated_at
    FROM session
    WHERE session.workspace = workspace.workspace
        AND updated_at < :horizon
) AS newest
"""

    LAST_REVISION = """
SELECT COALESCE(MAX(revision), 0)
FROM workspace
WHERE workspace = :workspace
"""

    # Sessions that arrived together (see functions.sql).
    OPEN_SESSIONS = """
SELECT opened_id, opened_profile
FROM open_sessions_v5(
    :workspace, :default_hash, :installed, :ids, :names, :folded_names, :profiles, :amplified_dirs, :lineages, :moments,
    :contexts, :long_contexts
)
"""

    FORK_MESSAGES = """
WITH copied AS (
    INSERT INTO message (workspace, session_id, sequence, role, token_count, record, usage, message_id)
    SELECT workspace, :fork_id, sequence, role, token_count, record, usage, message_id
    FROM message
    WHERE workspace = :workspace
        AND session_id = :id
        AND sequence > :after
        AND sequence <= :last
)
INSERT INTO search (workspace, session_id, sequence, role, size, words, lexemes)
SELECT workspace, :fork_id, sequence, role, size, words, lexemes
FROM search
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
    AND sequence <= :last
"""

    ANCESTORS = f"""
WITH RECURSIVE ancestor (distance, id) AS (
    SELECT 1, parent_session_id
    FROM session
    WHERE workspace = :workspace
        AND id = :id
    UNION ALL
    SELECT distance + 1, session.parent_session_id
    FROM ancestor
    JOIN session
        ON session.workspace = :workspace
        AND session.id = ancestor.id
    WHERE distance < CAST(:most AS BIGINT)
)
SELECT {SUMMARY.replace("|| id", "|| session.id")}
FROM ancestor
JOIN session
    ON session.workspace = :workspace
    AND session.id = ancestor.id
ORDER BY distance
"""  # noqa: S608  # of the text above

    CHILDREN = f"""
SELECT {SUMMARY}
FROM session
WHERE workspace = :workspace
    AND parent_session_id = :id
ORDER BY id
LIMIT :most
"""  # noqa: S608  # of the text above

    # Requests for messages that arrived together (see functions.sql).
    APPEND_MESSAGES = """
SELECT last_sequence, appended_at, convert_to(recorded_answer, 'UTF8')
FROM append_messages_v5(
    :workspace, :now, :most, :session_ids, :counts, :tokens, :expected_sequences, :expected_versions,
    :keys, :fingerprints, :expiry,
    :requests, :places, :roles, :token_counts, :heads, :middles, :tails, :sizes, :texts, :vectors,
    :usages, :input_sums, :output_sums, :cached_sums, :reasoning_sums, :costs, :currencies, :most_cost,
    :last_roles, :last_times, :last_contents,
    :opened_requests, :opened_places, :opened_calls, :answered_requests, :answered_places, :answered_calls
)
"""

    MESSAGE = f"""
SELECT convert_to(record, 'UTF8')
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
    AND {SESSION_EXISTS}
"""  # noqa: S608  # of the text above

    TAIL_MESSAGES = f"""
SELECT sequence, convert_to(record, 'UTF8')
FROM (
    SELECT
        sequence, record, SUM(octet_length(record)) OVER (ORDER BY sequence) - octet_length(record) AS before
    FROM message
    WHERE workspace = :workspace
        AND session_id = :id
        AND sequence BETWEEN :first AND :last
        AND {SESSION_EXISTS}
    ORDER BY sequence
    LIMIT :most
) AS next
WHERE before < :bytes
ORDER BY sequence
"""  # noqa: S608  # of the text above

    # Those of messages that a reader has, up to a version.
    TAIL_CORRECTIONS = f"""
SELECT version, is_deleted, convert_to(record, 'UTF8')
FROM (
    SELECT
        version, is_deleted, record,
        SUM(octet_length(record)) OVER (ORDER BY version) - octet_length(record) AS before
    FROM (
        SELECT *
        FROM correction
        WHERE workspace = :workspace
            AND session_id = :id
            AND version > :version
            AND version < :before
            AND after_sequence <= :sequence
            AND {SESSION_EXISTS}
        ORDER BY version
        LIMIT :most
    ) AS corrected
    JOIN message
        USING (workspace, session_id, sequence)
) AS next
WHERE before < :bytes
ORDER BY version
"""  # noqa: S608  # of the text above

    CHANGES = f"""
SELECT revision, CASE WHEN created_revision > :seen THEN 'created' ELSE 'changed' END, {SUMMARY}
FROM session
WHERE workspace = :workspace
    AND revision > :seen
UNION ALL
SELECT revision, 'deleted', convert_to('{{"id":"' || session_id || '"}}', 'UTF8')
FROM deletion
WHERE workspace = :workspace
    AND revision > :seen
ORDER BY revision
LIMIT :most
"""  # noqa: S608  # of the text above

    RECORDED_RESPONSE = f"""
SELECT fingerprint, convert_to(answer, 'UTF8'), session_id
FROM {RECORDED}
"""  # noqa: S608  # of the text above

    NOTIFY = "SELECT pg_notify('amplifierd', '')"
