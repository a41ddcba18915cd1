"""Finds messages by their vectors: sqlite-vec compares the signs (https://github.com/asg017/sqlite-vec)."""

from collections.abc import Collection
from contextlib import closing

import apsw

from ...model.database_errors import EmbedderUnusable
from ...operations.vectors.statements import IS_OF_MODEL
from ...search.results import MAX_LOOKED_AT, Filters, message_clauses, session_clauses
from ...search.vectors import MAX_COMPARED, MAX_NEAR, Near, QueryVector, nearest
from ...sql.ports import Bindings
from ..statements import MESSAGES

# Only if the message has not changed since its vector was computed, and its session exists.
INSERT_VECTOR = f"""
INSERT INTO embedding (workspace, session_id, sequence, signs, numbers)
SELECT workspace, session_id, message.sequence, :signs, :numbers
FROM {MESSAGES.source}
WHERE {MESSAGES.at(":sequence")}
    AND record = :record
    AND EXISTS (
        SELECT 1
        FROM session
        WHERE session.workspace = :workspace
            AND session.id = :id
    )
ON CONFLICT (workspace, session_id, sequence) DO UPDATE
SET signs = EXCLUDED.signs,
    numbers = EXCLUDED.numbers
RETURNING sequence
"""  # noqa: S608  # of the texts above

# In PostgreSQL triggers do the work of the following statements, because a server of the previous version may delete
# and correct messages.
REMOVE_VECTORS = """
DELETE FROM embedding
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence <= :last
"""

FORGET_SESSION = """
DELETE FROM embedding_session
WHERE workspace = :workspace
    AND session_id = :id
"""

REMOVE_VECTOR = """
DELETE FROM embedding
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence = :sequence
"""

# A corrected message gets a new vector, and its session a new revision.
BEGIN_AT = """
UPDATE embedding_session
SET sequence = :sequence - 1
WHERE workspace = :workspace
    AND session_id = :id
    AND sequence >= :sequence
"""


def check_extension() -> None:
    """Raises `EmbedderUnusable` if sqlite-vec is not installed, or cannot be loaded."""
    try:
        with closing(apsw.Connection(":memory:")) as connection:
            _load(connection)
    except ImportError as error:
        raise EmbedderUnusable(
            "A search by meaning in SQLite needs the package sqlite-vec; install it: pip install 'amplifierd[vectors]'."
        ) from error
    except (apsw.Error, AttributeError) as error:
        # Without support for extensions, a connection has no function that loads them.
        raise EmbedderUnusable(
            f"The package sqlite-vec, which a search by meaning in SQLite needs, can't be loaded: {error}. Install it "
            "again, in a version for this system."
        ) from error


def find_near(
    connection: apsw.Connection, workspace: str, sought: QueryVector, filters: Filters, bindings: Bindings
) -> list[Near]:
    """The messages with the most similar vectors that pass the filters, the most similar ones first."""
    _load(connection)
    limits: Bindings = {
        "model": sought.model,
        "signs": sought.vector.signs,
        "length": len(sought.vector.signs),
        "compared": MAX_COMPARED,
        "examined": MAX_LOOKED_AT if filters else MAX_NEAR,
        "near": MAX_NEAR,
    }
    rows = connection.execute(_near(filters), {**bindings, **filters, **limits, "workspace": workspace})
    return nearest(sought.vector, [Near(*row) for row in rows])


def _load(connection: apsw.Connection) -> None:
    """Load the extension into a connection, unless it is loaded already."""
    # Imported here, because it is not needed without an embedder.
    import sqlite_vec

    connection.enable_load_extension(True)
    try:
        connection.load_extension(sqlite_vec.loadable_path())
    finally:
        connection.enable_load_extension(False)


def _near(filters: Collection[str]) -> str:
    """The statement that compares the signs of the latest messages, and selects the nearest that pass the filters."""
    place = "\n            AND session_id = :id" if "id" in filters else ""
    about_sessions = session_clauses(filters)
    session = """
CROSS JOIN session
    ON session.workspace = :workspace
    AND session.id = candidate.session_id"""
    conditions = "".join(f"\n    AND {clause}" for clause in message_clauses(filters, "message"))
    return f"""
SELECT candidate.session_id, candidate.sequence, message.role, embedding.numbers
FROM (
    SELECT session_id, sequence, vec_distance_hamming(vec_bit(signs), vec_bit(:signs)) AS distance
    FROM (
        SELECT session_id, sequence, signs
        FROM embedding INDEXED BY embedding_by_signs
        WHERE workspace = :workspace{place}
            AND {IS_OF_MODEL}
            AND octet_length(signs) = :length
        ORDER BY session_id DESC, sequence DESC
        LIMIT :compared
    )
    ORDER BY distance, session_id DESC, sequence DESC
    LIMIT :examined
) AS candidate
CROSS JOIN session_number
    ON session_number.workspace = :workspace
    AND session_number.session_id = candidate.session_id
CROSS JOIN message
    ON message.place = (number << 31) + candidate.sequence
CROSS JOIN embedding
    ON embedding.workspace = :workspace
    AND embedding.session_id = candidate.session_id
    AND embedding.sequence = candidate.sequence{session if about_sessions else ""}
WHERE NOT EXISTS (
        SELECT 1
        FROM removal
        WHERE removal.workspace = :workspace
            AND removal.session_id = candidate.session_id
    ){conditions}
ORDER BY distance, candidate.session_id DESC, candidate.sequence DESC
LIMIT :near
"""  # noqa: S608  # of the texts above
