-- The program merges the segments of the index itself, a few pages at a time: FTS5 would merge many in some writes
-- (https://www.sqlite.org/fts5.html#the_automerge_configuration_option).
INSERT INTO search (search, rank)
VALUES ('automerge', 0), ('crisismerge', 1000);
