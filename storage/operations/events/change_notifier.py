"""Wakes the readers that follow sessions after a change by this process or another one on the same database.

It only signals that there is something to read: readers read the tables. Without readers it reads nothing.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from ...model.errors import StorageUnavailable
from ...sql.ports import Bindings, Row, Rows
from ...sql.statements.sessions import Statements
from .topics import REPLAYED_AT_ONCE, Replay, Topic

logger = logging.getLogger(__name__)

# Many commits in quick succession cause one check.
PAUSE_SECONDS = 0.005
MAX_AT_ONCE = 1_000

Key = tuple[str, str | None]


class ChangeNotifier:
    """Detects changes in a database: it checks when it is woken, and every `poll_seconds`."""

    def __init__(self, rows: Rows, statements: Statements, poll_seconds: float) -> None:
        self._replays = asyncio.Semaphore(REPLAYED_AT_ONCE)
        self._rows = rows
        self._statements = statements
        self._poll_seconds = poll_seconds
        self._watches: defaultdict[Key, Topic] = defaultdict(Topic)
        self._revisions: dict[str, int] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Cancel the task that wakes readers, and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Check now, because something was committed."""
        self._woken.set()

    def replay(self) -> Replay:
        """A reader of many events."""
        return Replay(self._replays)

    @contextmanager
    def watch(self, workspace: str, session_id: str | None = None) -> Iterator[tuple[Topic, asyncio.Event]]:
        """The topic of a session, or without `session_id` of a workspace, and an event that its changes set."""
        changed = asyncio.Event()
        key = (workspace, session_id)
        topic = self._watches[key]
        topic.waiting.add(changed)
        if self._task is None:
            self._task = asyncio.create_task(self._check_repeatedly())
        try:
            yield topic, changed
        finally:
            topic.waiting.remove(changed)
            if not topic.waiting:
                del self._watches[key]

    async def _check_repeatedly(self) -> None:
        # The revisions that earlier readers saw are out of date.
        self._revisions.clear()
        while self._watches:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._notify({workspace for workspace, _ in self._watches})
            except StorageUnavailable as error:
                logger.warning("Cannot read what changed; will retry: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
        self._task = None

    async def _notify(self, workspaces: Iterable[str]) -> None:
        for workspace in workspaces:
            await self._notify_workspace(workspace)

    async def _notify_workspace(self, workspace: str) -> None:
        if workspace not in self._revisions:
            row = await self._rows.one(self._statements.LAST_REVISION, {"workspace": workspace})
            self._revisions[workspace] = row[0]
            # Readers read earlier changes themselves.
            self._wake([key for key in self._watches if key[0] == workspace])
        while changed := await self._changed(workspace):
            self._revisions[workspace], _ = changed[-1]
            self._wake({(workspace, None), *((workspace, session_id) for _, session_id in changed)})

    async def _changed(self, workspace: str) -> list[Row]:
        bindings: Bindings = {"workspace": workspace, "seen": self._revisions[workspace], "most": MAX_AT_ONCE}
        return await self._rows.all(self._statements.CHANGED_SESSIONS, bindings)

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if key in self._watches:
                self._watches[key].change()
