"""Exports and imports on the command line: complete files, resumed imports, and errors of one sentence."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from amplifierd.storage.values.quantities import quantity
from daemon import Daemon, http_post
from fork_server import run_amplifierd
from keys import create_key
from samples.transferred import HEADER, create_conversation, session_line


@pytest.fixture
def path(client: httpx.Client) -> str:
    """The path of a session with some messages."""
    return create_conversation(client)


def test_command_line_matches_http(tmp_path: Path, daemon: Daemon, client: httpx.Client, path: str) -> None:
    assert path
    file = tmp_path / "sessions.ndjson"
    exported = run_amplifierd("export", "--database", daemon.database, str(file))
    sessions = len(client.get("/sessions").json())
    assert (exported.returncode, exported.stdout) == (0, "")
    assert f"Exported {quantity(sessions, 'session')}." in exported.stderr
    assert file.read_bytes() == client.get("/export").content
    copy = f"sqlite:///{tmp_path}/copy.db"
    imported = run_amplifierd("import", "--create", "--database", copy, str(file))
    assert imported.returncode == 0, imported.stderr
    assert f"Imported {quantity(sessions, 'session')} with " in imported.stderr
    assert run_amplifierd("export", "--database", copy).stdout == file.read_text()
    again = run_amplifierd("import", "--database", copy, stdin=file.read_bytes())
    assert again.returncode == 1
    assert "it already exists" in again.stderr
    skipped = run_amplifierd("import", "--database", copy, "--on-conflict", "skip", stdin=file.read_bytes())
    assert f"skipped {sessions}," in skipped.stderr


def test_export_replaces_a_file_when_complete(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        client.post(f"/sessions/{session_id}/messages", json={"content": "x" * 2_000_000})
    file = tmp_path / "export.ndjson"
    file.write_text("the old one")
    file.chmod(0o644)
    link = tmp_path / "link.ndjson"
    link.symlink_to(file)
    limit = f"ulimit -f 512; exec {sys.executable} -m amplifierd export --database {database} {file}"
    broken_off = subprocess.run(["bash", "-c", limit], capture_output=True, text=True, check=False)
    assert broken_off.returncode == 1
    assert f"Cannot write the export to {file}: File too large." in broken_off.stderr
    assert file.read_text() == "the old one"
    assert run_amplifierd("export", "--database", database, str(link)).returncode == 0
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes().splitlines()) == 4
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.db", "export.ndjson", "link.ndjson"]


def sessions_of(count: int, messages: int) -> bytes:
    """An export of this number of sessions with this number of messages each."""
    message = {"role": "user", "content": "x", "timestamp": "2025-11-21T19:33:19.192107Z", "metadata": {}}
    lines = "".join(json.dumps({"message": message | {"sequence": n}}) + "\n" for n in range(1, messages + 1))
    sessions = [
        session_line(id=f"01a20a2c-0e7b-744d-a181-{number:012x}", messageCount=messages) + lines
        for number in range(count)
    ]
    return (HEADER.replace("2}", "1}") + "".join(sessions)).encode()


SMALL_PIECES = str(Path(__file__).parents[2] / "faults/small_pieces.py")


@pytest.mark.parametrize("options", [[], ["--on-conflict", "new_id"]], ids=["fail", "new_id"])
def test_killed_import_continues(tmp_path: Path, database: str, options: list[str]) -> None:
    key = create_key(database)
    file = tmp_path / "export.ndjson"
    file.write_bytes(sessions_of(60, 20))
    command = ["import", "--database", database, *options]
    with Daemon(database) as daemon, daemon.client() as client:
        client.headers["Authorization"] = f"Bearer {key}"
        program = [sys.executable, SMALL_PIECES, sys.executable, "-m", "amplifierd"]
        with subprocess.Popen([*program, *command, str(file)], stderr=subprocess.DEVNULL) as importing:
            while len(client.get("/sessions").json()) < 4:
                assert importing.poll() is None, "The import ended too soon."
            importing.kill()
        assert len(client.get("/sessions").json()) < 60
        # The same data from a pipe is recognized by its content.
        again = run_amplifierd(*command, stdin=file.read_bytes())
        assert again.returncode == 0, again.stderr
        assert "Imported 60 sessions with 1200 messages; skipped 0" in again.stderr
        assert len(client.get("/sessions").json()) == 60
        # The first import is complete; this one is new.
        once_more = run_amplifierd(*command, str(file))
        assert (once_more.returncode == 0) is bool(options), once_more.stderr


def test_import_with_new_ids_can_be_repeated(tmp_path: Path, database: str) -> None:
    file = tmp_path / "export.ndjson"
    file.write_bytes(sessions_of(2, 3))
    with Daemon(database) as daemon, daemon.client() as client:
        for number in range(1, 5):
            imported = run_amplifierd("import", "--database", database, "--on-conflict", "new_id", str(file))
            assert imported.returncode == 0, imported.stderr
            assert len(client.get("/sessions").json()) == 2 * number


def test_export_over_the_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with Daemon(f"sqlite:///{file}") as daemon:
        http_post(f"{daemon.api}/sessions")
    outcome = run_amplifierd("export", "--database", daemon.database, str(file))
    assert outcome.returncode == 1
    assert f"Error: {file} is the database itself; name another file." in outcome.stderr
    assert "Exported 1 session." in run_amplifierd("export", "--database", daemon.database).stderr


@pytest.mark.parametrize("target", ["/dev/full", "-"])
def test_export_onto_a_full_disk_is_reported(daemon: Daemon, path: str, target: str) -> None:
    assert path
    command = [sys.executable, "-m", "amplifierd", "export", "--database", daemon.database, target]
    with Path("/dev/full").open("wb") as full:
        outcome = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    errors = outcome.stderr.decode()
    assert outcome.returncode == 1
    assert re.search("Cannot write the export to (/dev/full|standard output): No space left on device", errors)
    assert "Exported" not in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("export", "--database", "nosuch:"), b"", "'nosuch:' is not understood"),
        (("import", "--create", "--database", "{}"), b"hello", "standard input:1: No format recognizes it"),
        (("import", "--create", "--database", "{}"), b"", "standard input:1: No format recognizes it"),
        (("import", "--create", "--database", "{}", "nosuch.ndjson"), b"", "nosuch.ndjson"),
    ],
)
def test_usage_error_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], stdin: bytes, words: str) -> None:
    outcome = run_amplifierd(*(argument.format(f"sqlite:///{tmp_path}/a.db") for argument in arguments), stdin=stdin)
    assert outcome.returncode in (1, 2)
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr
