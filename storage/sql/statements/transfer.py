"""The statements that read sessions for an export, and write imported ones."""

from .sessions import COLUMNS, WITH_DETAILS, columns


def id_uses(steps: str) -> str:
    """The statement that finds the use of each of :ids: the messages of its session, and whether it is pending."""
    return f"""
SELECT step.value, session.message_count, removal.session_id IS NOT NULL
FROM {steps.format(":ids")}
LEFT JOIN session
    ON session.workspace = :workspace
    AND session.id = step.value
LEFT JOIN removal
    ON removal.workspace = :workspace
    AND removal.session_id = step.value
"""  # noqa: S608  # of the texts above


IMPORT_SESSION = """
INSERT INTO session (
    workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, started_at, ended_at,
    error_message, parent_session_id, forked_at_sequence, message_count, token_usage, version, changed_version,
    changed_sequence, revision, created_revision, context, profile_hash, input_tokens, output_tokens, cached_tokens,
    reasoning_tokens, cost, currency, labels, archived, pinned, last_message
)
VALUES (
    :workspace, :id, :name, :folded_name, :status, :profile, :amplified_dir, :created_at, :updated_at, :started_at,
    :ended_at, :error_message, :parent_session_id, :forked_at_sequence, :message_count, :token_usage, :version,
    :version, :message_count, :revision, :revision, :context, :profile_hash, :input_tokens, :output_tokens,
    :cached_tokens, :reasoning_tokens, :cost, :currency, :labels, :archived, :pinned, :last_message
)
"""

# Counts imported messages; a created session becomes active, any other keeps its status.
EXTEND_SESSION = """
UPDATE session
SET message_count = message_count + :count,
    token_usage = CASE WHEN token_usage + :tokens < :most THEN token_usage + :tokens ELSE :most END,
    updated_at = CASE WHEN updated_at > :updated_at THEN updated_at ELSE :updated_at END,
    last_message = :last_message,
    version = version + 1,
    revision = :revision,
    status = CASE status WHEN 'created' THEN 'active' ELSE status END,
    started_at = CASE status WHEN 'created' THEN :updated_at ELSE started_at END,
    changed_version = CASE status WHEN 'created' THEN version + 1 ELSE changed_version END,
    changed_sequence = CASE status WHEN 'created' THEN message_count + :count ELSE changed_sequence END
WHERE workspace = :workspace
    AND id = :id
RETURNING message_count
"""


def exported_session(last_sequence: str, ids: str) -> str:
    """The statement that reads the first session that matches `ids`, a condition, for an export.

    It also reads the session's profile, unless it is unknown or built in, the profile's texts, and `last_sequence`, the
    sequence of its last message, 0 if there is none. The context of a damaged session may be NULL.
    """
    return f"""
SELECT (
    SELECT content
    FROM profile_content
    WHERE profile_content.workspace = session.workspace
        AND hash = profile_hash
), (
    SELECT profile_text.content
    FROM profile_content
    JOIN profile_text
        ON profile_text.workspace = profile_content.workspace
        AND profile_text.hash = profile_content.texts
    WHERE profile_content.workspace = session.workspace
        AND profile_content.hash = profile_hash
), {last_sequence}, {COLUMNS}
FROM {WITH_DETAILS}
    AND session.id {ids}
ORDER BY session.id
LIMIT 1
"""  # noqa: S608  # of the texts above


def session_alone(last_sequence: str) -> str:
    """The statement that reads the same of a session, but nothing from other tables except `last_sequence`."""
    return f"""
SELECT NULL, NULL, {last_sequence}, {columns("context", "NULL")}
FROM session
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the texts above
