-- Keys are found by what a request says, which is no workspace: that is what the key tells.
CREATE TABLE api_key (
    id         TEXT COLLATE "C" PRIMARY KEY,
    workspace  TEXT COLLATE "C" NOT NULL,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    -- Of the key itself nothing is kept but its SHA-256.
    digest     TEXT NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    expires_at TEXT COLLATE "C",
    revoked_at TEXT COLLATE "C"
);
