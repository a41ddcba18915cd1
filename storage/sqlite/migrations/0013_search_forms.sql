-- The words of messages and the forms by which these are found as well, as the program tells them apart: a term is all
-- that stands between two spaces. The index is written again, in the background or before the next search.
DROP TABLE search;

CREATE VIRTUAL TABLE search USING fts5 (
    words,
    forms,
    content = '',
    contentless_delete = 1,
    tokenize = "ascii tokenchars '+#.:-'"
);

-- The version of the words and forms that are in it (PIPELINE_VERSION in search/tokenizer.py).
CREATE TABLE search_pipeline (
    version INTEGER NOT NULL
) STRICT;

INSERT INTO search_pipeline
VALUES (1);

-- None of these is in it.
INSERT OR REPLACE INTO search_progress (workspace, revision)
SELECT DISTINCT workspace, 0
FROM session;

DELETE FROM search_session;
