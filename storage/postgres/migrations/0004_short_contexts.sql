-- Most contexts are short, and so are now in the sessions' own rows: one table less to write to, and to look into. A long
-- one is still apart, and so are the details of an error, each with the other.

ALTER TABLE session
    -- NULL where the session has details: it is with those.
    ADD COLUMN context TEXT,
    -- What the session's profile was when the session got it; NULL where that is not known.
    ADD COLUMN profile_hash TEXT COLLATE "C";

UPDATE session
SET context = CASE
        WHEN length(session_detail.context) <= 256 AND session_detail.error_details IS NULL
        THEN session_detail.context
    END,
    profile_hash = session_detail.profile_hash
FROM session_detail
WHERE session_detail.workspace = session.workspace
    AND session_detail.session_id = session.id;

DELETE FROM session_detail
WHERE length(context) <= 256
    AND error_details IS NULL;

ALTER TABLE session_detail
    DROP COLUMN profile_hash;

DROP FUNCTION open_sessions(TEXT, TEXT, TEXT[], TEXT[], TEXT[], TEXT[], TEXT[], TEXT[], TEXT[], TEXT[]);

-- Sessions that arrived together, in one transaction and one round trip: what is looked up is what there is once the
-- workspace is ours. Without a profile of its own a session gets that of the directory or the nearest ancestor that
-- has one, else the active one, else the built-in one, whose hash is `default_hash`. The answer has each session that
-- was opened, and its profile; why another was not is found out by opening it alone.
CREATE FUNCTION open_sessions(
    of_workspace TEXT,
    default_hash TEXT,
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
            (
                SELECT above.default_profile
                FROM json_array_elements_text(CAST(new.lineage AS JSON)) WITH ORDINALITY AS step (value, place)
                JOIN directory AS above
                    ON above.workspace = of_workspace
                    AND above.relative_path = step.value
                WHERE above.default_profile IS NOT NULL
                ORDER BY step.place
                LIMIT 1
            ),
            (SELECT active_profile.name FROM active_profile WHERE workspace = of_workspace),
            'default'
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
        WHERE asked.chosen = 'default'
            OR profile.hash IS NOT NULL
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
