"""A damaged database file is refused at the start, and never served as if it were intact."""

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import apsw
import asyncpg
import pytest
from click.testing import CliRunner, Result

from amplifierd.commands import cli
from conftest import execute
from daemon import Daemon
from faults.corrupt import vandalise
from postgres import PostgresServer
from waits import until

PAGE = 4096

# The second message, as text that is not JSON.
_DAMAGE = {
    "sqlite": "UPDATE message_row SET content = 'light\"house' WHERE rowid = 2",
    "postgresql": "UPDATE message SET record = '{\"content\"' WHERE sequence = 2",
}
# The name of a tool in the second message, as a number.
_DAMAGED_PART = {
    "sqlite": "UPDATE message_row SET rest = replace(rest, '\"read\"', '1') WHERE rowid = 2",
    "postgresql": "UPDATE message SET record = replace(record, '\"read\"', '1') WHERE sequence = 2",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a session of 100 messages of 8 kB, closed."""
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}", check_responses=False) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        messages = [{"content": f"{number} " * 4_000} for number in range(100)]
        assert client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).status_code == 201
        daemon.stop()
    return path


def overwrite_header(file: BinaryIO) -> None:
    file.write(b"\xff" * 100)


def overwrite_schema(file: BinaryIO) -> None:
    file.seek(100)
    file.write(b"\xff" * (PAGE - 100))


def overwrite_first_pages(file: BinaryIO) -> None:
    file.seek(PAGE)
    file.write(b"\xff" * 8 * PAGE)


def cut_off(file: BinaryIO) -> None:
    file.truncate(file.seek(0, 2) // 2)


def overwrite_all(file: BinaryIO) -> None:
    file.write(b"this is no database, only text" * 1_000)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (overwrite_header, "is not a SQLite database; name another. If it was an amplifierd file, it is damaged"),
        (overwrite_schema, "is damaged: .*Run `amplifierd check`"),
        (overwrite_first_pages, "is damaged: .*Run `amplifierd check`"),
        (cut_off, "is damaged: .*Run `amplifierd check`"),
        (overwrite_all, "is not a SQLite database"),
    ],
)
def test_damaged_file_is_refused_at_the_start(path: Path, damage: Callable[[BinaryIO], None], words: str) -> None:
    with path.open("r+b") as file:
        damage(file)
    before = path.read_bytes()
    with pytest.raises(RuntimeError) as refused:
        Daemon(f"sqlite:///{path}")
    assert re.search(f"Error: The .*{path} {words}", str(refused.value))
    assert "amplifierd restore" in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert path.read_bytes() == before
    checked = run("check", "--repair", "--database", f"sqlite:///{path}")
    assert checked.exit_code == 1
    assert isinstance(checked.exception, SystemExit)
    assert re.search("damaged", checked.output)


def test_damaged_file_without_a_log_is_refused_unchanged(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "delete")
    connection.close()
    with path.open("r+b") as file:
        overwrite_first_pages(file)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="is damaged: "):
        Daemon(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_damaged_page_is_500_and_the_log_says_what_to_do(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(b"50 50 50") // PAGE * PAGE)
        file.write(b"\xff" * PAGE)
    with Daemon(f"sqlite:///{path}", "--log-level", "info") as daemon, daemon.client() as client:
        [session] = client.get("/sessions").json()
        responses = [client.get(f"/sessions/{session['id']}/messages/{sequence}") for sequence in range(1, 101)]
        assert {response.status_code for response in responses} == {200, 500}
        problem = next(response for response in responses if response.status_code == 500).json()
        assert problem["type"] == "about:blank"
        assert problem["detail"].startswith("The server failed on this request; see its log")
        # All other requests are served.
        other = client.post("/sessions").json()["id"]
        assert client.post(f"/sessions/{other}/messages", json={"content": "x"}).status_code == 201
        daemon.stop()
    assert f"Request {problem['requestId']} failed" in daemon.log
    assert re.search("DatabaseDamaged: The database is damaged: ", daemon.log)
    checked = run("check", "--database", f"sqlite:///{path}")
    assert checked.exit_code == 1
    assert "SQLite finds the file damaged: " in checked.stdout
    assert f"Session {session['id']} of workspace default can't be read after message " in checked.stdout
    assert other not in checked.stdout
    repaired = run("check", "--repair", "--database", f"sqlite:///{path}")
    assert repaired.exit_code == 1
    assert "It cannot be repaired; a backup may have what is lost." in repaired.stdout


def test_damaged_index_is_rebuilt(path: Path) -> None:
    vandal = apsw.Connection(str(path))
    # Normally impossible: the rows are deleted from the table, but stay in its index.
    [(root,)] = vandal.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'session_by_revision'")
    vandal.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE + 3)
        file.write(b"\0\0")
    checked = run("check", "--database", f"sqlite:///{path}")
    assert "SQLite finds the file damaged: " in checked.stdout
    assert "session_by_revision" in checked.stdout
    repaired = run("check", "--repair", "--database", f"sqlite:///{path}")
    assert "The indexes of the tables were rebuilt" in repaired.stdout
    assert repaired.exit_code == 0, repaired.stdout
    assert "Nothing is wrong in 1 session with 100 messages." in run("check", "--database", f"sqlite:///{path}").stdout


def test_damaged_search_index_is_rebuilt(path: Path) -> None:
    vandal = apsw.Connection(str(path))
    vandal.execute("UPDATE search_data SET block = zeroblob(length(block)) WHERE id > 10")
    vandal.close()
    checked = run("check", "--database", f"sqlite:///{path}")
    assert checked.exit_code == 1
    assert "The search is damaged: " in checked.stdout
    with Daemon(f"sqlite:///{path}") as daemon, daemon.client() as client:
        assert len(client.get("/sessions").json()) == 1
        repaired = run("check", "--repair", "--database", daemon.database)
        assert "The search index was rebuilt from all messages." in repaired.stdout
        assert repaired.exit_code == 0, repaired.stdout
        assert [hit["sequence"] for hit in client.get("/search?q=42").json()] == [43]
    assert run("check", "--database", f"sqlite:///{path}").exit_code == 0


def test_damaged_page_of_postgresql_is_reported() -> None:
    with PostgresServer("fsync=off") as server:
        with Daemon(server.url(), check_responses=False) as daemon, daemon.client() as client:
            session_id = client.post("/sessions").json()["id"]
            client.post(f"/sessions/{session_id}/messages", json={"content": "x"})
        execute(server.url(), "CHECKPOINT")
        file = asyncio.run(fetch(server.url(), "SELECT pg_relation_filepath('amplifierd.message')"))
        server.stop()
        with (server.data / file).open("r+b") as opened:
            opened.seek(4096)
            opened.write(b"\xff" * 4096)
        server.start()
        with Daemon(server.url()) as daemon, daemon.client() as client:
            assert client.get(f"/sessions/{session_id}/messages/1").status_code == 500
            daemon.stop()
        assert re.search("DatabaseDamaged: .*PostgreSQL says: invalid page in block 0", daemon.log)
        checked = run("check", "--database", server.url())
        assert checked.exit_code == 1
        assert "Error: The database is damaged: PostgreSQL says: invalid page in block 0" in checked.stderr


async def fetch(url: str, statement: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        found: str = await connection.fetchval(statement)
        return found
    finally:
        await connection.close()


def test_file_replaced_during_opening_is_refused(path: Path, tmp_path: Path) -> None:
    run("backup", "--database", f"sqlite:///{path}", tmp_path / "b.db")
    held = apsw.VFSFile("", str(path), [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE, 0])
    held.xLock(apsw.SQLITE_LOCK_SHARED)
    held.xLock(apsw.SQLITE_LOCK_EXCLUSIVE)
    warnings: list[str] = []

    def start() -> None:
        try:
            Daemon(f"sqlite:///{path}").kill()
        except RuntimeError as refused:
            warnings.append(str(refused))

    starting = threading.Thread(target=start)
    starting.start()
    while not opened_by_another(path):
        assert starting.is_alive()
    (tmp_path / "b.db").replace(path)
    held.xUnlock(apsw.SQLITE_LOCK_NONE)
    held.xClose()
    starting.join()
    assert "was replaced while it was being opened; start again" in warnings[0]


def opened_by_another(path: Path) -> bool:
    """Whether another process has the file open."""
    ours = Path("/proc/self").resolve()
    links = (link for link in Path("/proc").glob("[0-9]*/fd/*") if ours not in link.parents)
    for link in links:
        try:
            if link.samefile(path):
                return True
        except OSError:
            # The descriptor is already closed.
            continue
    return False


def test_damaged_message_hides_no_others(database: str) -> None:
    with Daemon(database, "--log-level", "info") as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        messages = [{"content": f"lighthouse {number}"} for number in range(3)]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
        assert len(client.get("/search", params={"q": "lighthouse"}).json()) == 3
        vandalise(database, _DAMAGE[urlsplit(database).scheme])
        for filters in ({}, {"in": "text"}, {"role": "user"}):
            found = client.get("/search", params={"q": "lighthouse", **filters})
            assert [hit["sequence"] for hit in found.json()] == [3, 1]
        assert client.get(f"/sessions/{session_id}/messages/2").status_code == 500
        daemon.stop()
    assert "A search leaves out a message that is damaged" in daemon.log
    assert f"DatabaseDamaged: The database is damaged: message 2 of session {session_id} can't be read" in daemon.log


def test_message_with_a_damaged_part_hides_no_others(database: str) -> None:
    with Daemon(database, "--log-level", "info") as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        call = {"type": "tool_call", "call": "c1", "name": "read", "input": '{"path":"lighthouse"}'}
        messages = [{"role": "assistant", "parts": [call | {"call": f"c{number}"}]} for number in range(3)]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
        assert len(client.get("/search", params={"q": "lighthouse"}).json()) == 3
        vandalise(database, _DAMAGED_PART[urlsplit(database).scheme])
        for filters in ({}, {"in": "tools"}, {"role": "assistant"}):
            found = client.get("/search", params={"q": "lighthouse", **filters})
            assert [hit["sequence"] for hit in found.json()] == [3, 1]
        daemon.stop()
    assert "A search leaves out a message that is damaged" in daemon.log


@pytest.mark.parametrize("damage", [_DAMAGE, _DAMAGED_PART], ids=["record", "part"])
def test_index_is_written_again_beside_a_damaged_message(database: str, damage: dict[str, str]) -> None:
    kind = urlsplit(database).scheme
    call = {"type": "tool_call", "call": "c1", "name": "read", "input": "lighthouse"}
    messages = [{"role": "assistant", "parts": [call | {"call": f"c{number}"}]} for number in range(3)]
    with Daemon(database) as daemon, daemon.client() as client:
        for _ in range(2):
            session_id = client.post("/sessions").json()["id"]
            client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
        assert len(client.get("/search", params={"q": "lighthouse"}).json()) == 6
        daemon.stop()
    older = [] if kind == "sqlite" else ["UPDATE search SET words = ' older ', lexemes = 'older'"]
    vandalise(database, damage[kind], *older, "UPDATE search_pipeline SET version = 0")
    with Daemon(database) as daemon, daemon.client() as client:
        count = 5 if kind == "sqlite" else 4
        until(lambda: len(client.get("/search", params={"q": "lighthouse"}).json()) == count)
        daemon.stop()
    assert "A search leaves out a message that is damaged" in daemon.log
