-- Long texts of answers that are kept under keys, each once for its session (see recorded_answers.py).
CREATE TABLE recorded_text (
    workspace   TEXT COLLATE "C" NOT NULL,
    -- Empty if it is about no session.
    session_id  TEXT COLLATE "C" NOT NULL,
    -- SHA-256, in hexadecimal.
    digest      TEXT COLLATE "C" NOT NULL,
    size        BIGINT NOT NULL,
    recorded_at TEXT COLLATE "C" NOT NULL,
    expires_at  TEXT COLLATE "C" NOT NULL,
    content     TEXT NOT NULL,
    PRIMARY KEY (workspace, session_id, digest)
);

CREATE INDEX recorded_text_by_age
    ON recorded_text (workspace, recorded_at, session_id, digest, size);

CREATE INDEX recorded_text_by_expiry
    ON recorded_text (expires_at);
