-- How many messages of the session have a row in `correction`: a lost one is noticed.
ALTER TABLE session
    ADD COLUMN correction_count INTEGER NOT NULL DEFAULT 0;

UPDATE session
SET correction_count = (
    SELECT COUNT(*)
    FROM correction
    WHERE correction.workspace = session.workspace
        AND correction.session_id = session.id
)
WHERE (workspace, id) IN (SELECT workspace, session_id FROM correction);

CREATE TRIGGER correction_inserted
AFTER INSERT ON correction
BEGIN
    UPDATE session
    SET correction_count = correction_count + 1
    WHERE workspace = NEW.workspace
        AND id = NEW.session_id;
END;
