"""`amplifierd check`, with running daemons on each kind of database."""

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw
from click.testing import CliRunner, Result

from amplifierd.commands import cli
from amplifierd.storage.values.quantities import quantity
from daemon import Daemon
from faults.corrupt import vandalise, without_messages
from faults.load import Load

# An index of each kind: of a constraint, of a table, of an expression.
INDEXES = (
    "sqlite_autoindex_session_1",
    "sqlite_autoindex_session_number_1",
    "session_by_update",
    "message_by_place",
    "message_by_id",
)
# The first page of each, and the last one.
INDEX_PAGES = f"""
SELECT name, MIN(pageno)
FROM dbstat
WHERE name IN {INDEXES}
GROUP BY name
UNION
SELECT name, MAX(pageno)
FROM dbstat
WHERE name IN {INDEXES}
GROUP BY name
"""  # noqa: S608  # of the names above


def check(database: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["check", "--database", database, *options])


def in_terminal(*arguments: str, expected: int = 0) -> str:
    """Run a command whose standard error is a terminal. Returns what the terminal shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "amplifierd", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        output = b""
        # Reading from a closed terminal is an error.
        with suppress(OSError):
            while some := os.read(ours, 4_096):
                output += some
        os.close(ours)
        assert running.wait() == expected, output.decode()
    return output.decode()


@contextmanager
def comings_and_goings(daemon: Daemon) -> Iterator[None]:
    """Create, fill, fork and delete sessions within the `with` block."""
    stopping = threading.Event()

    def go_on() -> None:
        with daemon.client() as client:
            while not stopping.is_set():
                path = f"/sessions/{client.post('/sessions').json()['id']}"
                messages = [{"content": f"a{number} b", "token_count": 1} for number in range(20)]
                client.post(f"{path}/messages/batch", json={"messages": messages}).raise_for_status()
                fork = client.post(f"{path}/fork", json={"at_sequence": 7}).raise_for_status().json()
                client.get("/search", params={"q": "a7"}).raise_for_status()
                client.delete(path).raise_for_status()
                client.post(f"/sessions/{fork['id']}/complete").raise_for_status()

    running = threading.Thread(target=go_on)
    running.start()
    try:
        yield
    finally:
        stopping.set()
        running.join()


def test_check_finds_nothing_while_everything_changes(database: str) -> None:
    with Daemon(database) as daemon, Load([daemon.api]) as load, comings_and_goings(daemon):
        for _ in range(4):
            load.wait_for_more(10)
            checked = check(database)
            assert checked.exit_code == 0, checked.output
            assert checked.stdout.startswith("Nothing is wrong in ")
        load.stop()


def test_repair_is_visible_to_clients_of_a_daemon(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        messages = [{"content": f"a{number}", "token_count": 2} for number in range(5)]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages})
        before = client.get(f"/sessions/{session_id}")
        vandalise(database, "UPDATE session SET token_usage = 3", without_messages(database, session_id, "= 2"))
        checked = check(database)
        assert checked.exit_code == 1
        assert checked.stdout.splitlines()[0] == (
            f"Session {session_id} of workspace default has lost message 2, which cannot be recovered."
        )
        repaired = check(database, "--repair")
        assert repaired.exit_code == 1
        assert "  It cannot be repaired; a backup may have what is lost.\n" in repaired.stdout
        assert "  Its counts were corrected.\n" in repaired.stdout
        after = client.get(f"/sessions/{session_id}", headers={"If-None-Match": before.headers["etag"]})
        assert (after.json()["messageCount"], after.json()["tokenUsage"]) == (5, 8)
        assert client.get("/search?q=a3").json()[0]["sequence"] == 4
        assert client.get("/search?q=a1").json() == []
        again = client.post(f"/sessions/{session_id}/messages", json={"content": "again"})
        assert again.json()["sequence"] == 6
        vandalise(database, "UPDATE session SET token_usage = 3")
        assert check(database).stdout.count("\n") == 3


def test_count_that_is_too_high_is_corrected(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        for number in range(3):
            client.post(f"/sessions/{session_id}/messages", json={"content": f"a{number}"}).raise_for_status()
        daemon.stop()
    vandalise(database, "UPDATE session SET message_count = 4")
    repaired = check(database, "--repair")
    assert (repaired.exit_code, repaired.stdout.count("cannot be repaired")) == (0, 0), repaired.stdout
    assert repaired.stdout.count("  Its counts were corrected.\n") == 1
    assert check(database).stdout == "Nothing is wrong in 1 session with 3 messages.\n"
    vandalise(database, without_messages(database, session_id, "= 3"))
    assert "but has none after 2.\n  It cannot be repaired" in check(database, "--repair").stdout


def test_reference_alone_is_no_session(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        file = client.post("/files", content=b"a").raise_for_status().json()
        part = {"type": "file", "url": file["url"], "media": "text/plain"}
        session_id = client.post("/sessions").json()["id"]
        client.post(f"/sessions/{session_id}/messages", json={"parts": [part]}).raise_for_status()
        daemon.stop()
    other = session_id[:-1] + ("0" if session_id[-1] != "0" else "1")
    vandalise(database, f"UPDATE file_reference SET session_id = '{other}'")  # noqa: S608  # of the test
    repaired = check(database, "--repair")
    assert repaired.exit_code == 0, repaired.stdout
    assert "  Nothing was left of it but references to files, which were removed.\n" in repaired.stdout
    assert check(database).stdout == "Nothing is wrong in 1 session with 1 message.\n"


def lost_session(tmp_path: Path, *tables: str, messages: int) -> str:
    """A database in which the rows of a session with a label were deleted from tables."""
    database = f"sqlite:///{tmp_path}/a.db"
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions", json={"labels": {"a": "b"}}).json()["id"]
        for number in range(messages):
            client.post(f"/sessions/{session_id}/messages", json={"content": f"a{number}"}).raise_for_status()
        daemon.stop()
    columns = {"session": "id"}
    for table in tables:
        column = columns.get(table, "session_id")
        vandalise(database, f"DELETE FROM {table} WHERE {column} = '{session_id}'")  # noqa: S608  # of the test
    return database


def test_labels_of_a_lost_session_are_deleted(tmp_path: Path) -> None:
    for number, messages in enumerate((0, 3)):
        folder = tmp_path / str(number)
        folder.mkdir()
        database = lost_session(folder, "session", messages=messages)
        repaired = check(database, "--repair")
        assert repaired.exit_code == 0
        sentence = "The table session_label has 1 row without the matching row of session.\n  Deleted.\n"
        assert sentence in repaired.stdout
        assert (
            check(database).stdout == f"Nothing is wrong in {quantity(number, 'session')} with {messages} messages.\n"
        )


def test_messages_without_their_session_are_not_reported_as_repaired(tmp_path: Path) -> None:
    database = lost_session(tmp_path, "session", "session_number", messages=3)
    lost = "Messages of 1 session have lost the rows that name their sessions.\n"
    repaired = check(database, "--repair")
    assert repaired.exit_code == 1
    assert f"{lost}  It cannot be repaired; a backup may have what is lost.\n" in repaired.stdout
    again = check(database)
    assert again.exit_code == 1
    assert again.stdout == f"{lost}Found 1 fault and repaired 0 in 0 sessions with 0 messages.\n"


def test_repair_that_the_database_refuses_is_reported_and_others_are_made(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        messages = [{"content": f"a{number}", "id": f"own{number}"} for number in range(3)]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
        daemon.stop()
    uses = "UPDATE directory_use SET session_count = 9"
    if database.startswith("sqlite"):
        # Two messages with one id: the index that makes ids unique cannot be made again.
        name = "message_by_id"
        vandalise(database, *_schema(name, "UNIQUE INDEX", "INDEX"))
        vandalise(database, "UPDATE message_row SET message_id = 'own1'", uses)
        vandalise(database, *_schema(name, "INDEX", "UNIQUE INDEX"))
    else:
        refuse = "ALTER TABLE session ADD CONSTRAINT message_by_id CHECK (token_usage = 3)"
        vandalise(database, "UPDATE session SET token_usage = 3", refuse, uses)
    repaired = check(database, "--repair")
    if not database.startswith("sqlite"):
        vandalise(database, "ALTER TABLE session DROP CONSTRAINT message_by_id")
    assert repaired.exit_code == 1
    assert re.search("\n  It could not be repaired: .*message_by_id", repaired.stdout)
    assert "  The counts of the workspace were corrected.\n" in repaired.stdout


def _schema(index: str, old: str, new: str) -> tuple[str, str]:
    """Change the statement of an index, but not its entries."""
    where = f"WHERE name = '{index}'"
    change = f"UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') {where}"  # noqa: S608  # of the test
    return "PRAGMA writable_schema = ON", change


def test_index_that_can_not_be_read_is_rebuilt(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database = f"sqlite:///{path}"
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        messages = [{"content": f"a{number}", "id": f"own{number}"} for number in range(300)]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
        before = client.get(f"/sessions/{session_id}/messages").json()
        daemon.stop()
    with closing(apsw.Connection(str(path))) as connection:
        pages = [int(str(page)) for _, page in connection.execute(INDEX_PAGES)]
    assert len(pages) == len(INDEXES) + 1
    whole = path.read_bytes()
    for page in pages:
        path.write_bytes(whole[: (page - 1) * 4_096] + bytes(4_096) + whole[page * 4_096 :])
        repaired = check(database, "--repair")
        assert repaired.exit_code == 0, repaired.output
        assert "  The indexes of the tables were rebuilt, and SQLite finds no more faults.\n" in repaired.stdout
        assert check(database).stdout == "Nothing is wrong in 1 session with 300 messages.\n"
    with Daemon(database) as daemon, daemon.client() as client:
        assert client.get(f"/sessions/{session_id}/messages").json() == before
        again = client.post(f"/sessions/{session_id}/messages", json={"content": "b", "id": "own7"})
        assert again.status_code == 409
    compacted = CliRunner().invoke(cli, ["compact", "--database", database])
    assert compacted.exit_code == 0, compacted.output


def test_file_of_another_program_is_reported() -> None:
    for database, words in [
        ("sqlite:////nowhere/a.db", "There is no database at /nowhere/a.db"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", "can't be opened: "),
        ("nosuch:", "is not understood"),
    ]:
        refused = check(database)
        assert refused.exit_code == 1
        assert words in refused.stderr
        assert "secret" not in refused.output


def test_database_without_a_schema_is_brought_up_to_date_first(empty_database: str) -> None:
    refused = check(empty_database)
    assert refused.exit_code == 1
    with Daemon(empty_database):
        pass
    assert check(empty_database).stdout == "Nothing is wrong in 0 sessions with 0 messages.\n"


def test_check_shows_its_progress(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        path = f"/sessions/{session_id}/messages/batch"
        for _ in range(6):
            client.post(path, json={"messages": [{"content": "a b c"}] * 1_000}).raise_for_status()
    checked = in_terminal("check", "--database", database)
    assert "Messages checked" in checked
    percentages = percents(checked)
    assert (percentages[0], percentages[-1]) == (0, 100)
    assert len(set(percentages)) >= 4
    # Fewer messages than the sessions count; missing messages are not checked.
    vandalise(database, without_messages(database, session_id, "> 2000"))
    assert percents(in_terminal("check", "--database", database, expected=1))[-1] == 100


def test_import_of_an_empty_export_ends_at_100_percent(empty_database: str, tmp_path: Path) -> None:
    file = tmp_path / "export.ndjson"
    file.write_text('{"header":{"format":"amplifierd-export","version":1}}\n', encoding="utf-8")
    imported = in_terminal("import", "--create", "--database", empty_database, str(file))
    assert percents(imported)[-1] == 100


def percents(output: str) -> list[int]:
    """The percentages that a progress bar showed, in order."""
    return [int(percent) for percent in re.findall(r"(\d+)%", output)]
