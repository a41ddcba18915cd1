"""The statements on sessions, their messages and recorded responses. Parameters are `:name`."""

# Remains of a deleted session are invisible.
SESSION_EXISTS = """EXISTS (
        SELECT 1
        FROM session
        WHERE session.workspace = :workspace
            AND session.id = :id
    )"""


def inherited_profile(steps: str) -> str:
    """The expression for the profile of a session in a directory that names none.

    It is the profile of the directory or of the nearest ancestor that has one, else the active one, else the built-in
    one; `steps` is the session's :lineage (see `Dialect`).
    """
    return f"""COALESCE(
    (
        SELECT above.default_profile
        FROM {steps.format(":lineage")}
        CROSS JOIN directory AS above
        WHERE above.workspace = :workspace
            AND above.relative_path = step.value
            AND above.default_profile IS NOT NULL
        ORDER BY step.place
        LIMIT 1
    ),
    (SELECT active_profile.name FROM active_profile WHERE active_profile.workspace = :workspace),
    'default'
)"""  # noqa: S608  # of the texts above


def profile_in_directory(steps: str) -> str:
    """The statement that finds the `inherited_profile` of a session if its directory is amplified."""
    return f"""
SELECT {inherited_profile(steps)}
FROM directory
WHERE workspace = :workspace
    AND relative_path = :amplified_dir
"""  # noqa: S608  # of the texts above


# Only a session without a context of its own has details.
WITH_DETAILS = """session
LEFT JOIN session_detail
    ON session_detail.workspace = session.workspace
    AND session_detail.session_id = CASE WHEN session.context IS NULL THEN session.id END
WHERE session.workspace = :workspace"""

DETAILED = f"""{WITH_DETAILS}
    AND COALESCE(session.context, session_detail.context) IS NOT NULL"""


def columns(context: str, error_details: str) -> str:
    """The columns that `session_of` takes (see operations/sessions.py)."""
    return f"""
    session.id, status, profile, {context}, amplified_dir, created_at,
    updated_at, message_count, token_usage, version, name, started_at, ended_at, error_message, {error_details},
    parent_session_id, forked_at_sequence, labels, archived, pinned, input_tokens, output_tokens, cached_tokens,
    reasoning_tokens, cost, currency"""


COLUMNS = columns("COALESCE(session.context, session_detail.context)", "error_details")

_SESSIONS = f"""{COLUMNS}
FROM {DETAILED}"""


LABELS = """
SELECT labels
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

# A time never goes back, though the clock may.
LATER = "CASE WHEN updated_at > :now THEN updated_at ELSE :now END"

# Counts appended messages; the first one starts the session, which then changed at its version and sequence. Sums are
# capped at the largest integer that JSON carries.
COUNT_MESSAGES = f"""UPDATE session
SET message_count = message_count + :count,
    token_usage = CASE WHEN token_usage + :tokens < :most THEN token_usage + :tokens ELSE :most END,
    updated_at = {LATER},
    last_message = '{{"role":"' || CAST(:last_role AS TEXT)
        || '","timestamp":"' || COALESCE(CAST(:last_time AS TEXT), {LATER})
        || '","content":' || CAST(:last_content AS TEXT) || '}}',
    version = version + 1,
    revision = :revision,
    status = 'active',
    started_at = CASE status WHEN 'created' THEN {LATER} ELSE started_at END,
    changed_version = CASE status WHEN 'created' THEN version + 1 ELSE changed_version END,
    changed_sequence = CASE status WHEN 'created' THEN message_count + :count ELSE changed_sequence END
WHERE workspace = :workspace
    AND id = :id
    AND status IN ('created', 'active')"""  # noqa: S608  # of the text above


class Statements:
    """The statements that are the same for all databases. A backend adds those that have no value here, in its own SQL.

    A class that lacks one of them raises `TypeError` when it is defined.
    """

    PROFILE_IN_DIRECTORY: str
    LAST_REVISION: str
    FORK_MESSAGES: str
    ANCESTORS: str
    CHILDREN: str
    SESSION_SUMMARY: str
    MESSAGES_WITH_IDS: str
    ID_USES: str
    MODULES_WITH_IDS: str
    MODULE_SOURCES_WITH_IDS: str
    MESSAGE: str
    MESSAGE_RECORD: str
    MESSAGE_SIZES: str
    MESSAGES_TO_COPY: str
    RECORDED_MESSAGES: str
    RECOUNT: str
    EXPORTED_SESSION: str
    NEXT_SESSION: str
    SESSION_ALONE: str
    IMPORT_SESSION: str
    PARTS: str
    TAIL_MESSAGES: str
    TAIL_CORRECTIONS: str
    CHANGES: str
    RECORDED_RESPONSE: str
    NEXT_REMOVAL: str
    LOCK_REMOVAL: str
    TAKE_REMOVAL: str
    BEGIN_WRITING: str
    RENEW_LEASE: str
    LOCK_FILES: str
    KEEP_FILES: str
    INSERT_REFERENCES: str
    DELETE_UNREFERENCED: str
    CLOSE_CALLS: str
    OPEN_CALLS: str
    REOPEN_CALLS: str
    ANSWER_CALLS: str

    INSERT_SESSION = """
INSERT INTO session (
    workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, message_count,
    token_usage, version, changed_version, changed_sequence, revision, created_revision, context, profile_hash,
    labels, archived, pinned
)
VALUES (
    :workspace, :id, :name, :folded_name, 'created', :profile, :amplified_dir, :created_at, :now, 0,
    0, 1, 1, 0, :revision, :revision, :context, :profile_hash, :labels, :archived, :pinned
)
"""

    # For a new session with labels.
    INSERT_LABELLED_SESSION = INSERT_SESSION

    # For a session whose own context is NULL.
    INSERT_DETAIL = """
INSERT INTO session_detail (workspace, session_id, context, error_details)
VALUES (:workspace, :id, :long_context, :error_details)
"""

    SESSION = f"""
SELECT {_SESSIONS}
    AND session.id = :id
"""

    STATE = """
SELECT status, version, message_count, updated_at, created_revision
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

    # A change of the status is the start, or comes after it.
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

    UPDATE_SESSION = f"""
UPDATE session
SET name = CASE WHEN CAST(:renamed AS BOOLEAN) THEN :name ELSE name END,
    folded_name = CASE WHEN CAST(:renamed AS BOOLEAN) THEN :folded_name ELSE folded_name END,
    profile = COALESCE(:profile, profile),
    labels = CASE WHEN CAST(:relabelled AS BOOLEAN) THEN :labels ELSE labels END,
    archived = COALESCE(:archived, archived),
    pinned = COALESCE(:pinned, pinned),
    updated_at = {LATER},
    version = version + 1,
    changed_version = version + 1,
    changed_sequence = message_count,
    revision = :revision
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the text above

    SET_ERROR_DETAILS = """
UPDATE session_detail
SET error_details = :error_details
WHERE workspace = :workspace
    AND session_id = :id
"""

    # With a column that says whether it is the session's own.
    CONTEXT = f"""
SELECT COALESCE(session.context, session_detail.context), session.context IS NOT NULL
FROM {DETAILED}
    AND session.id = :id
"""  # noqa: S608  # of the text above

    SET_CONTEXT = """
UPDATE session
SET context = :context
WHERE workspace = :workspace
    AND id = :id
"""

    SET_LONG_CONTEXT = """
UPDATE session_detail
SET context = :long_context
WHERE workspace = :workspace
    AND session_id = :id
"""

    # Creates the details of a session that has none. (A conflict is possible only if a person edited the table.)
    BEGIN_DETAIL = """
INSERT INTO session_detail (workspace, session_id, context)
SELECT workspace, id, context
FROM session
WHERE workspace = :workspace
    AND id = :id
    AND context IS NOT NULL
ON CONFLICT (workspace, session_id) DO UPDATE
SET context = EXCLUDED.context
"""

    # Counts one more session in the directory.
    USE_DIRECTORY = """
INSERT INTO directory_use AS kept (workspace, relative_path, session_count, last_used_at)
VALUES (:workspace, :amplified_dir, 1, :created_at)
ON CONFLICT (workspace, relative_path) DO UPDATE
SET session_count = kept.session_count + 1,
    last_used_at = CASE
        WHEN kept.last_used_at > EXCLUDED.last_used_at THEN kept.last_used_at
        ELSE EXCLUDED.last_used_at
    END
"""

    LEAVE_DIRECTORY = """
UPDATE directory_use
SET session_count = session_count - 1
WHERE workspace = :workspace
    AND relative_path = (
        SELECT amplified_dir
        FROM session
        WHERE workspace = :workspace
            AND id = :id
    )
"""

    DELETE_SESSION = """
DELETE FROM session
WHERE workspace = :workspace
    AND id = :id
"""

    FORK_SESSION = f"""
INSERT INTO session (
    workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, started_at,
    parent_session_id, forked_at_sequence, message_count, token_usage, version, changed_version, changed_sequence,
    revision, created_revision, context, profile_hash, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
    cost, currency, labels, last_message
)
SELECT
    workspace, CAST(:fork_id AS TEXT), COALESCE(:name, name), COALESCE(:folded_name, folded_name),
    CASE CAST(:last AS BIGINT) WHEN 0 THEN 'created' ELSE 'active' END, profile, amplified_dir,
    CAST(:created_at AS TEXT), {LATER},
    CASE CAST(:last AS BIGINT) WHEN 0 THEN NULL ELSE CAST(:created_at AS TEXT) END, id, CAST(:last AS BIGINT),
    CAST(:last AS BIGINT), CAST(:tokens AS BIGINT), 1, 1, CAST(:last AS BIGINT), CAST(:revision AS BIGINT),
    CAST(:revision AS BIGINT), context, profile_hash, CAST(:input_tokens AS BIGINT), CAST(:output_tokens AS BIGINT),
    CAST(:cached_tokens AS BIGINT), CAST(:reasoning_tokens AS BIGINT), CAST(:cost AS BIGINT), CAST(:currency AS TEXT),
    labels, CAST(:last_message AS TEXT)
FROM session
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the text above

    FORK_DETAIL = """
INSERT INTO session_detail (workspace, session_id, context)
SELECT workspace, :fork_id, context
FROM session_detail
WHERE workspace = :workspace
    AND session_id = :id
"""

    COUNT_MESSAGES = f"""
{COUNT_MESSAGES}
RETURNING message_count, updated_at
"""

    MESSAGE_COUNT = """
SELECT message_count
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

    TAIL_STATE = """
SELECT message_count, changed_version, changed_sequence, version
FROM session
WHERE workspace = :workspace
    AND id = :id
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

    # Steps from one workspace to the next, whatever the number of sessions in each.
    WORKSPACES = """
WITH RECURSIVE found (workspace) AS (
    SELECT MIN(workspace)
    FROM session
    UNION ALL
    SELECT (
        SELECT MIN(workspace)
        FROM session
        WHERE workspace > found.workspace
    )
    FROM found
    WHERE found.workspace IS NOT NULL
)
SELECT workspace
FROM found
WHERE workspace IS NOT NULL
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

    def __init_subclass__(cls) -> None:
        missing = sorted(name for name in Statements.__annotations__ if not hasattr(cls, name))
        if missing:
            raise TypeError(f"{cls.__name__} lacks the statements {', '.join(missing)}.")
