-- How many messages of the session have a row in `correction`: a lost one is noticed.
ALTER TABLE session
    ADD COLUMN correction_count BIGINT NOT NULL DEFAULT 0;

UPDATE session
SET correction_count = counted.number
FROM (
    SELECT workspace, session_id, COUNT(*) AS number
    FROM correction
    GROUP BY workspace, session_id
) AS counted
WHERE session.workspace = counted.workspace
    AND session.id = counted.session_id;

-- Versions of the program that do not know the count keep it too. Whoever writes may have another search path.
CREATE FUNCTION count_correction()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE amplifierd.session
    SET correction_count = correction_count + 1
    WHERE workspace = NEW.workspace
        AND id = NEW.session_id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER correction_inserted
AFTER INSERT ON correction
FOR EACH ROW
EXECUTE FUNCTION count_correction();
