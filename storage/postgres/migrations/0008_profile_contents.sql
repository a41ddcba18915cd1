-- A content is deleted when no profile and no session has it any more. Most sessions have the built-in profile, which is
-- kept nowhere; this is its hash.

CREATE INDEX profile_by_content
    ON profile (workspace, hash);

CREATE INDEX session_by_profile_content
    ON session (workspace, profile_hash)
    WHERE profile_hash <> 'ac02bdd358ace233d4e7c1c48af9b0cb1937e8c197742e7f248589273566cc27';

DELETE FROM profile_content
WHERE NOT EXISTS (
    SELECT 1
    FROM profile
    WHERE profile.workspace = profile_content.workspace
        AND profile.hash = profile_content.hash
)
    AND NOT EXISTS (
        SELECT 1
        FROM session
        WHERE session.workspace = profile_content.workspace
            AND session.profile_hash = profile_content.hash
            AND session.profile_hash <> 'ac02bdd358ace233d4e7c1c48af9b0cb1937e8c197742e7f248589273566cc27'
    );
