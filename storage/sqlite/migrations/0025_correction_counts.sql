-- How many messages of the session have a row in `correction`: a lost one is noticed. NULL until the next correction.
ALTER TABLE session
    ADD COLUMN correction_count INTEGER;

CREATE TRIGGER correction_inserted
AFTER INSERT ON correction
BEGIN
    UPDATE session
    -- The new row is among those that are counted.
    SET correction_count = COALESCE(
        correction_count + 1,
        (
            SELECT COUNT(*)
            FROM correction
            WHERE correction.workspace = NEW.workspace
                AND correction.session_id = NEW.session_id
        )
    )
    WHERE workspace = NEW.workspace
        AND id = NEW.session_id;
END;
