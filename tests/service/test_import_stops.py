"""An import that is interrupted ends, also if it reads a file that would take long."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from amplifierd.commands.history.importing import HistoryImport
from amplifierd.commands.history.ledger import Ledger
from amplifierd.commands.history.sources import Source, Stamp
from amplifierd.contract import line_reader, load_document
from amplifierd.formats.history import Chat, Head, Step
from amplifierd.settings import CONTRACT
from amplifierd.storage import open_storage


class Endless:
    """A format whose files have no end."""

    name = "endless"

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()

    def recognizes(self, _head: Head, /) -> bool:
        """Any file."""
        return True

    def read(self, _source: IO[bytes], /) -> Iterator[Step]:
        """Steps without end."""
        try:
            while True:
                yield Chat(key="a")
                self.begun.set()
        finally:
            self.ended.set()


async def test_interrupted_import_reads_no_further(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("{}")
    form = Endless()
    reader = line_reader(load_document(CONTRACT), 2**20)
    async with open_storage("memory://") as storage:
        run = HistoryImport(storage, "default", reader, {"endless": form}, Ledger(None, "memory://", "default"))
        source = Source(str(path), path, stamp=Stamp(2, 0, 0))
        importing = asyncio.create_task(run.run([source], lambda _size: None))
        assert await asyncio.to_thread(form.begun.wait, 60)
        importing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await importing
        assert await asyncio.to_thread(form.ended.wait, 60)
