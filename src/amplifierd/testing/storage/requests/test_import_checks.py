"""Imports are checked as a whole: nothing of an incomplete or inconsistent export is written."""

from hashlib import sha256

import pytest
from msgspec import UNSET, Raw

from amplifierd.storage.model.errors import ImportInvalid
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import ProfileSettings
from amplifierd.storage.model.records import (
    ExportChunk,
    ExportEnd,
    ExportFile,
    ExportHeader,
    ExportLine,
    ImportReport,
)
from amplifierd.testing.storage.exports import export_of
from amplifierd.testing.storage.requests.test_transfer import HEADER, MESSAGE, SESSION, W, but, encode, line

CURRENT = ExportLine(header=ExportHeader())


BYTES = b"x" * 200_000


FILE = ExportFile(sha256(BYTES).hexdigest(), "text/plain", len(BYTES), "a.txt")


def end(sessions: int, messages: int, files: int = 0) -> ExportLine:
    return ExportLine(end=ExportEnd(sessions, messages, files))


def chunks(content: bytes) -> list[ExportLine]:
    return [ExportLine(chunk=ExportChunk(content[start : start + 65536])) for start in range(0, len(content), 65536)]


def cut_exports() -> dict[str, tuple[list[ExportLine], str]]:
    session, file = [line(SESSION), line(MESSAGE)], ExportLine(file=FILE)
    return {
        "header alone": ([CURRENT], "line 2: the end is missing"),
        "session": ([CURRENT, *session], "line 4: the end is missing; the export is incomplete"),
        "count": (
            [CURRENT, *session, end(2, 1)],
            "line 4: the end counts 2 sessions, 1 messages and 0 files, but there",
        ),
        "messages": ([CURRENT, *session, end(1, 2)], "the end counts 1 sessions, 2 messages"),
        "files": ([CURRENT, *session, end(1, 1, 1)], "and 1 files, but there are 1 sessions, 1 messages and 0 files"),
        "after": ([CURRENT, end(0, 0), *session], "line 3: nothing comes after the end"),
        "chunk": ([CURRENT, *chunks(BYTES), end(0, 0)], "line 2: a chunk comes after its file"),
        "short": ([CURRENT, file, *chunks(BYTES)[:-1], end(0, 0, 1)], "has 196608 bytes, but its size is 200000"),
        "long": ([CURRENT, file, *chunks(BYTES + b"y"), end(0, 0, 1)], "has more bytes than its size of 200000"),
        "other": ([CURRENT, file, *chunks(b"y" * len(BYTES)), end(0, 0, 1)], "do not match its id"),
        "no end of a file": ([HEADER, file, *chunks(BYTES)[:1]], "has 65536 bytes, but its size is 200000"),
        "message of a file": ([CURRENT, file, *chunks(BYTES), line(MESSAGE)], "a message comes after its session"),
    }


@pytest.mark.parametrize("kind", [*cut_exports()])
async def test_import_rejects_incomplete_exports(storage: Storage, kind: str) -> None:
    lines, words = cut_exports()[kind]
    with pytest.raises(ImportInvalid, match=words):
        await storage.import_sessions(W, export_of(lines), "fail")
    assert await storage.count_sessions(W) == 0
    assert (await storage.list_files(W)).first == b""


async def test_import_takes_files_and_sessions_in_any_order(storage: Storage) -> None:
    parts = Raw(encode([{"type": "file", "url": f"/files/{FILE.id}"}]))
    message = but(MESSAGE, content="", parts=parts)
    empty = ExportFile(sha256(b"").hexdigest(), "text/plain", 0)
    lines = [
        CURRENT,
        line(SESSION),
        message,
        ExportLine(file=FILE),
        *chunks(BYTES),
        ExportLine(file=empty),
        end(1, 1, 2),
    ]
    report = await storage.import_sessions(W, export_of(lines), "fail")
    assert report == ImportReport(sessions=1, messages=1, files=2)
    content = await storage.read_file(W, FILE.id)
    assert b"".join([block async for block in content.read(0, FILE.size - 1)]) == BYTES
    assert content.file.expires_at is UNSET
    export = await storage.export_session(W, SESSION.id, files=True)
    written = [record async for batch in export.batches for record in batch]
    assert written == [*lines[: 4 + len(chunks(BYTES))], end(1, 1, 1)]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "line 1: the header is missing"),
        ([line(SESSION), line(MESSAGE)], "line 1: an export begins with its header"),
        ([HEADER, HEADER], "line 2: only the first line is a header"),
        ([HEADER, line(MESSAGE)], "line 2: a message comes after its session"),
        ([HEADER, line(SESSION)], "line 2: session 019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11 has 0 messages, but counts 1"),
        ([HEADER, line(SESSION), line(MESSAGE), but(MESSAGE, sequence=2)], "has 2 messages, but counts 1"),
        ([HEADER, line(SESSION), but(MESSAGE, sequence=2)], "line 3: the sequence is 2; expected 1"),
        ([HEADER, line(SESSION), but(MESSAGE, token_count=5)], "has 5 tokens, but counts 0"),
        ([HEADER, line(SESSION), line(MESSAGE), line(SESSION), line(MESSAGE)], "two sessions have the same id"),
        ([HEADER, but(SESSION, updated_at="2016-12-31T23:59:60.000000Z")], "line 2: .* invalid time"),
        ([HEADER, but(SESSION, created_at="0000-01-01T00:00:00.000000Z")], "line 2: .* invalid time"),
        ([HEADER, but(SESSION, amplified_dir="é" * 513)], "line 2: .* in a directory of 1026 bytes; the limit is 1024"),
        ([HEADER, but(SESSION, parent_session_id=SESSION.id)], "line 2: .* is its own parent"),
        ([HEADER, but(SESSION, version=2**53 - 1)], "line 2: .* is at version 9007199254740991; the limit is"),
        (
            [HEADER, line(SESSION), ExportLine(profile=ProfileSettings(name="b")), line(MESSAGE)],
            "line 3: .* has the profile default, not b",
        ),
        ([HEADER, line(SESSION), but(MESSAGE, timestamp="0000-01-01T00:00:00.000000Z")], "line 3: .* invalid time"),
        ([HEADER, line(SESSION), but(MESSAGE, edited_at="0000-01-01T00:00:00.000000Z")], "line 3: .* invalid time"),
        ([HEADER, line(SESSION), but(MESSAGE, deleted_at=SESSION.updated_at)], "line 3: .* deleted, but has content"),
        (
            [HEADER, line(SESSION), but(MESSAGE, version=2**53 - 1)],
            "line 3: .* at version 9007199254740991; the limit is",
        ),
    ],
)
async def test_import_refuses_an_invalid_export_as_a_whole(
    storage: Storage, lines: list[ExportLine], words: str
) -> None:
    first = but(SESSION, id="019aa8a4-7f7c-7c3e-9d2b-000000000000", message_count=0)
    whole = [HEADER, first, *lines[1:]] if lines[2:] else lines
    words = words.replace("line 4", "line 5").replace("line 3", "line 4") if whole != lines else words
    with pytest.raises(ImportInvalid, match=words):
        await storage.import_sessions(W, export_of(whole), "fail")
    assert await storage.count_sessions(W) == 0
