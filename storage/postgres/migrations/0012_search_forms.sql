-- The rules by which the words of messages and their forms are told apart (PIPELINE_VERSION in search/tokenizer.py): those
-- of messages up to a session, from the first one on, are by the rules of `version`; the rest is being written again.
CREATE TABLE search_pipeline (
    version    INTEGER NOT NULL,
    workspace  TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL
);

INSERT INTO search_pipeline (version, workspace, session_id)
VALUES (CASE WHEN EXISTS (SELECT FROM search) THEN 0 ELSE 1 END, '', '');
