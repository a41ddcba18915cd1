-- Searches read the words of long messages. lz4 decompresses them several times as fast as pglz, and most servers have it;
-- the others keep pglz. Words that are already stored are compressed with lz4 when the search index is rebuilt.
DO $$
BEGIN
    ALTER TABLE search
        ALTER COLUMN words SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN
        NULL;
END;
$$;
