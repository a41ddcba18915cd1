-- What a message took of its model, in JSON, beside the record that has it too: a fork sums it up without its records.
ALTER TABLE message
    ADD COLUMN usage TEXT;

-- The sums of that; NULL where no message has any. The cost is in billionths of its currency, which is empty where
-- messages have different ones.
ALTER TABLE session
    ADD COLUMN input_tokens BIGINT,
    ADD COLUMN output_tokens BIGINT,
    ADD COLUMN cached_tokens BIGINT,
    ADD COLUMN reasoning_tokens BIGINT,
    ADD COLUMN cost BIGINT,
    ADD COLUMN currency TEXT;

-- Calls of tools whose result is not in the same message: by the message that has the call, and that with its result.
CREATE TABLE tool_call (
    workspace       TEXT COLLATE "C" NOT NULL,
    session_id      TEXT COLLATE "C" NOT NULL,
    sequence        BIGINT NOT NULL,
    call            TEXT COLLATE "C" NOT NULL,
    -- NULL while the call is open.
    result_sequence BIGINT,
    PRIMARY KEY (workspace, session_id, sequence, call)
);

CREATE INDEX tool_call_by_call
    ON tool_call (workspace, session_id, call, result_sequence);

CREATE INDEX tool_call_open
    ON tool_call (workspace, session_id, sequence)
    WHERE result_sequence IS NULL;

-- Those that a message has the results of.
CREATE INDEX tool_call_by_result
    ON tool_call (workspace, session_id, result_sequence)
    WHERE result_sequence IS NOT NULL;

-- Requests that arrived together, each of messages to one session, in one transaction and one round trip. The answer
-- has a row for each request, in order: its last sequence and its time, or what was answered under its key before, or
-- nothing where the request can't be done: why is found out by doing it alone.
-- A message's record is its `head`, its time, its `middle`, its sequence and its `tail`. What is kept under a key is
-- which messages were appended (see once.py). A request whose messages have usage has the sums of that.
CREATE FUNCTION append_messages_3(
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
    vectors TEXT[],
    usages TEXT[],
    input_sums BIGINT[],
    output_sums BIGINT[],
    cached_sums BIGINT[],
    reasoning_sums BIGINT[],
    costs BIGINT[],
    currencies TEXT[],
    most_cost BIGINT,
    opened_requests BIGINT[],
    opened_places BIGINT[],
    opened_calls TEXT[],
    answered_requests BIGINT[],
    answered_places BIGINT[],
    answered_calls TEXT[]
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
        IF last_sequence IS NOT NULL AND input_sums[request] IS NOT NULL THEN
            UPDATE session
            SET input_tokens = LEAST(COALESCE(input_tokens, 0) + input_sums[request], most_tokens),
                output_tokens = LEAST(COALESCE(output_tokens, 0) + output_sums[request], most_tokens),
                cached_tokens = LEAST(COALESCE(cached_tokens, 0) + cached_sums[request], most_tokens),
                reasoning_tokens = LEAST(COALESCE(reasoning_tokens, 0) + reasoning_sums[request], most_tokens),
                cost = CASE
                    WHEN costs[request] IS NULL THEN cost
                    ELSE LEAST(COALESCE(cost, 0), most_cost - costs[request]) + costs[request]
                END,
                currency = CASE
                    WHEN currencies[request] IS NULL OR currency = currencies[request] THEN currency
                    WHEN currency IS NULL THEN currencies[request]
                    ELSE ''
                END
            WHERE workspace = of_workspace
                AND id = session_ids[request];
        END IF;
    END LOOP;

    INSERT INTO message (workspace, session_id, sequence, role, token_count, record, usage)
    SELECT
        of_workspace, session_ids[request], lasts[request] - counts[request] + place, new.role, new.token_count,
        head || times[request] || middle || lasts[request] - counts[request] + place || tail, new.usage
    FROM unnest(requests, places, roles, token_counts, heads, middles, tails, usages)
        AS new (request, place, role, token_count, head, middle, tail, usage)
    WHERE lasts[request] IS NOT NULL;

    IF cardinality(opened_calls) > 0 THEN
        INSERT INTO tool_call (workspace, session_id, sequence, call)
        SELECT of_workspace, session_ids[request], lasts[request] - counts[request] + place, opened.call
        FROM unnest(opened_requests, opened_places, opened_calls) AS opened (request, place, call)
        WHERE lasts[request] IS NOT NULL;
    END IF;

    IF cardinality(answered_calls) > 0 THEN
        UPDATE tool_call
        SET result_sequence = closed.result_sequence
        FROM (
            SELECT open.session_id, open.sequence, open.call, MIN(answered.sequence) AS result_sequence
            FROM (
                SELECT session_ids[request] AS session_id, lasts[request] - counts[request] + place AS sequence, call
                FROM unnest(answered_requests, answered_places, answered_calls) AS said (request, place, call)
                WHERE lasts[request] IS NOT NULL
            ) AS answered
            JOIN tool_call AS open
                ON open.workspace = of_workspace
                AND open.session_id = answered.session_id
                AND open.call = answered.call
                AND open.result_sequence IS NULL
                AND open.sequence < answered.sequence
            GROUP BY open.session_id, open.sequence, open.call
        ) AS closed
        WHERE tool_call.workspace = of_workspace
            AND tool_call.session_id = closed.session_id
            AND tool_call.sequence = closed.sequence
            AND tool_call.call = closed.call;
    END IF;

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
