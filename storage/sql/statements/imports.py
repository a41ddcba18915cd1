"""The statements that write imported sessions."""


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
