"""Small samples of the log of `llm`: SQLite databases in its three schemas."""

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


_THREADS = """
    CREATE TABLE "threads" ("id" TEXT PRIMARY KEY, "name" TEXT, "tip_message_hash" TEXT, "forked_from" TEXT,
        "datetime_utc" TEXT);
    CREATE TABLE "turns" ("id" TEXT PRIMARY KEY, "thread_id" TEXT, "parent_message_hash" TEXT, "tip_message_hash" TEXT,
        "model" TEXT, "resolved_model" TEXT, "options_json" TEXT, "schema_id" TEXT, "input_tokens" INTEGER,
        "output_tokens" INTEGER, "token_details" TEXT, "duration_ms" INTEGER, "datetime_utc" TEXT,
        "response_json" TEXT);
    CREATE TABLE "messages" ("hash" TEXT PRIMARY KEY, "parent_hash" TEXT, "role" TEXT, "provider_metadata" TEXT);
    CREATE TABLE "parts" ("id" INTEGER PRIMARY KEY, "message_hash" TEXT, "position" INTEGER, "type" TEXT,
        "tool_name" TEXT, "text" TEXT, "payload" TEXT);
    CREATE TABLE "fragments" ("id" INTEGER PRIMARY KEY, "hash" TEXT, "content" TEXT, "datetime_utc" TEXT,
        "source" TEXT);
    CREATE TABLE "attachments" ("id" TEXT PRIMARY KEY, "type" TEXT, "path" TEXT, "url" TEXT, "content" BLOB);
    CREATE TABLE "tools" ("id" INTEGER PRIMARY KEY, "hash" TEXT, "name" TEXT, "description" TEXT, "input_schema" TEXT);
    CREATE TABLE "turn_tools" ("turn_id" TEXT, "tool_id" INTEGER, "instance_id" INTEGER);
    CREATE TABLE "turn_fragments" ("turn_id" TEXT, "fragment_id" INTEGER, "order" INTEGER, "kind" TEXT);

    INSERT INTO threads VALUES ('01k1', 'Letters', 'b2:5', NULL, '2026-08-10 09:00:00.5+00:00'),
        ('01k2', 'Shorter', 'b2:7', '01k1', '2026-08-10 09:05:00+00:00');
    INSERT INTO turns VALUES
        ('01t1', '01k1', 'b2:2', 'b2:3', 'gpt-5', NULL, '{"seed": 1}', NULL, 20, 5, NULL, 900,
            '2026-08-10T09:00:01+00:00', '{"id": "r1"}'),
        ('01t2', '01k1', 'b2:4', 'b2:5', 'gpt-5', 'gpt-5-1', NULL, NULL, 30, 2, NULL, 800,
            '2026-08-10T09:00:02+00:00', NULL),
        ('01t3', '01k2', 'b2:6', 'b2:7', 'gpt-5', NULL, NULL, NULL, 9, 1, NULL, 700, '2026-08-10T09:05:01+00:00', NULL);
    INSERT INTO messages VALUES ('b2:1', NULL, 'system', NULL), ('b2:2', 'b2:1', 'user', NULL),
        ('b2:3', 'b2:2', 'assistant', '{"id": "m1"}'), ('b2:4', 'b2:3', 'tool', NULL),
        ('b2:5', 'b2:4', 'assistant', NULL),
        ('b2:6', 'b2:3', 'user', NULL), ('b2:7', 'b2:6', 'assistant', NULL);
    INSERT INTO parts VALUES (1, 'b2:1', 0, 'text', NULL, 'Be short.', NULL),
        (2, 'b2:2', 0, 'text', NULL, NULL,
            '{"text_ref": [{"literal": "How long is "}, {"fragment": 1}, {"literal": "?"}]}'),
        (3, 'b2:2', 1, 'attachment', NULL, NULL, '{"attachment": {"id": "a1"}}'),
        (4, 'b2:3', 0, 'reasoning', NULL, 'Count.', NULL),
        (5, 'b2:3', 1, 'tool_call', 'count', NULL,
            '{"name": "count", "arguments": {"text": "Ada"}, "tool_call_id": "c1"}'),
        (6, 'b2:4', 0, 'tool_result', 'count', NULL,
            '{"name": "count", "output": "3", "tool_call_id": "c1", "attachments": [{"id": "a1"}]}'),
        (7, 'b2:5', 0, 'text', NULL, 'Three.', NULL), (8, 'b2:6', 0, 'text', NULL, 'Guess.', NULL),
        (9, 'b2:7', 0, 'text', NULL, '3', '{"provider_metadata": {"logprobs": []}}');
    INSERT INTO fragments VALUES (1, 'aa', 'Ada', NULL, 'name.txt');
    INSERT INTO attachments VALUES ('a1', 'image/png', NULL, NULL, x'89504e47');
    INSERT INTO tools VALUES (1, 'cc', 'count', 'Count letters', '{}');
    INSERT INTO turn_tools VALUES ('01t1', 1, NULL);
    INSERT INTO turn_fragments VALUES ('01t1', 1, 0, 'prompt');
"""


def fill_threads(path: Path) -> sqlite3.Connection:
    """Write the database of version 0.36, with a thread and its fork, to a path. Returns the open connection."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(_THREADS)
    return database


@cache
def llm_threads() -> bytes:
    """The database of version 0.36, with a thread and a fork of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "logs.db")
        with closing(fill_threads(path)):
            pass
        return path.read_bytes()
