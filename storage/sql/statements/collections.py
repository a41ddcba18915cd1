"""The statements on collections and their profiles, the same for all databases. Parameters are `:name`."""

from ..dialect import Dialect

COLLECTION = """
SELECT record
FROM collection
WHERE workspace = :workspace
    AND identifier = :identifier
"""

SAME_NAME = """
SELECT identifier
FROM collection
WHERE workspace = :workspace
    AND name = :name
"""

INSERT_COLLECTION = """
INSERT INTO collection (workspace, identifier, name, summary, record)
VALUES (:workspace, :identifier, :name, :summary, :record)
"""

UPDATE_COLLECTION = """
UPDATE collection
SET summary = :summary,
    record = :record
WHERE workspace = :workspace
    AND identifier = :identifier
"""

DELETE_COLLECTION = """
DELETE FROM collection
WHERE workspace = :workspace
    AND identifier = :identifier
"""

# Those of the collection, and those of others that begin with its name.
PROFILES = """
SELECT name, hash, created_at, collection
FROM profile
WHERE workspace = :workspace
    AND name > :first
    AND name < :last
ORDER BY name
"""

WRITE_PROFILE = """
INSERT INTO profile (workspace, name, hash, summary, created_at, updated_at, collection)
VALUES (:workspace, :name, :hash, :summary, :now, :now, :collection)
ON CONFLICT (workspace, name) DO UPDATE
SET hash = EXCLUDED.hash,
    summary = EXCLUDED.summary,
    updated_at = EXCLUDED.updated_at
"""


def listed(dialect: Dialect) -> str:
    """The statement that lists collections after :after by identifier."""
    return f"""
SELECT {dialect.as_bytes.format("summary")}
FROM collection
WHERE workspace = :workspace
    AND identifier > :after
ORDER BY identifier
LIMIT :limit
"""  # noqa: S608  # of the text above
