-- What a message took of its model, in JSON, beside the record that has it too: a fork sums it up without its records.
ALTER TABLE message
    ADD COLUMN usage TEXT;

-- The sums of that; NULL where no message has any. The cost is in billionths of its currency, which is empty where
-- messages have different ones.
ALTER TABLE session
    ADD COLUMN input_tokens INTEGER;

ALTER TABLE session
    ADD COLUMN output_tokens INTEGER;

ALTER TABLE session
    ADD COLUMN cached_tokens INTEGER;

ALTER TABLE session
    ADD COLUMN reasoning_tokens INTEGER;

ALTER TABLE session
    ADD COLUMN cost INTEGER;

ALTER TABLE session
    ADD COLUMN currency TEXT;

-- Calls of tools whose result is not in the same message: by the message that has the call, and that with its result.
CREATE TABLE tool_call (
    workspace       TEXT    NOT NULL,
    session_id      TEXT    NOT NULL,
    sequence        INTEGER NOT NULL,
    call            TEXT    NOT NULL,
    -- NULL while the call is open.
    result_sequence INTEGER,
    PRIMARY KEY (workspace, session_id, sequence, call)
) STRICT, WITHOUT ROWID;

CREATE INDEX tool_call_by_call
    ON tool_call (workspace, session_id, call, result_sequence);

-- Those that are open, and those that a message has the results of.
CREATE INDEX tool_call_by_result
    ON tool_call (workspace, session_id, result_sequence, sequence);
