"""Deleted text is gone from every SQLite file (tables, search index, log) and every PostgreSQL table."""

import asyncio
import re
from pathlib import Path

import apsw
import asyncpg
import httpx
from click.testing import CliRunner

from amplifierd.commands import cli
from conftest import execute
from daemon import Daemon
from faults.load import Load
from faults.remains import canary, files_with, places_with, tables_with, wait_until_gone
from postgres import PostgresServer


def create_session(client: httpx.Client, *texts: str, **session: object) -> str:
    """Create a session with messages. Returns its path."""
    path = f"/sessions/{client.post('/sessions', json=session).json()['id']}"
    for text in texts:
        assert client.post(f"{path}/messages", json={"content": text}).status_code == 201
    return path


def run(*arguments: object) -> str:
    """Run a command, which must succeed. Returns its output."""
    outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.stdout


def search(client: httpx.Client, word: str) -> list[object]:
    """Search. Returns the hits; the messages are indexed afterwards."""
    found = client.get("/search", params={"q": word})
    assert found.status_code == 200
    hits: list[object] = found.json()
    return hits


def test_deleted_session_is_gone(client: httpx.Client, daemon: Daemon) -> None:
    word = canary()
    create_session(client, "Others stay.")
    paths = [
        create_session(client, f"{number} {word} {word * 300}", context={"a": word}, name=word) for number in range(3)
    ]
    assert len(search(client, word)) == 3
    assert places_with(daemon.database, word)
    for path in paths:
        assert client.delete(path).status_code == 204
    wait_until_gone(daemon.database, word)


def test_corrected_message_is_gone(client: httpx.Client, daemon: Daemon) -> None:
    word, other, file_word = canary(), canary(), canary()
    url = uploaded(client, file_word)
    path = create_session(client, "Others stay.")
    parts = [
        {"type": "text", "text": f"{word} {word * 300}"},
        {"type": "tool_call", "call": "a", "name": "b", "input": word, "native": {"a": word}},
        {"type": "file", "media": "text/plain", "url": url},
    ]
    for number, body in enumerate(({"parts": parts, "metadata": {"a": word}, "agent": word}, {"content": other})):
        headers = {"Idempotency-Key": f"{word[:8]}-{number}"}
        client.post(f"{path}/messages", json=body, headers=headers).raise_for_status()
    assert (len(search(client, word)), len(search(client, other))) == (1, 1)
    client.delete(f"{path}/messages/2").raise_for_status()
    client.patch(f"{path}/messages/3", json={"content": "It is replaced."}).raise_for_status()
    for each in (word, other, file_word):
        assert search(client, each) == []
        wait_until_gone(daemon.database, each)


def test_replaced_context_is_gone(client: httpx.Client, daemon: Daemon) -> None:
    short, long = canary(), canary()
    path = create_session(client, context={"short": short})
    client.patch(path, json={"context": {"short": None, "long": long * 100}})
    client.patch(path, json={"context": {"long": None}})
    for word in (short, long):
        wait_until_gone(daemon.database, word)


def test_profile_is_deleted_with_its_last_owner(client: httpx.Client, daemon: Daemon) -> None:
    changed, word, override = canary(), canary(), canary()
    client.post("/profiles", json={"name": "secret", "instructions": changed}).raise_for_status()
    client.patch("/profiles/secret", json={"instructions": word}).raise_for_status()
    wait_until_gone(daemon.database, changed)
    path = create_session(client, profile="secret", settings_overrides={"description": override})
    others = create_session(client, profile="secret")
    client.delete("/profiles/secret").raise_for_status()
    assert client.get(f"{others}/profile").json()["instructions"] == word
    assert places_with(daemon.database, word)
    for session in (path, others):
        client.delete(session).raise_for_status()
    for each in (word, override):
        wait_until_gone(daemon.database, each)


def uploaded(client: httpx.Client, word: str) -> str:
    """Upload a file of several pieces with a word in each. Returns its path."""
    response = client.post("/files", content=f"{word} ".encode() * 100_000)
    assert response.status_code == 201
    url: str = response.json()["url"]
    return url


def create_session_with_file(client: httpx.Client, url: str) -> str:
    """Create a session with a message that refers to a file. Returns its path."""
    path = create_session(client)
    part = {"type": "file", "media": "text/plain", "url": url}
    assert client.post(f"{path}/messages", json={"parts": [part]}).status_code == 201
    return path


def test_deleted_file_is_gone(client: httpx.Client, daemon: Daemon) -> None:
    word = canary()
    url = uploaded(client, word)
    assert places_with(daemon.database, word)
    assert client.delete(url).status_code == 204
    wait_until_gone(daemon.database, word)


def test_file_is_removed_with_its_last_session(client: httpx.Client, daemon: Daemon) -> None:
    word = canary()
    url = uploaded(client, word)
    paths = [create_session_with_file(client, url) for _ in range(2)]
    fork = client.post(f"{paths[0]}/fork").json()["id"]
    for path in (*paths, f"/sessions/{fork}"):
        assert client.head(url).status_code == 200
        assert client.delete(path).status_code == 204
    assert client.get(url).status_code == 404
    wait_until_gone(daemon.database, word)


def test_files_are_removed_with_their_workspace(database: str, tmp_path: Path) -> None:
    word = canary()
    with Daemon(database) as daemon, daemon.client() as client:
        create_session_with_file(client, uploaded(client, f"used {word}"))
        uploaded(client, f"unused {word}")
        output = run(
            "workspaces", "delete", "default", "--yes", "--database", database, "--data-path", tmp_path / "none"
        )
        assert "2 files" in output
        wait_until_gone(database, word)


def test_cleaned_up_session_is_gone(client: httpx.Client, daemon: Daemon) -> None:
    word = canary()
    client.post(f"{create_session(client, word)}/complete")
    assert len(search(client, word)) == 1
    body = {"older_than_days": 0, "dry_run": False}
    assert client.post("/sessions/cleanup", json=body).json()["sessions"] == 1
    wait_until_gone(daemon.database, word)


def test_recorded_response_is_gone_after_its_time(database: str, tmp_path: Path) -> None:
    word, options = canary(), ("--idempotency-ttl", "1")
    if database.startswith("sqlite"):
        (tmp_path / "kept").mkdir()
        database = f"sqlite:///{tmp_path / 'kept' / 'a.db'}"
    with Daemon(database, *options) as daemon, daemon.client() as client:
        created = client.post("/sessions", json={"name": word}, headers={"Idempotency-Key": "k"}).json()
        client.patch(f"/sessions/{created['id']}", json={"name": None}).raise_for_status()
        assert places_with(database, word)
    # There are no requests.
    with Daemon(database, *options):
        wait_until_gone(database, word)


def test_clean_stop_leaves_no_deleted_text(tmp_path: Path) -> None:
    word = canary()
    with Daemon(f"sqlite:///{tmp_path / 'amplifierd.db'}") as daemon, daemon.client() as client:
        path = create_session(client, word, context={"a": word})
        assert len(search(client, word)) == 1
        client.delete(path)
        daemon.stop()
    assert files_with(tmp_path, word) == []


def test_next_start_removes_remains_of_a_killed_daemon(tmp_path: Path) -> None:
    word = canary()
    with Daemon(f"sqlite:///{tmp_path / 'amplifierd.db'}") as daemon, daemon.client() as client:
        path = create_session(client, word)
        assert len(search(client, word)) == 1
        client.delete(path)
        daemon.kill()
    with Daemon(f"sqlite:///{tmp_path / 'amplifierd.db'}"):
        wait_until_gone(tmp_path, word)


def test_backup_has_no_free_pages(tmp_path: Path) -> None:
    word = canary()
    with Daemon(f"sqlite:///{tmp_path / 'a.db'}") as daemon, daemon.client() as client:
        paths = [create_session(client, f"{word} {word * 4000}") for _ in range(20)]
        assert len(search(client, word)) == 20
        for path in paths:
            client.delete(path)
        (tmp_path / "backups").mkdir()
        run("backup", "--database", daemon.database, tmp_path / "backups" / "b.db")
    assert files_with(tmp_path / "backups", word) == []
    assert (tmp_path / "backups" / "b.db").stat().st_size < 400_000


def test_served_file_is_compacted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}") as daemon, daemon.client() as client:
        sessions = [create_session(client, f"{number} " * 100_000) for number in range(30)]
        for session in sessions:
            client.delete(session)
        with Load([daemon.api]) as load:
            load.wait_for_more(20)
            output = run("compact", "--database", daemon.database)
            load.wait_for_more(20)
            load.stop()
        sizes = re.search(r"had (\d+) bytes and now has (\d+)", output)
        assert sizes is not None, output
        assert int(sizes[2]) < int(sizes[1]) / 2
        assert "Nothing is wrong" in run("check", "--database", daemon.database)


def test_file_of_an_older_version_is_compacted_in_full(tmp_path: Path) -> None:
    word, path = canary(), tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}") as daemon, daemon.client() as client:
        create_session(client, "Others stay.")
        client.delete(create_session(client, "x" * 100_000))
    make_old(path, word)
    with Daemon(f"sqlite:///{path}") as daemon:
        outcome = CliRunner().invoke(cli, ["compact", "--database", daemon.database])
        assert "amplifierd compact --full` once" in outcome.stderr
        outcome = CliRunner().invoke(cli, ["compact", "--full", "--database", daemon.database])
        assert "open; stop the daemon that serves it" in outcome.stderr
    assert files_with(tmp_path, word) == ["a.db"]
    run("compact", "--full", "--database", f"sqlite:///{path}")
    assert files_with(tmp_path, word) == []
    run("compact", "--database", f"sqlite:///{path}")


def make_old(path: Path, word: str) -> None:
    """Give a file the layout of older versions, with a word in free pages."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "delete")
    connection.pragma("auto_vacuum", "none")
    connection.execute("VACUUM")
    connection.execute("CREATE TABLE old (text)")
    connection.execute("INSERT INTO old VALUES (?)", (word * 1_000,))
    connection.execute("DROP TABLE old")
    connection.close()


async def deleted_rows(database: str) -> int:
    """The number of deleted rows that are not freed yet, as counted by the last VACUUM of each table."""
    connection = await asyncpg.connect(database)
    count = await connection.fetchval(
        "SELECT SUM(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = 'amplifierd' AND vacuum_count > 0"
    )
    vacuumed = await connection.fetchval(
        "SELECT bool_and(vacuum_count > 0) FROM pg_stat_user_tables WHERE schemaname = 'amplifierd'"
    )
    await connection.close()
    assert vacuumed
    return int(count)


def test_postgresql_is_compacted_while_it_is_served() -> None:
    kept_word, deleted_word = canary(), canary()
    # A separate server, whose files can be read.
    with PostgresServer("fsync=off") as server, Daemon(server.url()) as daemon, daemon.client() as client:
        paths = [
            create_session(client, f"{kept_word} {number} {deleted_word if number % 2 else ''}", context={})
            for number in range(20)
        ]
        for path in paths[1::2]:
            client.delete(path)
        assert len(search(client, kept_word)) == 10
        execute(server.url(), "CHECKPOINT")
        assert files_with(server.data / "base", deleted_word)
        assert re.search(r"had \d+ bytes and now has \d+", run("compact", "--database", daemon.database))
        assert tables_with(server.url(), deleted_word) == []
        assert asyncio.run(deleted_rows(server.url())) == 0
        assert len(search(client, kept_word)) == 10
        run("compact", "--full", "--database", daemon.database)
        execute(server.url(), "CHECKPOINT")
        assert files_with(server.data / "base", deleted_word) == []
        assert len(search(client, kept_word)) == 10
