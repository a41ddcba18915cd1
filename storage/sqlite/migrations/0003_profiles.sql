-- What profiles say, each text once: those that are there, and those that sessions keep.
CREATE TABLE profile_content (
    workspace TEXT NOT NULL,
    hash      TEXT NOT NULL,
    content   TEXT NOT NULL,
    PRIMARY KEY (workspace, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE profile (
    workspace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    -- The profile as a list shows it, but for whether it is active.
    summary    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE active_profile (
    workspace TEXT NOT NULL PRIMARY KEY,
    name      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the session's profile was when the session got it; NULL where that is not known.
ALTER TABLE session_detail
    ADD COLUMN profile_hash TEXT;

CREATE TABLE directory (
    workspace       TEXT NOT NULL,
    relative_path   TEXT NOT NULL,
    -- The directory and its ancestors, the nearest first, as JSON.
    lineage         TEXT NOT NULL,
    default_profile TEXT,
    metadata        TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    PRIMARY KEY (workspace, relative_path)
) STRICT, WITHOUT ROWID;

CREATE TABLE directory_total (
    workspace TEXT    NOT NULL PRIMARY KEY,
    total     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts the sessions of each working directory, amplified or not.
CREATE TABLE directory_use (
    workspace     TEXT    NOT NULL,
    relative_path TEXT    NOT NULL,
    session_count INTEGER NOT NULL,
    last_used_at  TEXT    NOT NULL,
    PRIMARY KEY (workspace, relative_path)
) STRICT, WITHOUT ROWID;

INSERT INTO directory_use (workspace, relative_path, session_count, last_used_at)
SELECT workspace, amplified_dir, COUNT(*), MAX(created_at)
FROM session
GROUP BY workspace, amplified_dir;

CREATE INDEX session_by_directory
    ON session (workspace, amplified_dir, id);
