"""The log of `llm` as it writes it: a small SQLite database of our own, in both of its schemas."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path


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
        database.commit()
        return Path(folder, "logs.db").read_bytes()
