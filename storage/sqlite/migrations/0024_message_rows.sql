-- Messages by a number in the place of their session's workspace and id, which is that of the index of words: a row's
-- place is that number, shifted by 31 bits, and the sequence. Rows are in the order in which they were written: SQLite
-- would leave copies of rows that it moves to other pages. Of a record only what the others of the row do not tell is
-- kept: it is put together when it is read.
ALTER TABLE search_session
    RENAME TO session_number;

ALTER TABLE session_number
    RENAME COLUMN sequence TO indexed_sequence;

INSERT OR IGNORE INTO session_number (workspace, session_id, indexed_sequence)
SELECT DISTINCT workspace, session_id, 0
FROM message
ORDER BY workspace, session_id;

CREATE TABLE message_row (
    place      INTEGER NOT NULL,
    -- 0 for the user, 1 for the assistant, 2 for the system, 3 for the developer, 4 for a tool.
    role       INTEGER NOT NULL,
    -- The id that a message has elsewhere, beside the rest of the record that has it too.
    message_id TEXT,
    -- Without the first two digits of the year and the Z, so that two messages of 2,000 characters fit a page. NULL if the
    -- content is the whole record: of another century, or one that no program of ours has written.
    timestamp  TEXT,
    -- The record from the metadata on, without the last brace; NULL if that is empty, and nothing but the sequence follows,
    -- and if the content is the whole record. Of a damaged one it has the number of its tokens.
    rest       TEXT,
    -- As in the record, without the quotes.
    content    TEXT    NOT NULL
) STRICT;

INSERT INTO message_row (place, role, message_id, timestamp, rest, content)
SELECT
    (number << 31) + sequence,
    CASE role WHEN 'assistant' THEN 1 WHEN 'system' THEN 2 WHEN 'developer' THEN 3 WHEN 'tool' THEN 4 ELSE 0 END,
    message_id,
    iif(is_ours, substr(ending, 3, 24), NULL),
    CASE
        WHEN is_ours AND substr(ending, 41) <> concat('{},"sequence":', sequence, '}')
            THEN substr(ending, 41, length(ending) - 41)
        WHEN NOT is_ours AND NOT json_valid(record) THEN concat('{},"tokenCount":', token_count)
    END,
    iif(is_ours, substr(json_quote(content), 2, length(json_quote(content)) - 2), record)
FROM (
    SELECT
        *,
        ending GLOB '20??-??-??T??:??:??.??????Z","metadata":{*}'
            AND substr(record, 1, length(beginning)) = beginning
            AND role IN ('user', 'assistant', 'system', 'developer', 'tool') AS is_ours
    FROM (
        SELECT *, substr(record, length(beginning) + 1) AS ending
        FROM (
            SELECT *, concat('{"role":"', role, '","content":', json_quote(content), ',"timestamp":"') AS beginning
            FROM (
                SELECT
                    number, message.sequence, role, message_id, token_count, record,
                    COALESCE(CAST(iif(json_valid(record), record ->> '$.content', NULL) AS TEXT), '') AS content
                FROM session_number
                CROSS JOIN message
                    ON message.workspace = session_number.workspace
                    AND message.session_id = session_number.session_id
                ORDER BY number, message.sequence
            )
        )
    )
);

DROP TABLE message;

CREATE UNIQUE INDEX message_by_place
    ON message_row (place);

CREATE UNIQUE INDEX message_by_id
    ON message_row (CAST(place >> 31 AS INTEGER), message_id)
    WHERE message_id IS NOT NULL;

-- The message with its record: what it is answered with, in JSON.
CREATE VIEW message (place, sequence, role, message_id, size, token_count, usage, record) AS
SELECT
    place,
    place & 2147483647,
    CASE role WHEN 0 THEN 'user' WHEN 1 THEN 'assistant' WHEN 2 THEN 'system' WHEN 3 THEN 'developer' ELSE 'tool' END,
    message_id,
    octet_length(content) + COALESCE(octet_length(rest), 0) + 100,
    COALESCE(facts ->> '$.tokenCount', 0),
    json_extract(facts, '$.usage'),
    iif(
        timestamp IS NULL,
        content,
        concat(
            CASE role
                WHEN 0 THEN '{"role":"user","content":"'
                WHEN 1 THEN '{"role":"assistant","content":"'
                WHEN 2 THEN '{"role":"system","content":"'
                WHEN 3 THEN '{"role":"developer","content":"'
                ELSE '{"role":"tool","content":"'
            END,
            content,
            '","timestamp":"20',
            timestamp,
            iif(rest IS NULL, 'Z","metadata":{},"sequence":', 'Z","metadata":'),
            COALESCE(rest, place & 2147483647),
            '}'
        )
    )
FROM (
    SELECT *, iif(json_valid(members), members, NULL) AS facts
    FROM (
        SELECT *, CASE WHEN rest IS NOT NULL THEN concat('{"metadata":', rest, '}') WHEN timestamp IS NULL THEN content END
            AS members
        FROM message_row
    )
);
