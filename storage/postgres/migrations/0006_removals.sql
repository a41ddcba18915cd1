-- Messages are removed in pieces after their session, and written in pieces before it. While they are, the session is
-- here: whoever finds messages without a session looks here first.

CREATE TABLE removal (
    workspace   TEXT COLLATE "C" NOT NULL,
    session_id  TEXT COLLATE "C" NOT NULL,
    -- Who writes the session; NULL if it is to be removed.
    writer      TEXT,
    -- Seconds since 1970. A writer that does not renew its lease has ended, and what it wrote is removed.
    lease_until DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (workspace, session_id)
);

CREATE INDEX removal_by_lease
    ON removal (lease_until);

-- Whoever deletes a session may have another search path.
CREATE FUNCTION remove_messages_later()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO amplifierd.removal (workspace, session_id, lease_until)
    VALUES (OLD.workspace, OLD.id, 0)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END;
$$;

CREATE TRIGGER session_deleted
AFTER DELETE ON session
FOR EACH ROW EXECUTE FUNCTION remove_messages_later();

ALTER TABLE message
    DROP CONSTRAINT message_workspace_session_id_fkey;

ALTER TABLE search
    DROP CONSTRAINT search_workspace_session_id_fkey;

-- The session that the answer is about: the record goes with it.
ALTER TABLE idempotency
    ADD COLUMN session_id TEXT COLLATE "C";

CREATE INDEX idempotency_by_session
    ON idempotency (workspace, session_id)
    WHERE session_id IS NOT NULL;

-- The answer to a request for one message is recorded as that to one for many. Those from before name no session.
UPDATE idempotency
SET answer = '{"sessionId":"","messages":[' || answer || ']}'
WHERE substr(answer, 1, 8) = '{"role":';

-- Requests that arrived together, each of messages to one session, in one transaction and one round trip. The answer
-- has a row for each request, in order: its last sequence and its time, or what was answered under its key before, or
-- nothing where the request can't be done: why is found out by doing it alone.
-- A message's record is its `head`, its time, its `middle`, its sequence and its `tail`. What is kept under a key is
-- which messages were appended (see once.py).
CREATE FUNCTION append_messages_2(
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
            SELECT answer, fingerprint, session_id
            INTO recorded
            FROM idempotency
            WHERE workspace = of_workspace
                AND key = keys[request]
                AND expires_at > moment
                AND (
                    session_id IS NULL
                    OR EXISTS (
                        SELECT
                        FROM session
                        WHERE session.workspace = of_workspace
                            AND session.id = idempotency.session_id
                    )
                );
            IF FOUND THEN
                answers[request] := CASE
                    WHEN recorded.fingerprint = fingerprints[request] AND recorded.session_id IS NOT NULL
                    THEN recorded.answer
                END;
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
        INSERT INTO idempotency (workspace, key, fingerprint, answer, expires_at, session_id)
        SELECT
            of_workspace, keys[request], fingerprints[request],
            '{"sequences":[' || lasts[request] - counts[request] + 1 || ',' || lasts[request] || ']}',
            expiry, session_ids[request]
        FROM generate_subscripts(lasts, 1) AS request
        WHERE lasts[request] IS NOT NULL
            AND keys[request] IS NOT NULL
        ON CONFLICT (workspace, key) DO UPDATE
        SET fingerprint = EXCLUDED.fingerprint,
            answer = EXCLUDED.answer,
            expires_at = EXCLUDED.expires_at,
            session_id = EXCLUDED.session_id;

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
