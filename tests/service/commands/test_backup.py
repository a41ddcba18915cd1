"""`amplifierd backup` and `restore`, with running daemons."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from amplifierd.commands import cli
from amplifierd.storage import open_storage
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import SessionSummary
from amplifierd.testing.storage.steps import read, records
from daemon import Daemon
from faults.load import Load

# The errors for a damaged backup, depending on the damaged page.
DAMAGED = r"SQLite says of |is damaged: "


def run(*arguments: object) -> str:
    """Run a command, which must succeed. Returns its output."""
    outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.stdout


def assert_fails(*arguments: object, words: str) -> None:
    """Assert that a command fails with an error of one sentence."""
    outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert outcome.exit_code == 1
    assert isinstance(outcome.exception, SystemExit)
    assert re.search(f"Error: .*({words})", outcome.stderr), outcome.stderr


def create_session(daemon: Daemon, text: str) -> str:
    """Create a session of one message. Returns its id."""
    with daemon.client() as client:
        session_id: str = client.post("/sessions").json()["id"]
        assert client.post(f"/sessions/{session_id}/messages", json={"content": text}).status_code == 201
    return session_id


def contents_of(url: str) -> list[str]:
    """The contents of the messages of a database's only session."""

    async def read_all() -> list[str]:
        async with open_storage(url) as storage:
            [session] = await records(await storage.list_sessions("default", SessionQuery()), SessionSummary)
            return [message.content for message in await read(storage, session.id)]

    return asyncio.run(read_all())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def daemon(path: Path) -> Iterator[Daemon]:
    with Daemon(f"sqlite:///{path}") as running:
        yield running


def test_backup_has_every_acknowledged_write(daemon: Daemon, tmp_path: Path) -> None:
    with Load([daemon.api]) as load:
        load.wait_for_more(40)
        before = {session_id: [*contents] for session_id, contents in load.acknowledged.items()}
        output = run("backup", "--database", daemon.database, tmp_path / "b.db")
        assert re.fullmatch(
            rf"{tmp_path}/b.db has 8 sessions with \d+ messages\.\n"
            r"SQLite finds no damage in it; `amplifierd check` examines its records\.\n",
            output,
        )
        load.wait_for_more(1)
        load.stop()
    # As anyone with the file could.
    with Daemon(f"sqlite:///{tmp_path}/b.db") as restored, restored.client() as client:
        for session_id, contents in before.items():
            messages = client.get(f"/sessions/{session_id}/messages").json()["messages"]
            assert [message["content"] for message in messages][: len(contents)] == contents
    assert "Nothing is wrong" in run("check", "--database", f"sqlite:///{tmp_path}/b.db")


def test_backup_is_a_database_in_one_file(daemon: Daemon, tmp_path: Path) -> None:
    create_session(daemon, "kept")
    before = names(tmp_path)
    run("backup", "--database", daemon.database, tmp_path / "b.db")
    assert names(tmp_path) == sorted([*before, "b.db"])
    assert (tmp_path / "b.db").stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(f"file:{tmp_path}/b.db?mode=ro&immutable=1", uri=True) as connection:
        assert connection.execute("SELECT message_count FROM session").fetchall() == [(1,)]
    connection.close()
    assert contents_of(f"sqlite:///{tmp_path}/b.db") == ["kept"]


def test_backup_replaces_a_file_only_with_force(daemon: Daemon, path: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    file.write_text("what was there")
    (tmp_path / "b.db-wal").write_text("a log of what was there")
    file.chmod(0o640)
    create_session(daemon, "kept")
    assert_fails("backup", "--database", daemon.database, file, words="already exists; .* replace it with --force")
    assert file.read_text() == "what was there"
    run("backup", "--force", "--database", daemon.database, file)
    assert file.stat().st_mode & 0o777 == 0o640
    assert contents_of(f"sqlite:///{file}") == ["kept"]
    assert_fails("backup", "--force", "--database", daemon.database, path, words="is the database itself")
    with Daemon(f"sqlite:///{file}"):
        assert_fails("backup", "--force", "--database", daemon.database, file, words="has .*b.db open; stop the daemon")
    assert [name for name in names(tmp_path) if name.endswith("part")] == []


def test_failed_backup_leaves_nothing(daemon: Daemon, tmp_path: Path) -> None:
    before = names(tmp_path)
    assert_fails(
        "backup", "--database", daemon.database, tmp_path / "no/b.db", words="can't be written: .*Check the path"
    )
    assert_fails("backup", "--database", daemon.database, "/proc/b.db", words="can't be written")
    assert_fails(
        "backup", "--database", f"sqlite:///{tmp_path}/no.db", tmp_path / "b.db", words="There is no database at"
    )
    (tmp_path / "empty.db").touch()
    assert_fails("backup", "--database", f"sqlite:///{tmp_path}/empty.db", tmp_path / "b.db", words="is empty")
    (tmp_path / "empty.db").unlink()
    assert names(tmp_path) == before


def test_restored_database_is_the_backup(path: Path, tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{path}") as daemon:
        create_session(daemon, "backed up")
        run("backup", "--database", daemon.database, tmp_path / "b.db")
        create_session(daemon, "lost")
    database = f"sqlite:///{tmp_path}/new/er/a.db"
    output = run("restore", "--database", database, tmp_path / "b.db")
    assert output == "Restored 1 session with 1 message.\n"
    assert contents_of(database) == ["backed up"]
    assert_fails(
        "restore", "--database", database, tmp_path / "b.db", words="already exists; .* replace it with --force"
    )
    assert_fails("restore", "--force", "--database", database, "no.db", words=r"There is no backup at no\.db\.$")
    (tmp_path / "empty.db").touch()
    assert_fails(
        "restore", "--force", "--database", database, tmp_path / "empty.db", words=r"no amplifierd has used it yet\.$"
    )


def test_restore_keeps_the_old_database(path: Path, tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{path}") as daemon:
        create_session(daemon, "backed up")
        run("backup", "--database", daemon.database, tmp_path / "b.db")
        path.chmod(0o600)
        with daemon.client() as client:
            [session] = client.get("/sessions").json()
            client.post(f"/sessions/{session['id']}/messages", json={"content": "later"})
        assert_fails(
            "restore", "--force", "--database", daemon.database, tmp_path / "b.db", words="open; stop the daemon"
        )
        # The last writes are only in the log.
        daemon.kill()
    output = run("restore", "--force", "--database", f"sqlite:///{path}", tmp_path / "b.db")
    previous = re.search(r"previous database is now (.*)\.$", output)
    assert previous is not None, output
    assert contents_of(f"sqlite:///{path}") == ["backed up"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert contents_of(f"sqlite:///{previous[1]}") == ["backed up", "later"]


@pytest.mark.parametrize("at", [0, 100, 4096])
def test_damaged_database_is_kept_when_replaced(path: Path, tmp_path: Path, at: int) -> None:
    with Daemon(f"sqlite:///{path}") as daemon:
        create_session(daemon, "backed up")
        run("backup", "--database", daemon.database, tmp_path / "b.db")
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 2_000)
    (tmp_path / "a.db-wal").write_text("what a program left there")
    before = path.read_bytes()
    output = run("restore", "--force", "--database", f"sqlite:///{path}", tmp_path / "b.db")
    previous = re.search(r"previous database is now (.*)\.$", output)
    assert previous is not None, output
    assert Path(previous[1]).read_bytes() == before
    assert names(tmp_path)[:2] == ["a.db", Path(previous[1]).name]
    assert "a.db-wal" not in names(tmp_path)
    assert contents_of(f"sqlite:///{path}") == ["backed up"]


def test_unsound_backup_is_not_restored(path: Path, tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{path}") as daemon:
        for number in range(30):
            create_session(daemon, f"{number} " * 1_000)
        run("backup", "--database", daemon.database, tmp_path / "b.db")
    with (tmp_path / "b.db").open("r+b") as file:
        file.seek(file.seek(0, 2) // 4096 // 2 * 4096)
        file.write(b"\xff" * 4096)
    before = path.read_bytes()
    assert_fails("restore", "--force", "--database", f"sqlite:///{path}", tmp_path / "b.db", words=DAMAGED)
    assert_fails("backup", "--database", f"sqlite:///{tmp_path}/b.db", tmp_path / "c.db", words=DAMAGED)
    (tmp_path / "text.db").write_text("this is no database, only text" * 100)
    assert_fails(
        "restore", "--force", "--database", f"sqlite:///{path}", tmp_path / "text.db", words="not a SQLite database"
    )
    assert_fails("restore", "--force", "--database", f"sqlite:///{path}", path, words="is the database itself")
    assert path.read_bytes() == before
    assert names(tmp_path) == ["a.db", "b.db", "text.db"]


def test_damaged_backup_is_not_restored(path: Path, tmp_path: Path) -> None:
    texts = [f"{number} " * 2_500 for number in range(10)]
    with Daemon(f"sqlite:///{path}") as daemon, daemon.client() as client:
        session_id = create_session(daemon, texts[0])
        messages = [{"content": text} for text in texts[1:]]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
        run("backup", "--database", daemon.database, tmp_path / "b.db")
    whole = (tmp_path / "b.db").read_bytes()
    restored = f"sqlite:///{tmp_path / 'c.db'}"
    intact: list[int] = []
    for page in range(len(whole) // 4096):
        damaged = whole[: page * 4096] + b"\xff" * 4096 + whole[(page + 1) * 4096 :]
        (tmp_path / "b.db").write_bytes(damaged)
        command = ["restore", "--force", "--database", restored, str(tmp_path / "b.db")]
        if CliRunner().invoke(cli, command).exit_code == 0:
            # Such a page maps pages to their parents, and a copy does not contain it.
            assert contents_of(restored) == texts
            intact.append(page)
    assert len(intact) <= 1, intact


def test_postgresql_is_left_to_pg_dump(second_postgres: str, tmp_path: Path) -> None:
    for command in ("backup", "restore"):
        assert_fails(command, "--database", second_postgres, tmp_path / "b.db", words="pg_dump.*amplifierd copy")
