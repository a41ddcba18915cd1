-- lz4 compresses lexemes more than pglz, in less time. Those that are already stored are compressed with lz4 when the search
-- index is rebuilt.
DO $$
BEGIN
    ALTER TABLE search
        ALTER COLUMN lexemes SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN
        NULL;
END;
$$;
