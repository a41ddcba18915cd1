"""The statements that write and remove sessions in pieces (see operations/bulk/removal.py), for all databases."""

# The messages of a piece (see operations/bulk/removal.py).
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

# By the key of the session, not by the index of revisions.
IS_UNCHANGED = """
SELECT 1
FROM session
WHERE workspace = :workspace
    AND id = :id
    AND revision + 0 <= :last_revision
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

# The written messages are kept.
END_WRITING = """
DELETE FROM removal
WHERE workspace = :workspace
    AND session_id = :id
    AND writer = :writer
RETURNING writer
"""

ABANDON_WRITING = """
UPDATE removal
SET writer = NULL,
    lease_until = 0
WHERE workspace = :workspace
    AND session_id = :id
    AND writer = :writer
RETURNING session_id
"""


def lease_has_ended(clock: str) -> str:
    """The clause for a lease of :seconds that has ended; `clock` is SQL for the seconds since 1970.

    A lease that ends later than one that begins now was given by a clock that has been put back.
    """
    return f"lease_until NOT BETWEEN {clock} AND {clock} + :seconds"


def begin_writing(clock: str) -> str:
    """The statement that takes a lease for :seconds; `clock` is SQL for the seconds since 1970."""
    return f"""
INSERT INTO removal (workspace, session_id, writer, lease_until)
VALUES (:workspace, :id, :writer, {clock} + :seconds)
"""  # noqa: S608  # of the text above


def renew_lease(clock: str) -> str:
    """The statement that renews a lease; it returns a row if the lease has not ended."""
    return f"""
UPDATE removal
SET lease_until = {clock} + :seconds
WHERE workspace = :workspace
    AND session_id = :id
    AND writer = :writer
RETURNING writer
"""  # noqa: S608  # of the text above


def next_removal(clock: str) -> str:
    """The statement that finds a session to remove that has no writer; `clock` is SQL for the seconds since 1970."""
    return f"""
SELECT workspace, session_id
FROM removal
WHERE {lease_has_ended(clock)}
ORDER BY lease_until
LIMIT 1
"""  # noqa: S608  # of the text above


def take_removal(clock: str) -> str:
    """The statement that takes a session whose lease has ended; it returns a row if there is no writer."""
    return f"""
UPDATE removal
SET writer = NULL,
    lease_until = 0
WHERE workspace = :workspace
    AND session_id = :id
    AND {lease_has_ended(clock)}
RETURNING session_id
"""  # noqa: S608  # of the text above
