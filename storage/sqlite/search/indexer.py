"""Indexes what waits: in the background while nothing else is written, at once for a search.

Texts are read and split into words in threads; the writer takes their words in short steps (see `indexing`), between
which it writes what others ask for. Long messages wait in a line of their own, so that no search waits for those of
another workspace.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, Protocol, TypeVar

import apsw

from ...model import queries
from ...model.queries import SearchIndexNotReady
from ...operations.background_task import BackgroundTask
from ...search.index_counts import IndexCounts
from ...search.tokenizer import IndexedText, Tokenizer
from ...sql.ports import Bindings, Row, Rows
from ..statements import SQLiteStatements
from . import index_statements as statements
from .indexing import Step, merge_some, next_pieces, steps, words_in, write_last_step, write_pieces, write_step
from .waiting import Batch, Plan, index_progress, is_indexed, long_text, next_batches, plan

# The background takes as many at once.
MESSAGES_OF_A_PLAN = 500
# Without writes for this time the storage is idle.
IDLE_SECONDS = 0.05
# While others write, a step is made after this time.
BUSY_SECONDS = 0.25
# A search that was refused comes again: for this time the background does not wait for others.
URGENT_SECONDS = 10.0
# Each step adds a segment to the index, which are merged after as many.
STEPS_BEFORE_MERGE = 8

Answer = TypeVar("Answer")
Pause = Callable[[], Awaitable[None]]


async def no_pause() -> None:
    """Let nobody wait."""


class Run(Protocol):
    """Runs work with a connection: in a thread that reads, or as a write in a transaction."""

    def __call__(self, work: Callable[[apsw.Connection], Answer]) -> Coroutine[Any, Any, Answer]:
        """The result of the work."""


class Indexer(BackgroundTask):
    """Keeps the index of a file; `written` returns the workspaces that were written to since the last call.

    `rows` reads single rows on the event loop.
    """

    def __init__(self, rows: Rows, read: Run, write: Run, written: Callable[[], set[str]]) -> None:
        self._rows = rows
        self._read = read
        self._write = write
        self._written = written
        # It is for one thread at a time.
        self._tokenizer = Tokenizer()
        self._thread = ThreadPoolExecutor(1, "amplifierd-indexer")
        self._turn = asyncio.Lock()
        self._turn_of_long = asyncio.Lock()
        self._writing = asyncio.Lock()
        self._unmerged = 0
        self._woken = asyncio.Event()
        self._urged = asyncio.Event()
        self._urgent_until = 0.0
        self._written_at = 0.0
        # A killed program may have left work in all workspaces.
        self._left: set[str] | None = None
        self.counts = IndexCounts(lambda workspace: read(partial(index_progress, workspace=workspace)))
        super().__init__("Messages can't be indexed")

    async def close(self) -> None:
        """Stop; `finish`, or the next start, continues."""
        await super().close()
        await self.counts.close()

    def wake(self) -> None:
        """Check for work: something was written."""
        self._written_at = time.monotonic()
        self._woken.set()

    async def catch_up(self, workspace: str) -> None:
        """Index what was written to a workspace before the call. Raises `SearchIndexNotReady` if that is too much."""
        if await is_indexed(self._rows, workspace):
            return
        self._urge()
        is_done = False
        while not is_done:
            made = await self._read(partial(plan, workspace=workspace, most=queries.MAX_WAITING))
            if made.messages > queries.MAX_WAITING:
                await self._refuse(workspace, made.messages)
            async with self._turn:
                is_done = await self._index(made) and made.is_whole
        await self._index_long(workspace, await self._last_long(workspace))
        self._woken.set()

    async def finish(self, seconds: float) -> None:
        """Index what waits within some seconds: after `close`, before the storage is closed."""
        self._urge()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._work()
        finally:
            self._thread.shutdown()

    async def _refuse(self, workspace: str, least: int) -> NoReturn:
        # Whoever asks again soon finds the index ready.
        self._left = (self._left or set()) | {workspace}
        self._woken.set()
        counted = await self.counts.of(workspace)
        raise SearchIndexNotReady(counted.indexed, max(counted.waiting, least))

    def _urge(self) -> None:
        self._urgent_until = time.monotonic() + URGENT_SECONDS
        self._urged.set()

    async def _work(self) -> bool:
        self._woken.clear()
        await self._look()
        while self._left:
            workspace = min(self._left)
            while await self._index_some(workspace):
                await self._until_idle()
            self._left.discard(workspace)
        while await self._merge():
            await self._until_idle()
        return True

    async def _look(self) -> None:
        """Find the workspaces that were written to."""
        written = self._written()
        if self._left is None:
            written |= {str(workspace) for (workspace,) in await self._rows.all(SQLiteStatements.WORKSPACES, {})}
        self._left = (self._left or set()) | written

    async def _pause(self) -> None:
        await self._woken.wait()
        await self._until_idle()

    async def _until_idle(self) -> None:
        """Let others write, unless a search waits."""
        end = time.monotonic() + BUSY_SECONDS
        while (now := time.monotonic()) < min(end, self._written_at + IDLE_SECONDS) and now > self._urgent_until:
            self._urged.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._urged.wait()

    async def _index_some(self, workspace: str) -> bool:
        """Index some of what waits in a workspace; whether there is more."""
        made = await self._read(partial(plan, workspace=workspace, most=MESSAGES_OF_A_PLAN))
        async with self._turn:
            is_done = await self._index(made)
        if not (is_done and made.is_whole):
            return True
        await self._index_long(workspace, await self._last_long(workspace), self._until_idle)
        return False

    async def _index(self, made: Plan) -> bool:
        """Index what is planned; False if some of it was changed meanwhile, or indexed by another process."""
        spans = made.spans[::-1]
        last: Step = []
        is_done = True
        while spans and is_done:
            batches = await self._read(partial(next_batches, workspace=made.workspace, spans=spans))
            following = await self._in_thread(partial(_steps, batches, self._tokenizer))
            # The last one notes the progress as well.
            last = following.pop() if following and not spans else []
            for step in following:
                is_done &= await self._write_step(partial(write_step, workspace=made.workspace, step=step))
        if is_done and (last or made.revision > made.seen):
            is_done = await self._write_step(partial(write_last_step, made=made, step=last))
        return is_done

    async def _last_long(self, workspace: str) -> int:
        row = await self._rows.one(statements.LAST_LONG, {"workspace": workspace})
        return int(row[0])

    async def _index_long(self, workspace: str, last: int, pause: Pause = no_pause) -> None:
        """Index the long messages of a workspace up to the number `last`, with a pause after each step."""
        bindings: Bindings = {"workspace": workspace, "after": 0, "last": last}
        row: Row | None = (last,)
        while row is not None:
            async with self._turn_of_long:
                row = await self._rows.row(statements.NEXT_LONG, bindings)
                if row is not None:
                    await self._index_pieces(workspace, row[0], pause)
                    bindings["after"] = row[0]

    async def _index_pieces(self, workspace: str, number: int, pause: Pause) -> None:
        """Index a long message, unless it is replaced or removed meanwhile."""
        text = await self._read(partial(long_text, number=number))
        if text is None:
            return
        pieces = Tokenizer().pieces(text)
        first = sizes = 0
        following: IndexedText | None = await asyncio.to_thread(next, pieces)
        while following is not None:
            some, following = await asyncio.to_thread(next_pieces, following, pieces)
            sizes += sum(piece.size for piece in some)
            total = words_in(first + len(some), sizes) if following is None else None
            write = partial(write_pieces, workspace=workspace, number=number, first=first, pieces=some, total=total)
            if not await self._write_step(write):
                return
            first += len(some)
            await pause()

    async def _write_step(self, step: Callable[[apsw.Connection], bool]) -> bool:
        """Run a step of the writer, and merge after some of them."""
        async with self._writing:
            is_done = await self._write(step)
        self._unmerged += 1
        if self._unmerged >= STEPS_BEFORE_MERGE:
            while await self._merge():
                continue
        return is_done

    async def _merge(self) -> bool:
        """Merge some of the index; whether there may be more to merge."""
        self._unmerged = 0
        async with self._writing:
            return await self._write(merge_some)

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _steps(batches: list[Batch], tokenizer: Tokenizer) -> list[Step]:
    return [*steps(batches, tokenizer)]
