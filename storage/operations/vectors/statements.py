"""The statements on the vectors of messages, for all databases.

The table `embedding` has the vectors. `embedding_session` has a sequence for each session: the messages up to it have
their vectors, or need none. `embedding_progress` has a revision for each workspace: all sessions that were written up
to it are complete.
"""

from ...sql.dialect import MessageTable
from ...sql.statements.removals import lease_has_ended

# The clause for vectors of the model :model. Vectors of a model that was configured before are not compared.
IS_OF_MODEL = """EXISTS (
                SELECT 1
                FROM embedding_model
                WHERE model = :model
            )"""

MODEL = """
SELECT model
FROM embedding_model
"""

SET_MODEL = """
UPDATE embedding_model
SET model = :model
WHERE holder = :holder
"""

# Part of each transaction that writes, because another process may have taken the lease, or have another model. The row
# is locked until the transaction ends.
LOCK_LEASE = """
UPDATE embedding_model
SET holder = :holder
WHERE holder = :holder
    AND model = :model
RETURNING 1
"""

END_LEASE = """
UPDATE embedding_model
SET lease_until = 0
WHERE holder = :holder
"""

FORGET_VECTORS = """
DELETE FROM embedding
WHERE (workspace, session_id, sequence) IN (
    SELECT workspace, session_id, sequence
    FROM embedding
    LIMIT :most
)
RETURNING 1
"""

FORGET_SESSIONS = """
DELETE FROM embedding_session
WHERE (workspace, session_id) IN (
    SELECT workspace, session_id
    FROM embedding_session
    LIMIT :most
)
RETURNING 1
"""

FORGET_PROGRESS = """
DELETE FROM embedding_progress
"""

# The sessions that were written after the progress, in the order in which they were written.
CHANGED_SESSIONS = """
SELECT session.id, session.revision, message_count, COALESCE(embedding_session.sequence, 0) AS embedded
FROM session
LEFT JOIN embedding_session
    ON embedding_session.workspace = session.workspace
    AND embedding_session.session_id = session.id
WHERE session.workspace = :workspace
    AND session.revision > COALESCE((SELECT revision FROM embedding_progress WHERE workspace = :workspace), 0)
ORDER BY session.revision
LIMIT :most
"""

COUNT_WAITING = f"""
SELECT COALESCE(SUM(message_count - embedded), 0)
FROM ({CHANGED_SESSIONS}) AS changed
"""  # noqa: S608  # of the text above

SET_PROGRESS = """
INSERT INTO embedding_progress (workspace, revision)
VALUES (:workspace, :revision)
ON CONFLICT (workspace) DO UPDATE
SET revision = EXCLUDED.revision
"""

# Unless a correction has set it back meanwhile.
SET_SESSION = """
INSERT INTO embedding_session (workspace, session_id, sequence)
SELECT workspace, id, CAST(:last AS BIGINT)
FROM session
WHERE workspace = :workspace
    AND id = :id
ON CONFLICT (workspace, session_id) DO UPDATE
SET sequence = EXCLUDED.sequence
WHERE embedding_session.sequence = :after
RETURNING sequence
"""


def messages(table: MessageTable) -> str:
    """The statement for the messages of a range that have no vector: up to :most and about :bytes, at least one.

    It adds up their sizes without reading their records.
    """
    return f"""
SELECT message.sequence, record, next_size
FROM (
    SELECT next_sequence, next_size, SUM(next_size) OVER (ORDER BY next_sequence) - next_size AS before
    FROM (
        SELECT message.sequence AS next_sequence, {table.size} AS next_size
        FROM {table.source}
        WHERE {table.after(":after", ":last")}
            AND NOT EXISTS (
                SELECT 1
                FROM embedding
                WHERE embedding.workspace = :workspace
                    AND embedding.session_id = :id
                    AND embedding.sequence = message.sequence
            )
        ORDER BY {table.key}
        LIMIT :most
    ) AS sized
) AS next
CROSS JOIN {table.source}
WHERE {table.at("next_sequence")}
    AND before < :bytes
ORDER BY {table.key}
"""  # noqa: S608  # of the texts above


def waiting_workspaces(workspaces: str) -> str:
    """The statement for the workspaces in the list `workspaces` that were written to after their progress."""
    return f"""
SELECT workspace
FROM ({workspaces}) AS listed
WHERE EXISTS (
    SELECT 1
    FROM session
    WHERE session.workspace = listed.workspace
        AND revision > COALESCE(
            (
                SELECT embedding_progress.revision
                FROM embedding_progress
                WHERE embedding_progress.workspace = listed.workspace
            ),
            0
        )
)
"""  # noqa: S608  # of the text above


def take_lease(clock: str) -> str:
    """The statement that takes or renews the lease for :seconds.

    It returns a row with the model, or no row if another process has the lease. `clock` is SQL for the seconds since
    1970.
    """
    return f"""
UPDATE embedding_model
SET holder = :holder,
    lease_until = {clock} + :seconds
WHERE holder = :holder
    OR {lease_has_ended(clock)}
RETURNING model
"""  # noqa: S608  # of the text above
