-- Keys are found by what a request says, which is no workspace: that is what the key tells.
CREATE TABLE api_key (
    id         TEXT NOT NULL PRIMARY KEY,
    workspace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    -- Of the key itself nothing is kept but its SHA-256.
    digest     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
) STRICT, WITHOUT ROWID;
