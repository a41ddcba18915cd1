"""The statements that write and remove sessions in pieces (see operations/bulk/removal.py), the same in every SQL."""

# What a piece is made of (see operations/bulk/removal.py).
MESSAGE_SIZES = """
SELECT sequence, token_count, octet_length(record), usage
FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence > :after
    AND sequence <= :last
ORDER BY sequence
LIMIT :most
"""

REMOVE_MESSAGES = """
DELETE FROM message
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

FORGET_RECORDS = """
DELETE FROM idempotency
WHERE (workspace, key) IN (
    SELECT workspace, key
    FROM idempotency
    WHERE workspace = :workspace
        AND session_id = :id
    LIMIT :most
)
RETURNING key
"""

IS_REMOVED = """
SELECT 1
FROM removal
WHERE workspace = :workspace
    AND session_id = :id
"""

END_REMOVAL = """
DELETE FROM removal
WHERE workspace = :workspace
    AND session_id = :id
"""

# What is written is kept.
END_WRITING = """
DELETE FROM removal
WHERE workspace = :workspace
    AND session_id = :id
    AND writer = :writer
RETURNING writer
"""

GIVE_UP_WRITING = """
UPDATE removal
SET writer = NULL,
    lease_until = 0
WHERE workspace = :workspace
    AND session_id = :id
    AND writer = :writer
RETURNING session_id
"""


def begin_writing(clock: str) -> str:
    """The statement that takes a lease of so many :seconds; `clock` tells seconds since 1970."""
    return f"""
INSERT INTO removal (workspace, session_id, writer, lease_until)
VALUES (:workspace, :id, :writer, {clock} + :seconds)
"""  # noqa: S608  # of the text above


def renew_lease(clock: str) -> str:
    """The statement that renews a lease; it has a row if that has not ended."""
    return f"""
UPDATE removal
SET lease_until = {clock} + :seconds
WHERE workspace = :workspace
    AND session_id = :id
    AND writer = :writer
RETURNING writer
"""  # noqa: S608  # of the text above


def next_removal(clock: str) -> str:
    """The statement that finds a session to remove, which nobody writes; `clock` tells seconds since 1970.

    A lease that ends later than one that begins now was given by a clock that has been put back.
    """
    return f"""
SELECT workspace, session_id
FROM removal
WHERE lease_until NOT BETWEEN {clock} AND {clock} + :seconds
ORDER BY lease_until
LIMIT 1
"""  # noqa: S608  # of the text above


def take_removal(clock: str) -> str:
    """The statement that takes a session from its writer, if its lease has ended; it has a row if nobody writes it."""
    return f"""
UPDATE removal
SET writer = NULL,
    lease_until = 0
WHERE workspace = :workspace
    AND session_id = :id
    AND lease_until NOT BETWEEN {clock} AND {clock} + :seconds
RETURNING session_id
"""  # noqa: S608  # of the text above
