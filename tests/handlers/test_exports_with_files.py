"""Exports of messages with files: the files are in them byte for byte, and cost nobody else anything."""

import base64
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import Daemon
from raw import Connection, get
from waits import until

OCTETS = {"Content-Type": "application/octet-stream"}
DATA_URL = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]*)")
# A file is read in blocks of 256 KiB, and three bytes are four characters of base64.
SIZES = [0, 1, 2, 3, 262_143, 262_144, 262_145, 1_000_000]
# Together they are more than the 1 GiB of temporary files that long lists, imports and uploads share.
UNREAD = 56
LARGE = 15_000_000


def bytes_of(size: int) -> bytes:
    """Bytes of which no two blocks are the same."""
    return b"".join(number.to_bytes(4) for number in range(size // 4 + 1))[:size]


def image(client: httpx.Client, content: bytes) -> dict[str, str]:
    """A part with a new file."""
    created = client.post("/files", content=content, params={"media": "image/png"})
    return {"type": "file", "media": "image/png", "url": created.raise_for_status().json()["url"]}


def session_of(client: httpx.Client, *messages: list[dict[str, str]]) -> str:
    """The path of a new session with messages of these parts."""
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
def test_message_with_large_files_comes_back(client: httpx.Client, form: str) -> None:
    # A source is only beside the messages, where a digest of all that the message has says whether it was edited.
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
    # What was edited in the file is imported as it is there.
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
            unread = running.enter_context(Connection(daemon.port))
            unread.send(get(f"/api/v1{target}"))
            assert unread.head().status == 200
        assert len(client.get(target).raise_for_status().content) > LARGE * 4 / 3
        # Uploads have temporary files.
        assert client.post("/files", content=b"x" + bytes_of(LARGE)).status_code == 201


def delete_with_files(client: httpx.Client, path: str, database: Path) -> None:
    """Delete the only session, and wait until the bytes of its files are gone."""
    assert client.delete(path).status_code == 204
    with closing(sqlite3.connect(database)) as opened:
        until(lambda: opened.execute("SELECT count(*) FROM file_chunk").fetchone() == (0,))


def test_export_of_a_deleted_file_is_cut_off(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with Daemon(f"sqlite:///{database}", check_responses=False) as daemon, daemon.client() as client:
        path = session_of(client, [image(client, bytes_of(LARGE))])
        with Connection(daemon.port) as connection:
            connection.send(get(f"/api/v1{path}/export?files=true&format=html"))
            assert connection.event()
            delete_with_files(client, path, database)
            with pytest.raises(ConnectionError, match="cut the response short"):
                list(iter(connection.event, b""))


def test_command_says_that_a_file_was_deleted(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    with Daemon(f"sqlite:///{database}") as daemon, daemon.client() as client:
        path = session_of(client, [image(client, bytes_of(LARGE))])
        command = [sys.executable, "-m", "amplifierd", "export", "--database", daemon.database, "--files"]
        command += ["--format", "html", "--session", path.rpartition("/")[2], "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as exporting:
            assert exporting.stdout is not None
            assert exporting.stdout.read(1)
            delete_with_files(client, path, database)
            _, told = exporting.communicate()
    assert exporting.returncode == 1
    assert "not found: it was deleted meanwhile; export again." in told.decode()
