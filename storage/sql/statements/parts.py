"""The statements of what messages are made of, tool calls and usage: the same in every SQL."""

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

# Up to a sequence.
REMOVE_CALLS = """
DELETE FROM tool_call
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

# Those of a piece of a fork, as they are after its last message.
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

# Those of earlier pieces, of which this piece has the results.
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
    """A column with :most at most, and what comes to it."""
    total = f"COALESCE({column}, 0) + CAST(:{column} AS BIGINT)"
    return f"CASE WHEN {total} > CAST(:most AS BIGINT) THEN CAST(:most AS BIGINT) ELSE {total} END"


# To the sums of a session those of messages. The currency is empty once there are several.
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
