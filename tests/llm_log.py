"""The log of `llm` as it writes it: a small SQLite database of our own, in both of its schemas."""

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

_BESIDE = """
    CREATE TABLE [attachments] ([id] TEXT PRIMARY KEY, [type] TEXT, [path] TEXT, [url] TEXT, [content] BLOB);
    CREATE TABLE [prompt_attachments] ([response_id] TEXT, [attachment_id] TEXT, [order] INTEGER,
        PRIMARY KEY ([response_id], [attachment_id]));
    CREATE TABLE [fragments] ([id] INTEGER PRIMARY KEY, [hash] TEXT, [content] TEXT, [datetime_utc] TEXT,
        [source] TEXT);
    CREATE TABLE [prompt_fragments] ([response_id] TEXT, [fragment_id] INTEGER, [order] INTEGER,
        PRIMARY KEY ([response_id], [fragment_id], [order]));
    CREATE TABLE [system_fragments] ([response_id] TEXT, [fragment_id] INTEGER, [order] INTEGER,
        PRIMARY KEY ([response_id], [fragment_id], [order]));
    CREATE TABLE [tools] ([id] INTEGER PRIMARY KEY, [hash] TEXT, [name] TEXT, [description] TEXT, [input_schema] TEXT,
        [plugin] TEXT);
    CREATE TABLE [tool_responses] ([tool_id] INTEGER, [response_id] TEXT, PRIMARY KEY ([tool_id], [response_id]));
    CREATE TABLE [tool_calls] ([id] INTEGER PRIMARY KEY, [response_id] TEXT, [tool_id] INTEGER, [name] TEXT,
        [arguments] TEXT, [tool_call_id] TEXT);
    CREATE TABLE [tool_results] ([id] INTEGER PRIMARY KEY, [response_id] TEXT, [tool_id] INTEGER, [name] TEXT,
        [output] TEXT, [tool_call_id] TEXT, [instance_id] INTEGER, [exception] TEXT);
    CREATE TABLE [tool_results_attachments] ([tool_result_id] INTEGER, [attachment_id] TEXT, [order] INTEGER,
        PRIMARY KEY ([tool_result_id], [attachment_id]));
    INSERT INTO responses VALUES ('01h53zma8', 'gpt-4o', 'How long is it?', NULL, NULL, NULL, '', NULL,
        '01h53zma5txeby33t1kbe3xk8q', 900, '2026-07-01T10:01:00', 20, 5, NULL);
    INSERT INTO responses VALUES ('01h53zma9', 'gpt-4o', '', NULL, NULL, NULL, 'Three.', NULL,
        '01h53zma5txeby33t1kbe3xk8q', 800, '2026-07-01T10:02:00', 30, 2, NULL);
    INSERT INTO fragments VALUES (1, 'aa', 'Ada', NULL, 'name.txt'), (2, 'bb', 'Count letters.', NULL, NULL);
    INSERT INTO prompt_fragments VALUES ('01h53zma8', 1, 0);
    INSERT INTO system_fragments VALUES ('01h53zma8', 2, 0);
    INSERT INTO attachments VALUES ('a1', 'image/png', NULL, NULL, x'89504e47'), ('a2', 'text/plain', '/tmp/é', NULL,
        NULL);
    INSERT INTO prompt_attachments VALUES ('01h53zma8', 'a1', 0);
    INSERT INTO tools VALUES (1, 'cc', 'count', 'Count letters', '{}', NULL);
    INSERT INTO tool_responses VALUES (1, '01h53zma8');
    INSERT INTO tool_calls VALUES (1, '01h53zma8', 1, 'count', '{"text": "Ada"}', 'c1');
    INSERT INTO tool_results VALUES (1, '01h53zma9', 1, 'count', '3', 'c1', NULL, NULL);
    INSERT INTO tool_results_attachments VALUES (1, 'a2', 0);
"""


@cache
def llm_log(*, is_old: bool = False) -> bytes:
    """The database of `llm`."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/logs.db")) as database:
        if is_old:
            database.executescript(
                """
                CREATE TABLE [log] ([provider] TEXT, [system] TEXT, [prompt] TEXT, [chat_id] INTEGER,
                    [response] TEXT, [model] TEXT, [timestamp] TEXT);
                INSERT INTO log VALUES ('openai', 'Be short.', 'Ten names?', NULL, 'Ada.', 'gpt-3.5',
                    '2023-06-01 10:00:00');
                INSERT INTO log VALUES ('openai', NULL, 'More?', 1, 'Bob.', 'gpt-3.5', '2023-06-01 10:01:00');
                """
            )
        else:
            database.executescript(
                """
                CREATE TABLE [conversations] ([id] TEXT PRIMARY KEY, [name] TEXT, [model] TEXT);
                CREATE TABLE [responses] ([id] TEXT PRIMARY KEY, [model] TEXT, [prompt] TEXT, [system] TEXT,
                    [prompt_json] TEXT, [options_json] TEXT, [response] TEXT, [response_json] TEXT,
                    [conversation_id] TEXT REFERENCES [conversations]([id]), [duration_ms] INTEGER, [datetime_utc] TEXT,
                    [input_tokens] INTEGER, [output_tokens] INTEGER, [token_details] TEXT);
                INSERT INTO conversations VALUES ('01h53zma5txeby33t1kbe3xk8q', 'Names', 'gpt-4o');
                INSERT INTO responses VALUES ('01h53zma7r', 'gpt-4o', 'Ten names?', 'Be short.', NULL,
                    '{"temperature": 1}', 'Ada.', '{"id": "r1"}', '01h53zma5txeby33t1kbe3xk8q', 1200,
                    '2026-07-01T10:00:00.000001', 12, 3, NULL);
                """
            )
            database.executescript(_BESIDE)
        database.commit()
        return Path(folder, "logs.db").read_bytes()
