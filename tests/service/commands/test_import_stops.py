"""An interrupted import stops, even while reading a slow file; a defect in a format costs only one file."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from amplifierd.commands.history.importing import HistoryImport
from amplifierd.commands.history.ledger import Ledger
from amplifierd.commands.history.sources import Source, Stamp
from amplifierd.contract import line_reader, load_document
from amplifierd.formats.history import Chat, Head, Step, Turn
from amplifierd.settings import CONTRACT
from amplifierd.storage import open_storage
from samples.hostile_databases import with_endless_index


class Endless:
    """A format whose files never end."""

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


@pytest.mark.usefixtures("default_signal_handlers")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to see what SQLite has open")
def test_sigint_ends_a_step_of_sqlite(tmp_path: Path) -> None:
    path = with_endless_index(tmp_path / "opencode.db", padding=8 * 2**20)
    command = [
        sys.executable,
        "-m",
        "amplifierd",
        "import",
        "--create",
        "--database",
        f"sqlite:///{tmp_path}/a.db",
        str(path),
    ]
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path / "data"), "SQLITE_TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            # SQLite has a temporary file of its own, because it sorts.
            while process.poll() is None and not has_open(process.pid, "etilqs_"):
                time.sleep(0.05)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(60) != 0
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def has_open(pid: int, name: str) -> bool:
    found = False
    for each in Path(f"/proc/{pid}/fd").iterdir():
        # The file may be closed already.
        with suppress(OSError):
            found = found or name in str(each.readlink())
    return found


class Broken:
    """A format with a defect."""

    name = "broken"

    def recognizes(self, _head: Head, /) -> bool:
        """Any file."""
        return True

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """A step, and an error that no format should raise."""
        if source.read(1) == b"!":
            raise KeyError
        yield Turn(chat="a", key="a", message={"role": "user", "parts": []}, line=1)


async def test_defect_of_a_format_costs_one_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sources = []
    for name, content in (("a", "!"), ("b", "?")):
        (tmp_path / name).write_text(content)
        sources.append(Source(name, tmp_path / name, stamp=Stamp(1, 0, 0)))
    reader = line_reader(load_document(CONTRACT), 2**20)
    async with open_storage("memory://") as storage:
        run = HistoryImport(storage, "default", reader, {"broken": Broken()}, Ledger(None, "memory://", "default"))
        await run.run(sources, lambda _size: None)
    assert (run.report.sessions, dict(run.report.kinds)) == (1, {"defect": 1, "no messages": 1})
    assert "KeyError" in caplog.text
