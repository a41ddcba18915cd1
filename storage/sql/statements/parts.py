"""The statements on tool calls and usage, the same for all databases."""

OPEN_CALL = """
INSERT INTO tool_call (workspace, session_id, sequence, call, result_sequence)
VALUES (:workspace, :id, :sequence, :call, :result_sequence)
"""

ANSWER_CALL = """
UPDATE tool_call
SET result_sequence = :sequence
WHERE workspace = :workspace
    AND session_id = :id
    AND call = :call
    AND result_sequence IS NULL
    AND sequence < :sequence
"""

# Those up to a sequence.
REMOVE_CALLS = """
DELETE FROM tool_call
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

# Those in a piece of a fork, in their state after its last message.
FORK_CALLS = """
INSERT INTO tool_call (workspace, session_id, sequence, call, result_sequence)
SELECT
    workspace, CAST(:fork_id AS TEXT), sequence, call,
    CASE WHEN result_sequence <= CAST(:last AS BIGINT) THEN result_sequence END
FROM tool_call
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
    AND sequence <= :last
"""

# Those in earlier pieces whose results are in this piece.
ANSWER_FORKED_CALLS = """
UPDATE tool_call
SET result_sequence = answered.result_sequence
FROM (
    SELECT sequence, call, result_sequence
    FROM tool_call
    WHERE workspace = :workspace
        AND session_id = :id
        AND result_sequence > :after
        AND result_sequence <= :last
        AND sequence <= :after
) AS answered
WHERE workspace = :workspace
    AND session_id = :fork_id
    AND tool_call.sequence = answered.sequence
    AND tool_call.call = answered.call
"""


def _sum(column: str) -> str:
    """A column with an amount added, capped at :most."""
    total = f"COALESCE({column}, 0) + CAST(:{column} AS BIGINT)"
    return f"CASE WHEN {total} > CAST(:most AS BIGINT) THEN CAST(:most AS BIGINT) ELSE {total} END"


# Adds the sums of messages to those of a session. The currency is empty once there are several.
ADD_USAGE = f"""
UPDATE session
SET input_tokens = {_sum("input_tokens")},
    output_tokens = {_sum("output_tokens")},
    cached_tokens = {_sum("cached_tokens")},
    reasoning_tokens = {_sum("reasoning_tokens")},
    cost = CASE
        WHEN CAST(:cost AS BIGINT) IS NULL THEN cost
        WHEN COALESCE(cost, 0) > CAST(:most_cost AS BIGINT) - CAST(:cost AS BIGINT) THEN CAST(:most_cost AS BIGINT)
        ELSE COALESCE(cost, 0) + CAST(:cost AS BIGINT)
    END,
    currency = CASE
        WHEN CAST(:currency AS TEXT) IS NULL OR currency = CAST(:currency AS TEXT) THEN currency
        WHEN currency IS NULL THEN CAST(:currency AS TEXT)
        ELSE ''
    END
WHERE workspace = :workspace
    AND id = :id
"""  # noqa: S608  # of the texts above
