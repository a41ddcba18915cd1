"""`POST /import?format=`: files of other programs become sessions; hostile files do not affect other clients."""

import io
import json
import re
import socket
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from amplifierd.contract import load_document
from amplifierd.formats.imports.process.parent import ConversionProcess
from amplifierd.formats.imports.process.protocol import DONE, ROOM, HistoryTooLarge, HistoryUnreadable, Task
from amplifierd.settings import CONTRACT
from daemon import Daemon
from samples.histories import (
    CHATGPT,
    CHATGPT_ID,
    CLAUDE_CODE,
    SAMPLES,
    SESSION,
    code_line,
    gpt_node,
    lines,
    reply,
    text,
    user,
)
from samples.hostile_databases import with_endless_index, with_long_default
from samples.opencode_database import opencode_files
from waits import until

Object = dict[str, Any]
OCTETS = {"Content-Type": "application/octet-stream"}
MIB = 1024 * 1024

_numbers = count(1)


def send(client: httpx.Client, content: bytes, query: str = "format=auto", **headers: str) -> httpx.Response:
    return client.post(f"/import?{query}", content=content, headers=OCTETS | headers, timeout=120)


def imported(client: httpx.Client, content: bytes, query: str = "format=auto") -> Object:
    response = send(client, content, query)
    assert response.status_code == 200, response.text
    report: Object = response.json()
    return report


def archive_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def kinds(report: Object) -> dict[str, int]:
    return {found["kind"]: found["count"] for found in report["history"]["notUnderstood"]}


@pytest.fixture
def conversation() -> list[Object]:
    """Lines of Claude Code for a new session."""
    session = f"5c2f6a54-0000-4000-8000-{next(_numbers):012x}"
    return [line | {"sessionId": session} for line in CLAUDE_CODE if line.get("type") != "summary"]


def test_body_without_a_type_is_a_file_of_any_kind(client: httpx.Client) -> None:
    content = json.dumps({"id": "without-type", "messages": [{"role": "user", "content": "Hello!"}]}).encode()
    response = client.post("/import?format=auto", content=content)
    assert "Content-Type" not in response.request.headers
    assert response.status_code == 200, response.text
    assert response.json()["sessions"] == 1


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_of_each_format_is_imported(client: httpx.Client, name: str) -> None:
    report = imported(client, SAMPLES[name]())
    assert report["history"]["formats"] == [{"format": name, "files": 1}]
    assert report["history"]["notUnderstood"] == []
    assert (report["sessions"] + report["extended"] + report["skipped"], report["renamed"]) >= (1, 0)
    # Also by the name of the format; the session already exists.
    again = imported(client, SAMPLES[name](), f"format={name}")
    assert (again["sessions"], again["extended"], again["messages"]) == (0, 0, 0)
    assert again["history"] == report["history"]


def test_grown_file_extends_its_sessions(client: httpx.Client, conversation: list[Object]) -> None:
    session_id = conversation[-1]["sessionId"]
    first = imported(client, lines(*conversation[:3]))
    assert first["sessions"] == 1
    before = client.get(f"/sessions/{session_id}/messages").json()["messages"]
    grown = imported(client, lines(*conversation))
    assert grown["extended"] == 1
    after = client.get(f"/sessions/{session_id}/messages").json()["messages"]
    assert after[: len(before)] == before
    unchanged = client.get(f"/sessions/{session_id}").json()
    assert imported(client, lines(*conversation))["messages"] == 0
    assert client.get(f"/sessions/{session_id}").json() == unchanged


@pytest.mark.parametrize(
    ("key", "empty"),
    [
        ("e1", {"conversation_id": "e1", "mapping": dict([gpt_node("root", None)])}),
        ("e2", {"uuid": "e2", "chat_messages": []}),
        ("e3", {"id": "e3", "chat": {"history": {"messages": {}}}}),
        ("e4", {"conversationId": "e4", "messages": []}),
    ],
    ids=["chatgpt", "claude-ai", "open-webui", "librechat"],
)
def test_conversation_without_messages_is_reported(client: httpx.Client, key: str, empty: Object) -> None:
    samples = {"e1": "chatgpt", "e2": "claude-ai", "e3": "open-webui", "e4": "librechat"}
    records = json.loads(SAMPLES[samples[key]]())
    others = records if isinstance(records, list) else [records]
    report = imported(client, json.dumps([*others, empty]).encode())
    [fault] = report["history"]["notUnderstood"]
    assert (fault["kind"], fault["count"]) == ("no messages", 1)
    assert fault["places"][0]["detail"] == f"The conversation {key} has no message; it is left out."


def test_changed_branch_keeps_the_session(client: httpx.Client) -> None:
    other = json.loads(json.dumps(CHATGPT[0]).replace(CHATGPT_ID, f"6b0f0d9c-2222-4000-8000-{next(_numbers):012x}"))
    imported(client, json.dumps([other | {"current_node": "answer---first"}]).encode())
    again = imported(client, json.dumps([other]).encode())
    assert (again["sessions"], again["extended"]) == (0, 0)


def test_branches_become_forks(client: httpx.Client) -> None:
    report = imported(client, lines(*CLAUDE_CODE))
    assert report["history"]["branches"] == 1
    children = client.get(f"/sessions/{SESSION}/lineage").json()["children"]
    assert {child.get("forkedAtSequence") for child in children} >= {7}


def test_archive_is_read_file_by_file(client: httpx.Client, conversation: list[Object]) -> None:
    # The same session in two files, and a summary in a third.
    last = conversation[-1]["uuid"] if "uuid" in conversation[-1] else conversation[-2]["uuid"]
    named = {"type": "summary", "summary": "In another file", "leafUuid": last}
    files = {"a.jsonl": lines(*conversation[:3]), "b.jsonl": lines(*conversation), "chat.html": b"<html>"}
    report = imported(client, archive_of(**files, **{"s.jsonl": lines(named)}))
    assert report["history"]["formats"] == [{"format": "claude-code", "files": 3}]
    assert (report["history"]["unrecognized"], report["history"]["unrecognizedFiles"]) == (1, ["chat.html"])
    assert report["history"]["notUnderstood"] == []
    assert report["sessions"] >= 1


def test_files_of_opencode_are_read_together(client: httpx.Client) -> None:
    files = {f"storage/{path}": json.dumps(value).encode() for path, value in opencode_files().items()}
    broken = {"storage/part/msg_1/prt_9.json": b"{"}
    report = imported(client, archive_of(**files, **broken))
    assert report["history"]["formats"] == [{"format": "opencode", "files": 1}]
    [found] = report["history"]["notUnderstood"]
    assert (found["kind"], found["places"][0]["file"]) == ("not JSON", "storage/part/msg_1/prt_9.json")
    assert imported(client, archive_of(**files))["messages"] == 0
    # Also at the root of an archive.
    report = imported(client, archive_of(**{path.removeprefix("storage/"): each for path, each in files.items()}))
    assert (report["messages"], report["history"]["notUnderstood"]) == (0, [])


def test_broken_lines_are_in_the_report_and_the_rest_is_imported(
    client: httpx.Client, conversation: list[Object]
) -> None:
    content = lines(conversation[0]) + b'{"type": "user"\n' + lines(*conversation[1:3])
    report = imported(client, archive_of(**{"x/a.jsonl": content}))
    [found] = report["history"]["notUnderstood"]
    assert (found["kind"], found["count"]) == ("not JSON", 1)
    [place] = found["places"]
    assert (place["line"], place["file"]) == (2, "x/a.jsonl")
    assert report["sessions"] == 1
    place = imported(client, content)["history"]["notUnderstood"][0]["places"][0]
    assert (place["line"], "file" in place) == (2, False)


def test_own_export_is_recognized(client: httpx.Client) -> None:
    session_id = client.post("/sessions").json()["id"]
    exported = client.get(f"/sessions/{session_id}/export").content
    refused = send(client, exported)
    assert (refused.status_code, "on_conflict" in refused.json()["detail"]) == (409, True)
    report = imported(client, exported, "format=auto&on_conflict=skip")
    assert (report["skipped"], "history" in report) == (1, False)
    report = imported(client, exported, "format=amplifierd&on_conflict=skip")
    assert report["skipped"] == 1


def test_repeated_import_has_no_second_effect(client: httpx.Client, conversation: list[Object]) -> None:
    key = {"Idempotency-Key": f"import-{next(_numbers)}"}
    first = send(client, lines(*conversation), **key)
    again = send(client, lines(*conversation), **key)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (200, False)
    assert (again.text, again.headers["idempotent-replayed"]) == (first.text, "true")
    other = send(client, lines(*conversation[:3]), **key)
    assert (other.status_code, "was used for another request" in other.text) == (422, True)


def test_unknown_format_is_400_with_the_known_ones(client: httpx.Client) -> None:
    refused = send(client, b"{}", "format=chat-gpt")
    assert refused.status_code == 400
    assert "no format is called 'chat-gpt'; known are amplifierd, auto, ai-sdk, anthropic-messages," in refused.text
    for wrong in ("format=", "format=A", f"format={'x' * 65}", "format=auto&format=auto"):
        assert send(client, b"{}", wrong).status_code == 400


@pytest.mark.parametrize(
    ("content", "query", "words"),
    [
        (b"", "format=auto", "No format recognizes it; known are "),
        (b"# Notes\n", "format=auto", "No format recognizes it; known are "),
        (b"# Notes\n", "format=chatgpt", "No conversation was found: line 1: "),
        (b"[]", "format=claude-ai", "No conversation was found: "),
        (b"PK\x03\x04", "format=auto", "archive cannot be unpacked"),
        (archive_of(**{"a.txt": b"x"}), "format=auto", "No format recognizes it; known are "),
        (b"SQLite format 3\0responses datetime_utc conversations", "format=auto", "No conversation was found: "),
        (lines({"type": "summary", "summary": "x", "leafUuid": "y"}), "format=auto", "No conversation was found"),
        (b'{"role":' * 100_000, "format=auto", "No format recognizes it"),
        (b"[" * 100_000, "format=chatgpt", "No conversation was found: "),
    ],
)
def test_file_without_conversations_is_422(client: httpx.Client, content: bytes, query: str, words: str) -> None:
    before = client.get("/sessions").json()
    refused = send(client, content, query)
    assert refused.status_code == 422, refused.text
    assert words in refused.json()["detail"]
    assert client.get("/sessions").json() == before


def test_cycles_deep_values_and_long_lines_are_reported(client: httpx.Client) -> None:
    session = f"5c2f6a54-3333-4000-8000-{next(_numbers):012x}"
    sentences = [
        code_line("c1", "c2", user("One"), sessionId=session),
        code_line("c2", "c1", reply("m", text("Two")), sessionId=session),
        code_line("c3", "c2", user("x" * (43 * MIB)), sessionId=session),
        code_line("c4", "c3", user("Four"), sessionId=session),
    ]
    deep = b'{"type":"user","uuid":"d","sessionId":"s","message":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    report = imported(client, lines(*sentences[:2]) + deep + lines(*sentences[2:]))
    assert kinds(report) == {"cycle": 1, "not JSON": 1, "kept as a file": 1}
    assert (report["sessions"], report["messages"], report["files"]) == (1, 4, 1)
    messages = client.get(f"/sessions/{session}/messages").json()["messages"]
    assert messages[2]["parts"][-1]["url"].startswith("/files/")


def bomb(size: int) -> bytes:
    """An archive with a file of this number of zeros."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.json", "w") as file:
        for _ in range(size // MIB):
            file.write(bytes(MIB))
    return packed.getvalue()


def test_archive_bomb_is_413(client: httpx.Client) -> None:
    refused = send(client, bomb(257 * MIB))
    assert (refused.status_code, "The archive has more than" in refused.text) == (413, True), refused.text
    # A file within the limit is read, and contains nothing.
    assert send(client, bomb(16 * MIB)).status_code == 422


def test_archive_is_read_up_to_its_declared_size(client: httpx.Client) -> None:
    packed = bytearray(bomb(8 * MIB))
    for size in (packed.index((8 * MIB).to_bytes(4, "little")), packed.rindex((8 * MIB).to_bytes(4, "little"))):
        packed[size : size + 4] = (1000).to_bytes(4, "little")
    assert send(client, bytes(packed)).status_code == 422


def hostile_database() -> bytes:
    """A log of llm with computed rows: 5 rows of 6 MB."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(f"{folder}/a.db")) as database:
        database.executescript(
            """
            CREATE TABLE conversations (id TEXT, name TEXT, model TEXT);
            CREATE TABLE responses (
                id TEXT, model TEXT, prompt TEXT, conversation_id TEXT, datetime_utc TEXT,
                response TEXT AS (hex(zeroblob(3000000)))
            );
            CREATE VIEW tool_calls AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5)
            INSERT INTO responses (id, conversation_id, prompt) SELECT i, 'b', 'c' FROM n;
            """
        )
        database.commit()
        return Path(folder, "a.db").read_bytes()


MESSAGE = b'{"messages":[{"role":"user","content":"x"}]}\n'
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "many values": (lambda: b'{"messages":[' + b"[[[]]]," * (8 * MIB) + b"0]}", "bytes of memory"),
    "many messages": (lambda: MESSAGE * 30_000, "seconds of CPU"),
}


def made_at(make: Callable[[Path], Path]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return make(Path(folder, "a.db")).read_bytes()


@pytest.mark.parametrize(
    "made",
    [hostile_database, lambda: made_at(with_endless_index), lambda: made_at(with_long_default)],
    ids=["computed", "endless index", "long default"],
)
def test_hostile_database_is_read_within_limits(client: httpx.Client, made: Callable[[], bytes]) -> None:
    response = send(client, made())
    assert response.status_code in (200, 422), response.text
    assert client.get("/health").status_code == 200


@pytest.fixture(scope="module")
def contract() -> bytes:
    """The contract in JSON."""
    return load_document(CONTRACT).json


def drain(process: ConversionProcess) -> None:
    """Read everything that a process sends, and grant all the space that it requests."""
    while (received := process.receive()).kind != DONE:
        if received.kind == ROOM:
            process.reply(content=True)


@pytest.mark.parametrize("name", HOSTILE)
def test_file_that_takes_too_much_is_unreadable(tmp_path: Path, contract: bytes, name: str) -> None:
    archive, words = HOSTILE[name]
    path = tmp_path / "a"
    path.write_bytes(archive())
    with path.open("rb") as file:
        task = Task(file.fileno(), 8 * MIB, 256 * MIB, 1 if "CPU" in words else 60, 0, 512 * MIB)
        process = ConversionProcess(task, contract)
        try:
            with pytest.raises(HistoryUnreadable, match=words):
                drain(process)
        finally:
            process.kill()
            process.close()


def conversions_of(daemon: Daemon) -> list[str]:
    """The conversion processes of a daemon."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # The process may have ended.
        with suppress(OSError):
            parent = re.search(r"PPid:\s+(\d+)", (path.parent / "status").read_text())
            if b"amplifierd.formats.imports.process" in path.read_bytes() and parent is not None:
                found += [path.parent.name] if int(parent[1]) == daemon.process.pid else []
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to see processes")
def test_disconnected_client_ends_the_conversion(sqlite_daemon: Daemon) -> None:
    with sqlite_daemon.client() as client:
        before = client.get("/sessions").json()
        request = client.build_request("POST", "/import?format=auto", content=MESSAGE * 300_000, headers=OCTETS)
        head = f"POST {request.url.raw_path.decode()} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        with closing(socket.create_connection((request.url.host, request.url.port or 80))) as connection:
            connection.sendall(head.encode() + b"\r\n" + request.content)
            # The conversion takes much longer than noticing the disconnect.
            until(lambda: bool(conversions_of(sqlite_daemon)))
        until(lambda: not conversions_of(sqlite_daemon))
        imported(client, MESSAGE.replace(b"x", b"later"))
        after = client.get("/sessions").json()
        assert len(after) <= len(before) + 1


def bomb_with(content: bytes) -> bytes:
    """An archive of 64 MiB of zeros and another file."""
    packed = io.BytesIO(bomb(64 * MIB))
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.jsonl", content)
    return packed.getvalue()


@pytest.mark.parametrize(("count", "is_read"), [(1, True), (200_000, False)])
def test_zeros_of_an_archive_allow_no_cpu_for_its_other_files(
    tmp_path: Path, contract: bytes, count: int, *, is_read: bool
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(bomb_with(MESSAGE * count))
    with path.open("rb") as file:
        process = ConversionProcess(Task(file.fileno(), 8 * MIB, 256 * MIB, 3, 0.2, 1024 * MIB), contract)
        try:
            with nullcontext() if is_read else pytest.raises(HistoryUnreadable, match="seconds of CPU"):
                drain(process)
        finally:
            process.kill()
            process.close()


def test_file_that_becomes_too_much_is_too_large(tmp_path: Path, contract: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(MESSAGE * 20_000)
    with path.open("rb") as file:
        process = ConversionProcess(Task(file.fileno(), 8 * MIB, MIB, 60, 0, 1024 * MIB), contract)
        try:
            with pytest.raises(HistoryTooLarge, match="What the file becomes has more than 2097152 bytes"):
                drain(process)
        finally:
            process.kill()
            process.close()


def test_upload_that_breaks_off_writes_nothing_and_leaves_no_process(sqlite_daemon: Daemon) -> None:
    with sqlite_daemon.client() as client:
        before = client.get("/sessions").json()

        def body() -> Iterator[bytes]:
            yield lines(*CLAUDE_CODE)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            client.post("/import?format=auto", content=body(), headers=OCTETS)
        assert client.get("/sessions").json() == before
