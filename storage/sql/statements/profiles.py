"""The statements on profiles, the same for all databases. Parameters are `:name`."""

from ..dialect import Dialect

# The profile of a session in the root directory that names none.
PROFILE_IN_ROOT = """
SELECT COALESCE(
    (SELECT default_profile FROM directory WHERE workspace = :workspace AND relative_path = '.'),
    (SELECT name FROM active_profile WHERE workspace = :workspace),
    'default'
)
"""

INSERT_CONTENT = """
INSERT INTO profile_content (workspace, hash, content, texts)
VALUES (:workspace, :hash, :content, :texts)
ON CONFLICT (workspace, hash) DO NOTHING
"""

INSERT_PROFILE = """
INSERT INTO profile (workspace, name, hash, summary, created_at, updated_at)
VALUES (:workspace, :name, :hash, :summary, :created_at, :updated_at)
"""

INSERT_TEXT = """
INSERT INTO profile_text (workspace, hash, content)
VALUES (:workspace, :hash, :content)
ON CONFLICT (workspace, hash) DO NOTHING
"""

UPDATE_PROFILE = """
UPDATE profile
SET hash = :hash,
    stale = 1,
    summary = :summary,
    updated_at = :updated_at
WHERE workspace = :workspace
    AND name = :name
"""

DELETE_PROFILE = """
DELETE FROM profile
WHERE workspace = :workspace
    AND name = :name
"""

PROFILE = """
SELECT
    profile_content.content,
    profile.created_at,
    profile.updated_at,
    active_profile.name,
    profile.collection
FROM profile
JOIN profile_content
    ON profile_content.workspace = profile.workspace
    AND profile_content.hash = profile.hash
LEFT JOIN active_profile
    ON active_profile.workspace = profile.workspace
    AND active_profile.name = profile.name
WHERE profile.workspace = :workspace
    AND profile.name = :name
"""

KEPT_PROFILE = """
SELECT profile_content.content, profile_content.texts
FROM profile
JOIN profile_content
    ON profile_content.workspace = profile.workspace
    AND profile_content.hash = profile.hash
WHERE profile.workspace = :workspace
    AND profile.name = :name
"""

# Its modules are those that there are now.
REFRESH_PROFILE = """
UPDATE profile
SET hash = :hash,
    stale = 0,
    installed = :installed
WHERE workspace = :workspace
    AND name = :name
"""

# Some modules have changed.
OUTDATE_PROFILES = """
UPDATE profile
SET stale = 1
WHERE workspace = :workspace
    AND stale = 0
"""

HASH = """
SELECT hash, stale, installed
FROM profile
WHERE workspace = :workspace
    AND name = :name
"""

CONTENT = """
SELECT content, texts
FROM profile_content
WHERE workspace = :workspace
    AND hash = :hash
"""

# An index has the sessions whose profile is not the built-in one; this is that one's hash.
FORGET_CONTENTS = """
DELETE FROM profile_content
WHERE workspace = :workspace
    AND NOT EXISTS (
        SELECT 1
        FROM profile
        WHERE profile.workspace = profile_content.workspace
            AND profile.hash = profile_content.hash
    )
    AND NOT EXISTS (
        SELECT 1
        FROM session
        WHERE session.workspace = profile_content.workspace
            AND session.profile_hash = profile_content.hash
            AND session.profile_hash <> 'ac02bdd358ace233d4e7c1c48af9b0cb1937e8c197742e7f248589273566cc27'
    )
"""

FORGET_CONTENT = f"{FORGET_CONTENTS}    AND hash = :hash\nRETURNING texts\n"

FORGET_TEXTS = """
DELETE FROM profile_text
WHERE workspace = :workspace
    AND NOT EXISTS (
        SELECT 1
        FROM profile_content
        WHERE profile_content.workspace = profile_text.workspace
            AND profile_content.texts = profile_text.hash
    )
"""

FORGET_TEXT = f"{FORGET_TEXTS}    AND hash = :hash\n"

TEXTS = """
SELECT content
FROM profile_text
WHERE workspace = :workspace
    AND hash = :hash
"""

ACTIVE = """
SELECT name
FROM active_profile
WHERE workspace = :workspace
"""

ACTIVATE = """
INSERT INTO active_profile (workspace, name)
VALUES (:workspace, :name)
ON CONFLICT (workspace) DO UPDATE
SET name = EXCLUDED.name
"""

DEACTIVATE = """
DELETE FROM active_profile
WHERE workspace = :workspace
"""

SESSION_PROFILE = """
SELECT session.profile, session.profile_hash, profile_content.content, profile_content.texts
FROM session
LEFT JOIN profile_content
    ON profile_content.workspace = session.workspace
    AND profile_content.hash = session.profile_hash
WHERE session.workspace = :workspace
    AND session.id = :id
"""

SESSION_PROFILE_HASH = """
SELECT profile_hash
FROM session
WHERE workspace = :workspace
    AND id = :id
"""

SET_SESSION_PROFILE = """
UPDATE session
SET profile_hash = :hash
WHERE workspace = :workspace
    AND id = :id
"""


def listed(dialect: Dialect) -> str:
    """The statement that lists profiles after :after by name, the built-in one among them."""
    record = """substr(listed.summary, 1, length(listed.summary) - 1)
        || ',"isActive":'
        || CASE
            WHEN EXISTS (
                SELECT 1
                FROM active_profile
                WHERE active_profile.workspace = :workspace
                    AND active_profile.name = listed.name
            )
            THEN 'true}'
            ELSE 'false}'
        END"""
    return f"""
SELECT {dialect.as_bytes.format(record)}
FROM (
    SELECT name, summary
    FROM (
        SELECT name, summary
        FROM profile
        WHERE workspace = :workspace
            AND name > :after
        ORDER BY name
        LIMIT :limit
    ) AS others
    UNION ALL
    SELECT 'default', CAST(:built_in AS TEXT)
    WHERE CAST(:after AS TEXT) < 'default'
) AS listed
ORDER BY listed.name
LIMIT :limit
"""  # noqa: S608  # of the texts above
