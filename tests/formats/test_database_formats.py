"""Histories in SQLite databases: those of llm, and damaged or hostile ones."""

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path as FilePath

import pytest

from amplifierd.formats.history import NotRecognized
from amplifierd.formats.history.sqlite import rows
from samples.history_reading import Read
from samples.llm_log import llm_log, llm_threads
from samples.opencode_database import add_message, fill_opencode


@pytest.mark.parametrize("is_old", [False, True])
def test_llm_s_log_is_read_in_both_schemas(*, is_old: bool) -> None:
    read = Read(llm_log(is_old=is_old))
    assert (read.format.name, read.faults) == ("llm", [])
    [session] = read.sessions
    messages = read.messages[session["id"]]
    assert [message["content"] for message in messages][:3] == ["Be short.", "Ten names?", "Ada."]
    assert len(messages) == (5 if is_old else 8)
    if not is_old:
        assert session["name"] == "Names"
        assert messages[2]["usage"] == {"inputTokens": 12, "outputTokens": 3}
        assert messages[2]["metadata"]["llm"]["options_json"] == {"temperature": 1}


def test_llm_s_fragments_attachments_and_tools_are_read() -> None:
    read = Read(llm_log())
    messages = read.messages[read.sessions[0]["id"]][3:]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    system, prompt, calls, results, last = messages
    assert (system["content"], prompt["content"]) == ("Count letters.", "Ada\n\nHow long is it?")
    assert prompt["parts"][0]["native"]["llm"]["fragment"] == {"id": 1, "hash": "aa", "source": "name.txt"}
    assert prompt["parts"][2]["url"] == "data:image/png;base64,iVBORw=="
    assert [(part["type"], part["call"]) for part in calls["parts"]] == [("tool_call", "c1")]
    assert [tool["name"] for tool in calls["metadata"]["llm"]["tools"]] == ["count"]
    assert results["parts"][0]["output"] == "3"
    assert results["parts"][1]["url"] == "file:///tmp/%C3%A9"
    assert last["content"] == "Three."


def test_llm_s_threads_and_their_forks_are_read() -> None:
    read = Read(llm_threads())
    assert (read.format.name, read.faults) == ("llm", [])
    main, fork = read.sessions
    assert (main["name"], fork["name"], fork["parentSessionId"]) == ("Letters", "Shorter", main["id"])
    assert (read.ids(), fork["forkedAtSequence"]) == (["b2:1", "b2:2", "b2:3", "b2:4", "b2:5"], 3)
    assert read.ids(1) == ["b2:1", "b2:2", "b2:3", "b2:6", "b2:7"]
    system, prompt, called, results, last = read.messages[main["id"]]
    assert [message["role"] for message in (system, prompt, called, results)] == ["system", "user", "assistant", "tool"]
    assert (prompt["content"], prompt["parts"][1]["media"]) == ("How long is Ada?", "image/png")
    assert [part["type"] for part in called["parts"]] == ["reasoning", "tool_call"]
    assert (called["model"], called["usage"]) == ("gpt-5", {"inputTokens": 20, "outputTokens": 5})
    about = called["metadata"]["llm"]
    assert (about["provider_metadata"], about["turn"]["options_json"]) == ({"id": "m1"}, {"seed": 1})
    assert (about["turn"]["tools"][0]["name"], about["turn"]["fragments"][0]["source"]) == ("count", "name.txt")
    assert [part["type"] for part in results["parts"]] == ["tool_result", "file"]
    assert (last["content"], last["timestamp"]) == ("Three.", "2026-08-10T09:00:02.000000Z")
    assert main["createdAt"] == "2026-08-10T09:00:00.500000Z"


def test_llm_tables_of_two_versions_are_both_read(tmp_path: FilePath) -> None:
    path = tmp_path / "logs.db"
    path.write_bytes(llm_log())
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE fragments")
        database.execute("DROP TABLE attachments")
        database.execute("DROP TABLE tools")
        with closing(sqlite3.connect(":memory:")) as newer:
            newer.deserialize(llm_threads())
            database.executescript("\n".join(newer.iterdump()).replace("COMMIT;", "").replace("BEGIN TRANSACTION;", ""))
    read = Read(path.read_bytes())
    assert {session.get("name") for session in read.sessions} == {"Names", "Letters", "Shorter"}


def test_long_value_of_a_database_is_a_fault(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_BYTES", 10_000)
    path = tmp_path / "opencode.db"
    with closing(fill_opencode(path)) as database:
        add_message(database, 4, {"role": "user"}, {"type": "text", "text": "x" * 10_001})
    read = Read(path.read_bytes())
    assert read.faults == [("not SQLite", 1)]
    assert len(read.messages[read.sessions[0]["id"]]) == 3


def test_foreign_database_is_not_evaluated(tmp_path: FilePath) -> None:
    path = tmp_path / "logs.db"
    path.write_bytes(llm_log())
    with closing(sqlite3.connect(path)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for name in {"fragments", "attachments", "tools"} & {*names}:
            database.executescript(
                f"""
                DROP TABLE {name};
                CREATE VIEW {name} AS
                    WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
                    SELECT id, id AS content FROM n;
                """  # noqa: S608  # the names are our own
            )
        database.execute("ALTER TABLE conversations ADD COLUMN long TEXT AS (hex(zeroblob(30000000)))")
    read = Read(path.read_bytes())
    assert (read.faults, len(read.sessions)) == ([], 1)
    assert "name" not in read.sessions[0]


def with_endless_rows(path: FilePath) -> bytes:
    """A database with a table whose first page refers to itself."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """
            CREATE TABLE conversations (id, name, model);
            CREATE TABLE responses (id TEXT, conversation_id TEXT, datetime_utc TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000)
            INSERT INTO responses SELECT i, 'c', 't' FROM n;
            """
        )
        root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'responses'").fetchone()[0]
    content = bytearray(path.read_bytes())
    page = (root - 1) * 4096
    cells = int.from_bytes(content[page + 3 : page + 5])
    places = [int.from_bytes(content[page + 12 + 2 * cell :][:2]) for cell in range(cells)]
    assert (content[page], cells > 100) == (5, True)
    # All children of the root are its first child, which itself has as many children as fit in a page.
    first = content[page + places[0] : page + places[0] + 4]
    for place in places[1:]:
        content[page + place : page + place + 4] = first
    leaf = (int.from_bytes(first) - 1) * 4096
    copied = content[page : page + 4096]
    assert content[leaf] == 13
    content += copied
    for place in places:
        content[page + place : page + place + 4] = (len(content) // 4096).to_bytes(4)
    content[28:32] = (len(content) // 4096).to_bytes(4)
    return bytes(content)


def test_endless_rows_are_a_fault(tmp_path: FilePath) -> None:
    read = Read(with_endless_rows(tmp_path / "a.db"), "llm")
    assert ("not SQLite", 1) in read.faults
    assert len(read.sessions) == 0


def test_name_other_than_utf_8_is_a_fault() -> None:
    sample = llm_log()
    kinds = set()
    for name in {*re.findall(rb"\w{5,}", sample)}:
        with suppress(NotRecognized):
            kinds |= {kind for kind, _ in Read(sample.replace(name, b"\x80" + name[1:]), "llm").faults}
    assert "not SQLite" in kinds
