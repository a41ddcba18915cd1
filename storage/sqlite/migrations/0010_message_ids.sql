-- The id that a message has elsewhere, beside the record that has it too.
ALTER TABLE message
    ADD COLUMN message_id TEXT;

CREATE UNIQUE INDEX message_by_id
    ON message (workspace, session_id, message_id)
    WHERE message_id IS NOT NULL;
