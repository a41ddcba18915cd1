-- Rows that can be wide. Without a rowid they were the keys of their own tree, and a key that does not fit a page is read
-- whole to compare it: a message of 8 MiB was read by each search in the tree that passed it, for whatever session
-- (https://www.sqlite.org/withoutrowid.html, section 4). Each also took pages of its own: 10,000 messages of 900
-- characters took five times their text. With a rowid, an index of narrow keys leads to the rows.

CREATE TABLE message_row (
    workspace   TEXT    NOT NULL,
    session_id  TEXT    NOT NULL,
    sequence    INTEGER NOT NULL,
    role        TEXT    NOT NULL,
    token_count INTEGER NOT NULL,
    -- What comes after a long text is read by way of all its pages: this is before the record.
    usage       TEXT,
    message_id  TEXT,
    record      TEXT    NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence)
) STRICT;

INSERT INTO message_row (workspace, session_id, sequence, role, token_count, usage, message_id, record)
SELECT workspace, session_id, sequence, role, token_count, usage, message_id, record
FROM message
ORDER BY workspace, session_id, sequence;

DROP TABLE message;

ALTER TABLE message_row
    RENAME TO message;

CREATE UNIQUE INDEX message_by_id
    ON message (workspace, session_id, message_id)
    WHERE message_id IS NOT NULL;

CREATE TABLE session_detail_row (
    workspace     TEXT NOT NULL,
    session_id    TEXT NOT NULL,
    error_details TEXT,
    context       TEXT NOT NULL,
    PRIMARY KEY (workspace, session_id),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
) STRICT;

INSERT INTO session_detail_row (workspace, session_id, error_details, context)
SELECT workspace, session_id, error_details, context
FROM session_detail
ORDER BY workspace, session_id;

DROP TABLE session_detail;

ALTER TABLE session_detail_row
    RENAME TO session_detail;

CREATE TABLE idempotency_row (
    workspace   TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    expires_at  TEXT NOT NULL,
    session_id  TEXT,
    answer      TEXT NOT NULL,
    PRIMARY KEY (workspace, key)
) STRICT;

INSERT INTO idempotency_row (workspace, key, fingerprint, expires_at, session_id, answer)
SELECT workspace, key, fingerprint, expires_at, session_id, answer
FROM idempotency
ORDER BY workspace, key;

DROP TABLE idempotency;

ALTER TABLE idempotency_row
    RENAME TO idempotency;

CREATE INDEX idempotency_by_expiry
    ON idempotency (expires_at);

CREATE INDEX idempotency_by_session
    ON idempotency (workspace, session_id)
    WHERE session_id IS NOT NULL;

CREATE TABLE profile_content_row (
    workspace TEXT NOT NULL,
    hash      TEXT NOT NULL,
    content   TEXT NOT NULL,
    PRIMARY KEY (workspace, hash)
) STRICT;

INSERT INTO profile_content_row (workspace, hash, content)
SELECT workspace, hash, content
FROM profile_content
ORDER BY workspace, hash;

DROP TABLE profile_content;

ALTER TABLE profile_content_row
    RENAME TO profile_content;

CREATE TABLE directory_row (
    workspace       TEXT NOT NULL,
    relative_path   TEXT NOT NULL,
    default_profile TEXT,
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL,
    -- The directory and its ancestors, the nearest first, as JSON.
    lineage         TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    PRIMARY KEY (workspace, relative_path)
) STRICT;

INSERT INTO directory_row (workspace, relative_path, default_profile, created_at, updated_at, lineage, metadata)
SELECT workspace, relative_path, default_profile, created_at, updated_at, lineage, metadata
FROM directory
ORDER BY workspace, relative_path;

DROP TABLE directory;

ALTER TABLE directory_row
    RENAME TO directory;
