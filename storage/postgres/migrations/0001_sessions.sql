-- Every table's key begins with the workspace, so that a distributed PostgreSQL shards all of them by it.
-- What is compared or sorted is so by its bytes, whatever the database's own order is.

CREATE TABLE schema_version (
    version INTEGER NOT NULL
);

-- Counts the writes of each workspace: who counts on has the workspace to itself until it commits. So revisions are in
-- the order of commits, nothing written meets in two sessions in two orders, and nobody waits for one who waits.
CREATE TABLE workspace (
    workspace TEXT COLLATE "C" PRIMARY KEY,
    revision  BIGINT NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE session (
    workspace          TEXT COLLATE "C" NOT NULL,
    id                 TEXT COLLATE "C" NOT NULL,
    name               TEXT,
    -- The name without upper and lower case, for filters.
    folded_name        TEXT,
    status             TEXT NOT NULL,
    profile            TEXT NOT NULL,
    amplified_dir      TEXT NOT NULL,
    created_at         TEXT COLLATE "C" NOT NULL,
    updated_at         TEXT COLLATE "C" NOT NULL,
    started_at         TEXT,
    ended_at           TEXT,
    -- A JSON string, in which a NUL is safe.
    error_message      TEXT,
    parent_session_id  TEXT COLLATE "C",
    forked_at_sequence BIGINT,
    message_count      BIGINT NOT NULL,
    token_usage        BIGINT NOT NULL,
    version            BIGINT NOT NULL,
    -- The version, and the last message, when something else than the transcript last changed.
    changed_version    BIGINT NOT NULL,
    changed_sequence   BIGINT NOT NULL,
    -- The session that changed last has the highest.
    revision           BIGINT NOT NULL,
    created_revision   BIGINT NOT NULL,
    PRIMARY KEY (workspace, id)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX session_by_update
    ON session (workspace, updated_at DESC, id);

CREATE INDEX session_by_revision
    ON session (workspace, revision);

CREATE INDEX session_by_parent
    ON session (workspace, parent_session_id, id)
    WHERE parent_session_id IS NOT NULL;

-- JSON as it came: jsonb would keep neither the order of keys nor 1.0.
CREATE TABLE session_detail (
    workspace     TEXT COLLATE "C" NOT NULL,
    session_id    TEXT COLLATE "C" NOT NULL,
    context       TEXT NOT NULL,
    error_details TEXT,
    PRIMARY KEY (workspace, session_id),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
);

-- A record is the message as it is answered, in JSON: a transcript is these texts joined, and a NUL is safe in them.
CREATE TABLE message (
    workspace   TEXT COLLATE "C" NOT NULL,
    session_id  TEXT COLLATE "C" NOT NULL,
    sequence    BIGINT NOT NULL,
    role        TEXT NOT NULL,
    token_count BIGINT NOT NULL,
    record      TEXT NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
);

-- What messages say: their words in their order, with two spaces between them, and those words as a set.
CREATE TABLE search (
    workspace  TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    sequence   BIGINT NOT NULL,
    role       TEXT NOT NULL,
    size       BIGINT NOT NULL,
    words      TEXT NOT NULL,
    lexemes    TSVECTOR NOT NULL,
    PRIMARY KEY (workspace, session_id, sequence),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
);

CREATE INDEX search_by_lexeme
    ON search USING gin (lexemes);

-- Sessions that are gone, for those who follow what changes.
CREATE TABLE deletion (
    workspace  TEXT COLLATE "C" NOT NULL,
    revision   BIGINT NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    deleted_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, revision)
);

-- Answers to requests that may be sent again.
CREATE TABLE idempotency (
    workspace   TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT NOT NULL,
    answer      TEXT NOT NULL,
    expires_at  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, key)
);

CREATE INDEX idempotency_by_expiry
    ON idempotency (expires_at);

-- Requests that arrived together, each of messages to one session, in one transaction and one round trip. The answer
-- has a row for each request, in order: its last sequence and its time, or what was answered under its key before, or
-- nothing where the request can't be done: why is found out by doing it alone.
-- A message's record is its `head`, its time, its `middle`, its sequence and its `tail`. What is kept under a key is
-- the request's `opening`, its messages and its `closing`.
CREATE FUNCTION append_messages(
    of_workspace TEXT,
    moment TEXT,
    most_tokens BIGINT,
    session_ids TEXT[],
    counts BIGINT[],
    tokens BIGINT[],
    expected_sequences BIGINT[],
    expected_versions TEXT[],
    keys TEXT[],
    fingerprints TEXT[],
    openings TEXT[],
    closings TEXT[],
    expiry TEXT,
    requests BIGINT[],
    places BIGINT[],
    roles TEXT[],
    token_counts BIGINT[],
    heads TEXT[],
    middles TEXT[],
    tails TEXT[],
    sizes BIGINT[],
    texts TEXT[],
    vectors TEXT[]
)
RETURNS TABLE (last_sequence BIGINT, appended_at TEXT, recorded_answer TEXT)
LANGUAGE plpgsql
AS $$
DECLARE
    before BIGINT;
    lasts BIGINT[] := array_fill(CAST(NULL AS BIGINT), ARRAY[cardinality(session_ids)]);
    times TEXT[] := array_fill(CAST(NULL AS TEXT), ARRAY[cardinality(session_ids)]);
    answers TEXT[] := array_fill(CAST(NULL AS TEXT), ARRAY[cardinality(session_ids)]);
    recorded RECORD;
BEGIN
    INSERT INTO workspace AS kept (workspace, revision)
    VALUES (of_workspace, cardinality(session_ids))
    ON CONFLICT (workspace) DO UPDATE
    SET revision = kept.revision + EXCLUDED.revision
    RETURNING kept.revision - cardinality(session_ids)
    INTO before;

    FOR request IN 1 .. cardinality(session_ids) LOOP
        IF keys[request] IS NOT NULL THEN
            -- What is being written under the key has no record yet.
            CONTINUE WHEN keys[request] = ANY (keys[1 : request - 1]);
            SELECT answer, fingerprint
            INTO recorded
            FROM idempotency
            WHERE workspace = of_workspace
                AND key = keys[request]
                AND expires_at > moment;
            IF FOUND THEN
                answers[request] := CASE recorded.fingerprint WHEN fingerprints[request] THEN recorded.answer END;
                CONTINUE;
            END IF;
        END IF;
        UPDATE session
        SET message_count = message_count + counts[request],
            token_usage = LEAST(token_usage + tokens[request], most_tokens),
            updated_at = GREATEST(updated_at, moment),
            version = version + 1,
            revision = before + request,
            status = 'active',
            started_at = CASE status WHEN 'created' THEN GREATEST(updated_at, moment) ELSE started_at END,
            changed_version = CASE status WHEN 'created' THEN version + 1 ELSE changed_version END,
            changed_sequence = CASE status
                WHEN 'created' THEN message_count + counts[request]
                ELSE changed_sequence
            END
        WHERE workspace = of_workspace
            AND id = session_ids[request]
            AND status IN ('created', 'active')
            AND message_count + 1 = COALESCE(expected_sequences[request], message_count + 1)
            AND version = ANY (COALESCE(CAST(expected_versions[request] AS BIGINT[]), ARRAY[version]))
        RETURNING message_count, updated_at
        INTO last_sequence, appended_at;
        lasts[request] := last_sequence;
        times[request] := appended_at;
    END LOOP;

    INSERT INTO message (workspace, session_id, sequence, role, token_count, record)
    SELECT
        of_workspace, session_ids[request], lasts[request] - counts[request] + place, new.role, new.token_count,
        head || times[request] || middle || lasts[request] - counts[request] + place || tail
    FROM unnest(requests, places, roles, token_counts, heads, middles, tails)
        AS new (request, place, role, token_count, head, middle, tail)
    WHERE lasts[request] IS NOT NULL;

    INSERT INTO search (workspace, session_id, sequence, role, size, words, lexemes)
    SELECT
        of_workspace, session_ids[request], lasts[request] - counts[request] + place, new.role, new.size, new.text,
        CAST(vector AS TSVECTOR)
    FROM unnest(requests, places, roles, sizes, texts, vectors) AS new (request, place, role, size, text, vector)
    WHERE lasts[request] IS NOT NULL
        AND new.size > 0;

    IF cardinality(array_remove(keys, NULL)) > 0 THEN
        INSERT INTO idempotency (workspace, key, fingerprint, answer, expires_at)
        SELECT
            of_workspace, keys[request], fingerprints[request],
            openings[request]
                || string_agg(
                    head || times[request] || middle || lasts[request] - counts[request] + place || tail,
                    ','
                    ORDER BY place
                )
                || closings[request],
            expiry
        FROM unnest(requests, places, heads, middles, tails) AS new (request, place, head, middle, tail)
        WHERE lasts[request] IS NOT NULL
            AND keys[request] IS NOT NULL
        GROUP BY request
        ON CONFLICT (workspace, key) DO UPDATE
        SET fingerprint = EXCLUDED.fingerprint,
            answer = EXCLUDED.answer,
            expires_at = EXCLUDED.expires_at;

        -- Two for each that comes, so that what is too old gets less and less.
        DELETE FROM idempotency
        WHERE (workspace, key) IN (
            SELECT workspace, key
            FROM idempotency
            WHERE expires_at < moment
            ORDER BY expires_at
            LIMIT 2 * cardinality(session_ids)
        );
    END IF;

    RETURN QUERY
    SELECT *
    FROM unnest(lasts, times, answers);
END
$$;
