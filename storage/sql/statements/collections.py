"""The statements on collections, their profiles and modules, the same for all databases. Parameters are `:name`."""

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
    stale = 1,
    summary = EXCLUDED.summary,
    updated_at = EXCLUDED.updated_at
"""

MODULE = """
SELECT record
FROM module
WHERE workspace = :workspace
    AND id = :id
"""

# Those of a collection: their ids begin with its name.
MODULES = """
SELECT id, record
FROM module
WHERE workspace = :workspace
    AND id > :first
    AND id < :last
ORDER BY id
"""

WRITE_MODULE = """
INSERT INTO module (workspace, id, type, collection, summary, record)
VALUES (:workspace, :id, :type, :collection, :summary, :record)
ON CONFLICT (workspace, id) DO UPDATE
SET summary = EXCLUDED.summary,
    record = EXCLUDED.record,
    collection = EXCLUDED.collection
"""

DELETE_MODULE = """
DELETE FROM module
WHERE workspace = :workspace
    AND id = :id
"""

SOURCES = """
SELECT scope, source
FROM module_source
WHERE workspace = :workspace
    AND module = :id
"""

# The modules for which sources are set.
WITH_SOURCES = """
SELECT DISTINCT module
FROM module_source
WHERE workspace = :workspace
    AND module > :after
ORDER BY module
LIMIT :most
"""

WRITE_SOURCE = """
INSERT INTO module_source (workspace, module, scope, source)
VALUES (:workspace, :id, :scope, :source)
ON CONFLICT (workspace, module, scope) DO UPDATE
SET source = EXCLUDED.source
"""

DELETE_SOURCE = """
DELETE FROM module_source
WHERE workspace = :workspace
    AND module = :id
    AND scope = :scope
RETURNING scope
"""

# Those of a collection's modules.
DELETE_SOURCES = """
DELETE FROM module_source
WHERE workspace = :workspace
    AND module > :first
    AND module < :last
"""


def module_sources_with_ids(steps: str) -> str:
    """The statement that finds the sources of the modules whose ids are in the JSON array :ids."""
    return f"""
SELECT module_source.module, module_source.scope, module_source.source
FROM {steps.format(":ids")}
JOIN module_source
    ON module_source.workspace = :workspace
    AND module_source.module = step.value
"""  # noqa: S608  # of the texts above


def listed(dialect: Dialect) -> str:
    """The statement that lists collections after :after by identifier."""
    # During a rolling upgrade older programs write collections, too. A quotation mark in a string has a backslash.
    summary = f"""CASE
        WHEN summary LIKE '%,"problemCount":%' THEN summary
        ELSE substr(summary, 1, length(summary) - 1)
            || {dialect.collection_lists}
            || '}}'
    END"""
    return f"""
SELECT {dialect.as_bytes.format(summary)}
FROM collection
WHERE workspace = :workspace
    AND identifier > :after
ORDER BY identifier
LIMIT :limit
"""  # noqa: S608  # of the text above


def modules_with_ids(steps: str) -> str:
    """The statement that finds the modules whose ids are in the JSON array :ids; see `Dialect.steps`."""
    return f"""
SELECT module.id, module.record
FROM {steps.format(":ids")}
JOIN module
    ON module.workspace = :workspace
    AND module.id = step.value
"""  # noqa: S608  # of the texts above


def listed_modules(dialect: Dialect, *, of_type: bool, installed: int) -> str:
    """The statement that lists modules after :after by id, and a number of others: :id_0 with its :summary_0, ..."""
    only = "\n            AND type = :type" if of_type else ""
    others = "".join(
        f"""
    UNION ALL
    SELECT CAST(:id_{number} AS TEXT), CAST(:summary_{number} AS TEXT)
    WHERE CAST(:after AS TEXT) < CAST(:id_{number} AS TEXT)"""
        for number in range(installed)
    )
    return f"""
SELECT {dialect.as_bytes.format("listed.summary")}
FROM (
    SELECT id, summary
    FROM (
        SELECT id, summary
        FROM module
        WHERE workspace = :workspace
            AND id > :after{only}
        ORDER BY id
        LIMIT :limit
    ) AS stored{others}
) AS listed
ORDER BY listed.id
LIMIT :limit
"""  # noqa: S608  # of the texts above
