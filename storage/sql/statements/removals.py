"""The statements that delete sessions, and write and remove them in pieces, for all databases.

See operations/bulk/removal.py.
"""

from ..dialect import MessageTable

INSERT_DELETION = """
INSERT INTO deletion (workspace, revision, session_id, deleted_at)
VALUES (:workspace, :revision, :id, :now)
"""

# Deletes two for each new one, so that old ones become fewer; the newest stays, and with it its revision.
FORGET_DELETIONS = """
DELETE FROM deletion
WHERE workspace = :workspace
    AND deleted_at < :horizon
    AND revision IN (
        SELECT revision
        FROM deletion
        WHERE workspace = :workspace
        ORDER BY revision
        LIMIT 2
    )
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


def message_sizes(table: MessageTable, *columns: str) -> str:
    """The statement that lists the messages of a piece: their sequences and sizes, and more of their columns."""
    return f"""
SELECT {", ".join(["message.sequence", table.size, *columns])}
FROM {table.source}
WHERE {table.after(":after", ":last")}
ORDER BY {table.key}
LIMIT :most
"""  # noqa: S608  # of the texts above


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
