-- How many messages of the session have a row in `correction`: a lost one is noticed. NULL until the next correction: to
-- count them here would lock the table for long.
ALTER TABLE session
    ADD COLUMN correction_count BIGINT;

-- Versions of the program that do not know the count keep it too. Whoever writes may have another search path.
CREATE FUNCTION count_correction()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE amplifierd.session
    -- The new row is among those that are counted.
    SET correction_count = COALESCE(
        correction_count + 1,
        (
            SELECT COUNT(*)
            FROM amplifierd.correction
            WHERE correction.workspace = NEW.workspace
                AND correction.session_id = NEW.session_id
        )
    )
    WHERE workspace = NEW.workspace
        AND id = NEW.session_id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER correction_inserted
AFTER INSERT ON correction
FOR EACH ROW
EXECUTE FUNCTION count_correction();
