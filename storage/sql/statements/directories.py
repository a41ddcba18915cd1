"""The statements on directories, the same for all databases. Parameters are `:name`."""

from ..dialect import Dialect

INSERT_DIRECTORY = """
INSERT INTO directory (workspace, relative_path, lineage, default_profile, metadata, created_at, updated_at)
VALUES (:workspace, :relative_path, :lineage, :default_profile, :metadata, :now, :now)
ON CONFLICT (workspace, relative_path) DO NOTHING
RETURNING relative_path
"""

DIRECTORY = """
SELECT default_profile, metadata, updated_at
FROM directory
WHERE workspace = :workspace
    AND relative_path = :relative_path
"""

UPDATE_DIRECTORY = """
UPDATE directory
SET default_profile = :default_profile,
    metadata = :metadata,
    updated_at = :updated_at
WHERE workspace = :workspace
    AND relative_path = :relative_path
"""

DELETE_DIRECTORY = """
DELETE FROM directory
WHERE workspace = :workspace
    AND relative_path = :relative_path
"""

SESSION_COUNT = """
SELECT session_count
FROM directory_use
WHERE workspace = :workspace
    AND relative_path = :relative_path
"""

# Stored, because every page needs it.
TOTAL = """
SELECT total
FROM directory_total
WHERE workspace = :workspace
"""

ADD_TO_TOTAL = """
INSERT INTO directory_total AS kept (workspace, total)
VALUES (:workspace, :more)
ON CONFLICT (workspace) DO UPDATE
SET total = kept.total + EXCLUDED.total
"""


def below(column: str, path: str) -> str:
    """The clauses that select paths equal to a parameter, or below it, by a single range of an index."""
    # `0` is the next character after `/`.
    return f"""{column} >= :{path}
    AND {column} < :{path} || '0'
    AND ({column} = :{path} OR {column} > :{path} || '/')"""


def record(dialect: Dialect, condition: str) -> str:
    """The statement that reads directories, as they are returned, under a condition."""
    return f"""
SELECT {dialect.as_bytes.format(_record(dialect))}
FROM directory
LEFT JOIN directory_use
    ON directory_use.workspace = directory.workspace
    AND directory_use.relative_path = directory.relative_path
WHERE directory.workspace = :workspace
    AND directory.relative_path {condition}
ORDER BY directory.relative_path
LIMIT :limit
"""  # noqa: S608  # of the texts above


def _record(dialect: Dialect) -> str:
    # The default profile is resolved when it is read, so that a change applies to all that inherit it.
    return f"""'{{"relativePath":' || {dialect.quoted.format("directory.relative_path")}
        || ',"metadata":' || directory.metadata
        || ',"createdAt":"' || directory.created_at
        || '","updatedAt":"' || directory.updated_at
        || '","sessionCount":' || COALESCE(directory_use.session_count, 0)
        || COALESCE(',"lastUsedAt":"' || directory_use.last_used_at || '"', '')
        || COALESCE((
            SELECT ',"defaultProfile":' || {dialect.quoted.format("above.default_profile")}
                || ',"defaultProfileFrom":' || {dialect.quoted.format("above.relative_path")}
            FROM {dialect.steps.format("directory.lineage")}
            CROSS JOIN directory AS above
            WHERE above.workspace = :workspace
                AND above.relative_path = step.value
                AND above.default_profile IS NOT NULL
            ORDER BY step.place
            LIMIT 1
        ), '')
        || '}}'"""  # noqa: S608  # of the texts above
