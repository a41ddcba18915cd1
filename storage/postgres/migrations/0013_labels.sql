ALTER TABLE session
    -- The labels of a session as JSON; NULL if it has none.
    ADD COLUMN labels TEXT,
    ADD COLUMN archived BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE,
    -- The beginning of the last message as JSON; NULL if there is none.
    ADD COLUMN last_message TEXT,
    ADD COLUMN is_root BOOLEAN GENERATED ALWAYS AS (parent_session_id IS NULL) STORED;

-- A NUL is in no text of PostgreSQL, and a damaged record has none: these have no beginning.
CREATE FUNCTION pg_temp.beginning_of(record TEXT) RETURNS TEXT
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN to_json(left(CAST(record AS JSON) ->> 'content', 200));
EXCEPTION
    WHEN OTHERS THEN
        RETURN NULL;
END;
$$;

UPDATE session
SET last_message = '{"role":"' || message.role
    || '","timestamp":"' || substr(record, strpos(record, ',"timestamp":"') + 14, 27)
    || '","content":' || pg_temp.beginning_of(record)
    || '}'
FROM message
WHERE message.workspace = session.workspace
    AND message.session_id = session.id
    AND message.sequence = session.message_count;

-- The labels of sessions, one a row, kept by the triggers below: whatever writes a session writes these.
CREATE TABLE session_label (
    workspace          TEXT COLLATE "C" NOT NULL,
    session_id         TEXT COLLATE "C" NOT NULL,
    key                TEXT COLLATE "C" NOT NULL,
    value              TEXT COLLATE "C" NOT NULL,
    -- That of the session: an index has the sessions of a label in the order of a list.
    session_updated_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, session_id, key),
    FOREIGN KEY (workspace, session_id)
        REFERENCES session (workspace, id)
        ON DELETE CASCADE
);

CREATE INDEX session_label_by_key
    ON session_label (workspace, key, session_updated_at DESC, session_id);

CREATE INDEX session_label_by_value
    ON session_label (workspace, key, value, session_updated_at DESC, session_id);

-- Whoever writes a session may have another search path.
CREATE FUNCTION write_session_labels()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM amplifierd.session_label
    WHERE workspace = NEW.workspace
        AND session_id = NEW.id;
    INSERT INTO amplifierd.session_label (workspace, session_id, key, value, session_updated_at)
    SELECT NEW.workspace, NEW.id, label.key, label.value, NEW.updated_at
    FROM json_each_text(CAST(NEW.labels AS JSON)) AS label (key, value);
    RETURN NULL;
END;
$$;

CREATE FUNCTION move_session_labels()
RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE amplifierd.session_label
    SET session_updated_at = NEW.updated_at
    WHERE workspace = NEW.workspace
        AND session_id = NEW.id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER session_inserted_with_labels
AFTER INSERT ON session
FOR EACH ROW
WHEN (NEW.labels IS NOT NULL)
EXECUTE FUNCTION write_session_labels();

CREATE TRIGGER session_labels_changed
AFTER UPDATE OF labels ON session
FOR EACH ROW
WHEN (NEW.labels IS DISTINCT FROM OLD.labels)
EXECUTE FUNCTION write_session_labels();

CREATE TRIGGER session_with_labels_updated
AFTER UPDATE OF updated_at ON session
FOR EACH ROW
WHEN (NEW.labels IS NOT NULL AND NEW.updated_at <> OLD.updated_at)
EXECUTE FUNCTION move_session_labels();

-- What most filters ask for is in the indexes that have the order of a list: 10,000 sessions are examined there. Each
-- message sets the status, so only the index that it changes anyway has that.
DROP INDEX session_by_update;

CREATE INDEX session_by_update
    ON session (workspace, updated_at DESC, id, archived, pinned, status, is_root);

DROP INDEX session_by_creation;

CREATE INDEX session_by_creation
    ON session (workspace, created_at, id, archived, pinned, is_root);

-- After every name comes what stands for none.
CREATE INDEX session_by_name
    ON session (workspace, (COALESCE(folded_name, '􏿿') COLLATE "C"), id, archived, pinned, is_root);

-- These are few, and no message goes to a session that has ended.
CREATE INDEX session_archived
    ON session (workspace, updated_at DESC, id)
    WHERE archived;

CREATE INDEX session_pinned
    ON session (workspace, updated_at DESC, id)
    WHERE pinned;

CREATE INDEX session_by_status
    ON session (workspace, status, updated_at DESC, id)
    WHERE status <> 'active';
