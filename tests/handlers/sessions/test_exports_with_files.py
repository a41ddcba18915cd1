"""Exports with embedded files contain the exact bytes, and do not slow down other requests."""

import base64
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import Daemon
from fork_server import run_amplifierd
from raw import Connection, get
from waits import until

OCTETS = {"Content-Type": "application/octet-stream"}
DATA_URL = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]*)")
# A file is read in blocks of 256 KiB, and three bytes become four characters of base64.
SIZES = [0, 1, 2, 3, 262_143, 262_144, 262_145, 1_000_000]
# Together they exceed the 1 GiB of temporary files that long lists, imports and uploads share.
UNREAD = 56
LARGE = 15_000_000
RECEIVED_BYTES = 64 * 1024


def bytes_of(size: int) -> bytes:
    """Bytes without two equal blocks."""
    return b"".join(number.to_bytes(4) for number in range(size // 4 + 1))[:size]


def image(client: httpx.Client, content: bytes) -> dict[str, str]:
    """A part that refers to a new image file."""
    created = client.post("/files", content=content, params={"media": "image/png"})
    return {"type": "file", "media": "image/png", "url": created.raise_for_status().json()["url"]}


def session_of(client: httpx.Client, *messages: list[dict[str, str]]) -> str:
    """Create a session with messages of these parts. Returns its path."""
    path = f"/sessions/{client.post('/sessions').json()['id']}"
    batch = {"messages": [{"parts": parts} for parts in messages]}
    assert client.post(f"{path}/messages/batch", json=batch).status_code == 201
    return path


def parts_of(client: httpx.Client, path: str) -> Any:
    """The parts of the only message of a session."""
    return client.get(f"{path}/messages").json()["messages"][0]["parts"]


@pytest.mark.parametrize("form", ["openai", "anthropic", "sharegpt", "html"])
def test_files_are_in_an_export_byte_for_byte(client: httpx.Client, form: str) -> None:
    contents = [bytes_of(size) for size in SIZES]
    images = [image(client, content) for content in contents]
    path = session_of(client, images, *([part] for part in images))
    exported = client.get(f"{path}/export?files=true&format={form}").raise_for_status().text
    if form == "anthropic":
        blocks = [block["source"] for each in json.loads(exported)["messages"] for block in each["content"]]
        found = [base64.b64decode(source["data"]) for source in blocks if source["type"] == "base64"]
    else:
        found = [base64.b64decode(data) for data in DATA_URL.findall(exported)]
    assert found[: 2 * len(SIZES)] == contents * 2
    client.delete(path)


@pytest.mark.parametrize("form", ["openai", "anthropic"])
def test_message_with_large_files_round_trips(client: httpx.Client, form: str) -> None:
    # A source is only in the extra member, where a digest of the message shows whether it was edited.
    source = {"type": "source", "url": "https://example.org/tides"}
    text = {"type": "text", "text": 'the "tide"\n'}
    path = session_of(client, [text, image(client, bytes_of(1_000_000)), source, image(client, bytes_of(100_000))])
    parts = parts_of(client, path)
    exported = client.get(f"{path}/export?files=true&format={form}").content
    client.delete(path)
    imported = client.post(f"/import?format={form}-messages", content=exported, headers=OCTETS)
    assert imported.json()["sessions"] == 1, imported.text
    assert parts_of(client, path) == parts
    client.delete(path)
    # A message that was edited in the file is imported as edited.
    messages, beside = exported.split(b'"amplifierd":', 1)
    edited = messages.replace(b'the \\"tide\\"', b"the moon") + b'"amplifierd":' + beside
    client.post(f"/import?format={form}-messages", content=edited, headers=OCTETS).raise_for_status()
    assert [part["text"] for part in parts_of(client, path) if part["type"] == "text"] == ["the moon\n"]
    assert source not in parts_of(client, path)
    client.delete(path)


@pytest.mark.parametrize("query", ["openai", "openai&files=true", "html", "html&files=true", "markdown"])
def test_messages_with_small_files_are_sent_together(daemon: Daemon, client: httpx.Client, query: str) -> None:
    images = [image(client, b"%d" % number) for number in range(200)]
    path = session_of(client, *([part] for part in images))
    with Connection(daemon.port) as connection:
        connection.send(get(f"/api/v1{path}/export?format={query}"))
        chunks = len(list(iter(connection.event, b"")))
    assert chunks < len(images) / 10
    client.delete(path)


def test_unread_exports_leave_others_room(database: str) -> None:
    with ExitStack() as running:
        # Checked responses are collected before they are sent.
        daemon = running.enter_context(Daemon(database, check_responses=False))
        client = running.enter_context(daemon.client())
        target = f"{session_of(client, [image(client, bytes_of(LARGE))])}/export?files=true&format=html"
        for _ in range(UNREAD):
            unread = running.enter_context(Connection(daemon.port, receive_bytes=RECEIVED_BYTES))
            unread.send(get(f"/api/v1{target}"))
            assert unread.head().status == 200
        assert len(client.get(target).raise_for_status().content) > LARGE * 4 / 3
        # Uploads use temporary files.
        assert client.post("/files", content=b"x" + bytes_of(LARGE)).status_code == 201


def delete_with_files(client: httpx.Client, path: str, database: Path) -> None:
    """Delete the only session, and wait until its files are deleted."""
    assert client.delete(path).status_code == 204
    with closing(sqlite3.connect(database)) as opened:
        until(lambda: opened.execute("SELECT count(*) FROM file_chunk").fetchone() == (0,))


def test_export_of_a_deleted_file_is_cut_off(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with Daemon(f"sqlite:///{database}", check_responses=False) as daemon, daemon.client() as client:
        path = session_of(client, [image(client, bytes_of(LARGE))])
        with Connection(daemon.port, receive_bytes=RECEIVED_BYTES) as connection:
            connection.send(get(f"/api/v1{path}/export?files=true&format=html"))
            assert connection.event()
            delete_with_files(client, path, database)
            with pytest.raises(ConnectionError, match="cut the response short"):
                list(iter(connection.event, b""))


@pytest.mark.parametrize("edit", ["PATCH", "DELETE"])
def test_export_of_a_message_edited_between_its_readings_is_cut_off(daemon_alone: Daemon, edit: str) -> None:
    with daemon_alone.client() as client:
        path = session_of(client, [image(client, bytes_of(LARGE))], [{"type": "text", "text": "one"}])
        with Connection(daemon_alone.port, receive_bytes=RECEIVED_BYTES) as connection:
            connection.send(get(f"/api/v1{path}/export?files=true&format=openai"))
            assert connection.event()
            body = {"parts": [{"type": "text", "text": "two"}]} if edit == "PATCH" else None
            assert client.request(edit, f"{path}/messages/2", json=body).is_success
            with pytest.raises(ConnectionError, match="cut the response short"):
                list(iter(connection.event, b""))


def test_messages_appended_during_an_export_are_left_out(daemon_alone: Daemon) -> None:
    with daemon_alone.client() as client:
        path = session_of(client, [image(client, bytes_of(LARGE))], [{"type": "text", "text": "one"}])
        with Connection(daemon_alone.port, receive_bytes=RECEIVED_BYTES) as connection:
            connection.send(get(f"/api/v1{path}/export?files=true&format=openai"))
            begin = connection.event()
            batch = {"messages": [{"content": "later"}] * 500}
            assert client.post(f"{path}/messages/batch", json=batch).status_code == 201
            exported = json.loads(begin + b"".join(iter(connection.event, b"")))
    assert (len(exported["messages"]), len(exported["amplifierd"]["messages"])) == (2, 2)


@pytest.fixture
def daemon_alone(database: str) -> Iterator[Daemon]:
    """A daemon that streams responses without checking them first."""
    with Daemon(database, check_responses=False) as daemon:
        yield daemon


def exported_by_command(daemon: Daemon, *arguments: str) -> tuple[int, str, str]:
    """Run an export with files. Returns its exit code, output and errors."""
    done = run_amplifierd("export", "--database", daemon.database, "--files", *arguments)
    return done.returncode, done.stdout, done.stderr


def test_command_reports_a_deleted_session(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with Daemon(f"sqlite:///{database}") as daemon, daemon.client() as client:
        path = session_of(client, [image(client, bytes_of(LARGE))])
        command = [sys.executable, "-m", "amplifierd", "export", "--database", daemon.database, "--files"]
        command += ["--format", "html", "--session", path.rpartition("/")[2], "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as exporting:
            assert exporting.stdout is not None
            assert exporting.stdout.read(1)
            delete_with_files(client, path, database)
            _, errors = exporting.communicate()
    assert exporting.returncode == 1
    assert "was deleted meanwhile; export again." in errors.decode()


@pytest.fixture
def daemon_of_file(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose database is a file."""
    with Daemon(f"sqlite:///{tmp_path / 'a.db'}", check_responses=False) as daemon:
        yield daemon


def damage(daemon: Daemon, first: int) -> None:
    """Delete the chunks of all files from the `first` on, each of 64 KiB."""
    with closing(sqlite3.connect(daemon.database.removeprefix("sqlite:///"))) as opened, opened:
        opened.execute("DELETE FROM file_chunk WHERE place >= ?", (first,))


@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_damaged_file_is_left_out_and_counted(daemon_of_file: Daemon, size: int) -> None:
    with daemon_of_file.client() as client:
        path = session_of(client, [image(client, bytes_of(size)), {"type": "text", "text": "the tide"}])
        other = session_of(client, [{"type": "text", "text": "the moon"}])
        damage(daemon_of_file, 0)
        for form in ("openai", "anthropic", "sharegpt"):
            exported = client.get(f"{path}/export?files=true&format={form}").raise_for_status().json()
            assert exported["amplifierd"]["losses"]["leftOut"] == {"files": 1}
            assert "the tide" in str(exported)
        assert "Left out: 1 files." in client.get(f"{path}/export?files=true&format=html").raise_for_status().text
        code, text, errors = exported_by_command(daemon_of_file, "--format", "openai", "-")
        assert (code, len(text.splitlines())) == (0, 2), errors
        assert "Left out: 1 files." in errors
        client.delete(other)


def test_file_damaged_after_its_beginning_cuts_off_an_export(daemon_of_file: Daemon) -> None:
    with daemon_of_file.client() as client:
        path = session_of(client, [image(client, bytes_of(1_000_000))])
        damage(daemon_of_file, 8)
        with Connection(daemon_of_file.port) as connection:
            connection.send(get(f"/api/v1{path}/export?files=true&format=html"))
            with pytest.raises(ConnectionError, match="cut the response short"):
                list(iter(connection.event, b""))
        code, _, errors = exported_by_command(daemon_of_file, "--format", "openai", "-")
        assert code == 1
        assert "deleted meanwhile, or its data is damaged. Run `amplifierd check`" in errors
        checked = run_amplifierd("check", "--database", daemon_of_file.database)
        assert "is damaged and cannot be recovered" in checked.stdout


# The texts of the system messages, and whether a user message with a file follows (None: no user message).
SYSTEM_MESSAGES = {
    "alone": ([""], None),
    "long, before a text": (["x" * 40_000], False),
    "long, before a file": (["x" * 40_000], True),
    "two": (["x" * 40_000, "y" * 40_000], True),
}


@pytest.mark.parametrize("case", list(SYSTEM_MESSAGES))
def test_system_message_with_a_file_is_exported_with_it(daemon: Daemon, client: httpx.Client, case: str) -> None:
    texts, file_follows = SYSTEM_MESSAGES[case]
    contents = [b"the first", b"the second", b"of the user"]
    messages: list[dict[str, Any]] = [
        {"role": "system", "parts": [{"type": "text", "text": text}] * bool(text) + [image(client, content)]}
        for text, content in zip(texts, contents, strict=False)
    ]
    if file_follows is not None:
        said = {"type": "text", "text": "the tide"}
        messages.append({"role": "user", "parts": [said, image(client, contents[2])] if file_follows else [said]})
    path = f"/sessions/{client.post('/sessions').json()['id']}"
    assert client.post(f"{path}/messages/batch", json={"messages": messages}).status_code == 201
    expected = contents[: len(texts)] + contents[2:] * bool(file_follows)
    by_http = client.get(f"{path}/export?files=true&format=anthropic").raise_for_status().text
    code, by_command, errors = exported_by_command(
        daemon, "--format", "anthropic", "--session", path.rpartition("/")[2], "-"
    )
    assert code == 0, errors
    for exported in (by_http, by_command):
        record = json.loads(exported)
        blocks = [*record["system"], *(block for each in record["messages"] for block in each["content"])]
        data = [block["source"]["data"] for block in blocks if isinstance(block, dict) and "source" in block]
        assert [base64.b64decode(each, validate=True) for each in data] == expected
    client.delete(path)
    imported = client.post("/import?format=anthropic-messages", content=by_http.encode(), headers=OCTETS)
    assert imported.json()["sessions"] == 1, imported.text
    parts = [part for each in client.get(f"{path}/messages").json()["messages"] for part in each["parts"]]
    data = [DATA_URL.fullmatch(part["url"]) for part in parts if part["type"] == "file"]
    assert [base64.b64decode(each[1]) for each in data if each is not None] == expected
    client.delete(path)
