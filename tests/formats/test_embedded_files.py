"""Wherever a format writes the URL of a file, an export has the file's content, or fails."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from amplifierd.contract import SerialExecutor
from amplifierd.formats.exports import Losses, SessionWriter, export_formats
from amplifierd.formats.exports.interface import DigestOf
from amplifierd.formats.exports.reading import Place, embed_files, write_session
from amplifierd.storage import open_storage
from amplifierd.storage.model.errors import FileNotFound, SessionNotFound
from amplifierd.storage.model.files import FileContent, NewFile
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import BatchMessage, Message, NewMessages, NewSession, Session

W = "default"
# More files than an export remembers.
FILES = 1_100


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    """A new storage."""
    async with open_storage(f"sqlite:///{tmp_path / 'a.db'}") as opened:
        yield opened


async def bytes_of(content: bytes) -> AsyncGenerator[bytes, None]:
    """The chunks of a new file."""
    yield content


async def session_of(storage: Storage, *contents: bytes) -> str:
    """A session with a message for each of these files."""
    session = await storage.create_session(W, NewSession())
    messages: list[BatchMessage] = []
    for content in contents:
        file = await storage.create_file(W, NewFile(bytes_of(content), "image/png"))
        part = {"type": "file", "media": "image/png", "url": file.url}
        messages.append(BatchMessage("", parts=msgspec.Raw(msgspec.json.encode([part]))))
    await storage.append_messages(W, session.id, NewMessages(messages))
    return session.id


async def is_readable(content: FileContent) -> bool:
    """Whether a file still has its first byte."""
    try:
        return bool([block async for block in content.read(0, 0)])
    except FileNotFound:
        return False


class Held:
    """A format that writes messages as JSON lines, all at the end, and cuts each to `kept` bytes."""

    name, suffix, media = "held", ".json", "application/json"
    is_document, has_files_beside, is_read_twice = True, False, False

    def __init__(self, kept: int | None = None) -> None:
        self._kept = kept
        self._held: list[bytes] = []

    def writer(self, _losses: Losses, _digest: DigestOf, /) -> SessionWriter:
        """See `ExportFormat`."""
        return self

    def begin(self, _session: Session, /) -> bytes:
        """See `SessionWriter`."""
        return b""

    def add(self, message: Message, /) -> bytes:
        """See `SessionWriter`."""
        self._held.append(bytes(message.parts or b"")[: self._kept])
        return b""

    def turn(self) -> bytes:
        """See `SessionWriter`."""
        return b""

    def add_again(self, _message: Message, /) -> bytes:
        """See `SessionWriter`."""
        return b""

    def end(self, _size: int, /) -> bytes:
        """See `SessionWriter`."""
        return b"\n".join(self._held)


async def written(storage: Storage, session_id: str, form: str | Held, place: Place | None = None) -> bytes:
    """A session in a format, with its files."""
    known = export_formats()[form] if isinstance(form, str) else form
    placed = place or embed_files(storage, W)
    run = SerialExecutor().run
    return b"".join([block async for block in write_session(known, storage, W, session_id, Losses(), placed, run)])


async def test_messages_may_be_written_at_the_end(storage: Storage) -> None:
    contents = [b"%d" % number for number in range(FILES)]
    text = await written(storage, await session_of(storage, *contents), Held())
    urls = [msgspec.json.decode(line)[0]["url"] for line in text.splitlines()]
    assert urls == [f"data:image/png;base64,{base64.b64encode(content).decode()}" for content in contents]


@pytest.mark.parametrize("kept", [100, 130])
async def test_truncated_placeholder_is_never_sent(storage: Storage, kept: int) -> None:
    session_id = await session_of(storage, b"a tide")
    with pytest.raises(ValueError, match="has changed the URL of a file"):
        await written(storage, session_id, Held(kept))


@pytest.mark.parametrize("form", ["html", "openai", "anthropic"])
async def test_session_deleted_after_its_file_was_found_is_not_found(storage: Storage, form: str) -> None:
    session_id = await session_of(storage, b"a tide")

    async def place(urls: list[str]) -> Sequence[str | FileContent | None]:
        found = await embed_files(storage, W)(urls)
        await storage.delete_session(W, session_id)
        [content] = found
        assert isinstance(content, FileContent)
        while await is_readable(content):
            pass
        return found

    with pytest.raises(SessionNotFound):
        await written(storage, session_id, form, place)
