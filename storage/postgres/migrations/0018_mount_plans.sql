-- The texts of files that a profile of a collection refers to, by their paths. One row for all of them: profiles and
-- sessions share it as long as none of its files changes.
CREATE TABLE profile_text (
    workspace TEXT COLLATE "C" NOT NULL,
    hash      TEXT COLLATE "C" NOT NULL,
    content   TEXT NOT NULL,
    PRIMARY KEY (workspace, hash)
);

ALTER TABLE profile_content
    ADD COLUMN texts TEXT COLLATE "C";

CREATE INDEX profile_content_by_texts
    ON profile_content (workspace, texts)
    WHERE texts IS NOT NULL;

-- Whether its modules have to be looked up again before a session gets the profile.
ALTER TABLE profile
    ADD COLUMN stale INTEGER NOT NULL DEFAULT 1;
