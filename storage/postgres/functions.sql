-- The functions of this program, made when the schema is brought up to date, and whenever one of them is not there.
-- A function does in one round trip what takes several statements: each sees what was committed before it began, so that
-- what follows on the lock of the workspace sees the last write. One statement would see what was there before the lock.
--
-- During a rolling upgrade programs of two versions are on one database. So each name has a version: a function that
-- changes gets a new name, and the older programs keep the one they know. A migration drops that one release later.
-- (`append_messages`, `append_messages_2`, `append_messages_3`, `open_sessions` and `open_sessions_v2`
-- to `open_sessions_v4` are of older programs.)
--
-- What is in braces is a rule that the statements of every database have; see functions.py.

-- Sessions that arrived together, in one transaction and one round trip: what is looked up is what there is once the
-- workspace is ours. `default_hash` is that of the built-in profile, `installed_modules` the fingerprint of those of
-- packages. The answer has each session that was opened, and its profile; why another was not is found out by opening it
-- alone.
CREATE OR REPLACE FUNCTION open_sessions_v5(
    of_workspace TEXT,
    default_hash TEXT,
    installed_modules TEXT,
    ids TEXT[],
    names TEXT[],
    folded_names TEXT[],
    profiles TEXT[],
    amplified_dirs TEXT[],
    lineages TEXT[],
    moments TEXT[],
    contexts TEXT[],
    long_contexts TEXT[]
)
RETURNS TABLE (opened_id TEXT, opened_profile TEXT)
LANGUAGE plpgsql
AS $$
DECLARE
    before BIGINT;
BEGIN
    INSERT INTO workspace AS kept (workspace, revision)
    VALUES (of_workspace, cardinality(ids))
    ON CONFLICT (workspace) DO UPDATE
    SET revision = kept.revision + EXCLUDED.revision
    RETURNING kept.revision - cardinality(ids)
    INTO before;

    RETURN QUERY
    WITH asked AS (
        SELECT new.*, COALESCE(
            new.profile,
            {inherited_profile}
        ) AS chosen
        FROM unnest(ids, names, folded_names, profiles, amplified_dirs, lineages, moments, contexts, long_contexts)
            WITH ORDINALITY
            AS new (id, name, folded_name, profile, amplified_dir, lineage, moment, context, long_context, place)
        WHERE new.amplified_dir = '.'
            OR EXISTS (
                SELECT
                FROM directory
                WHERE directory.workspace = of_workspace
                    AND directory.relative_path = new.amplified_dir
            )
    ), found AS (
        SELECT asked.*, CASE asked.chosen WHEN 'default' THEN default_hash ELSE profile.hash END AS hash
        FROM asked
        LEFT JOIN profile
            ON profile.workspace = of_workspace
            AND profile.name = asked.chosen
        -- A profile whose modules have to be looked up is not for here; see profile_resolution.py.
        WHERE asked.chosen = 'default'
            OR (profile.stale = 0 AND profile.installed = installed_modules || '/' || profile.hash)
    ), opened AS (
        INSERT INTO session (
            workspace, id, name, folded_name, status, profile, amplified_dir, created_at, updated_at, message_count,
            token_usage, version, changed_version, changed_sequence, revision, created_revision, context, profile_hash
        )
        SELECT
            of_workspace, found.id, found.name, found.folded_name, 'created', found.chosen, found.amplified_dir,
            found.moment, found.moment, 0, 0, 1, 1, 0, before + found.place, before + found.place, found.context,
            found.hash
        FROM found
    ), detailed AS (
        INSERT INTO session_detail (workspace, session_id, context)
        SELECT of_workspace, found.id, found.long_context
        FROM found
        WHERE found.long_context IS NOT NULL
    ), used AS (
        INSERT INTO directory_use AS kept (workspace, relative_path, session_count, last_used_at)
        SELECT of_workspace, found.amplified_dir, COUNT(*), MAX(found.moment COLLATE "C")
        FROM found
        GROUP BY found.amplified_dir
        ON CONFLICT (workspace, relative_path) DO UPDATE
        SET session_count = kept.session_count + EXCLUDED.session_count,
            last_used_at = GREATEST(kept.last_used_at, EXCLUDED.last_used_at)
    )
    SELECT found.id, found.chosen
    FROM found;
END
$$;

-- Requests that arrived together, each of messages to one session, in one transaction and one round trip. The answer
-- has a row for each request, in order: its last sequence and its time, or what was answered under its key before, or
-- nothing where the request can't be done: why is found out by doing it alone.
-- A message's record is its `head`, its time, its `middle`, its sequence and its `tail`. What is kept under a key is
-- which messages were appended (see operations/recorded_answers.py). A request whose messages have usage has the sums of that.
CREATE OR REPLACE FUNCTION append_messages_v5(
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
    last_roles TEXT[],
    last_times TEXT[],
    last_contents TEXT[],
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
            FROM {recorded};
            IF FOUND THEN
                answers[request] := CASE
                    WHEN recorded.fingerprint = fingerprints[request] AND recorded.session_id IS NOT NULL
                    THEN recorded.answer
                END;
                CONTINUE;
            END IF;
        END IF;
        {count_messages}
            AND message_count + 1 = COALESCE(expected_sequences[request], message_count + 1)
            AND version = ANY (COALESCE(CAST(expected_versions[request] AS BIGINT[]), ARRAY[version]))
        RETURNING message_count, updated_at
        INTO last_sequence, appended_at;
        lasts[request] := last_sequence;
        times[request] := appended_at;
        IF last_sequence IS NOT NULL AND input_sums[request] IS NOT NULL THEN
            {add_usage};
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
