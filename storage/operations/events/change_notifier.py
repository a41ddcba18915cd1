"""Wakes the readers that follow sessions when one has changed, in this process or in another on the same database.

It only reports that there is something to read: readers read the tables. It reads nothing while nobody follows.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from ...model.errors import StorageUnavailable
from ...sql.ports import Bindings, Row, Rows
from ...sql.statements.sessions import Statements
from .topics import Topic

logger = logging.getLogger(__name__)

# Many commits in quick succession cause one check.
BETWEEN_LOOKS_SECONDS = 0.005
MAX_AT_ONCE = 1_000

Key = tuple[str, str | None]


class ChangeNotifier:
    """Detects changes in a database: it checks when it is woken, and every `poll_seconds`."""

    def __init__(self, rows: Rows, statements: Statements, poll_seconds: float) -> None:
        self._rows = rows
        self._statements = statements
        self._poll_seconds = poll_seconds
        self._watches: defaultdict[Key, Topic] = defaultdict(Topic)
        self._seen: dict[str, int] = {}
        self._woken = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop waking readers."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    def wake(self) -> None:
        """Check now: something was committed."""
        self._woken.set()

    @contextmanager
    def watch(self, workspace: str, session_id: str | None = None) -> Iterator[tuple[Topic, asyncio.Event]]:
        """A topic, and an event that is set when the session has changed, or any session of the workspace."""
        changed = asyncio.Event()
        key = (workspace, session_id)
        topic = self._watches[key]
        topic.waiting.add(changed)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield topic, changed
        finally:
            topic.waiting.remove(changed)
            if not topic.waiting:
                del self._watches[key]

    async def _look(self) -> None:
        # The revision that earlier readers saw is too old.
        self._seen.clear()
        while self._watches:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._tell({workspace for workspace, _ in self._watches})
            except StorageUnavailable as error:
                logger.warning("Cannot read what changed; will retry: %s", error)
            await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
        self._looking = None

    async def _tell(self, workspaces: Iterable[str]) -> None:
        for workspace in workspaces:
            await self._tell_workspace(workspace)

    async def _tell_workspace(self, workspace: str) -> None:
        if workspace not in self._seen:
            row = await self._rows.one(self._statements.LAST_REVISION, {"workspace": workspace})
            self._seen[workspace] = row[0]
            # Readers read earlier changes themselves.
            self._set([key for key in self._watches if key[0] == workspace])
        while changed := await self._changed(workspace):
            self._seen[workspace], _ = changed[-1]
            self._set({(workspace, None), *((workspace, session_id) for _, session_id in changed)})

    async def _changed(self, workspace: str) -> list[Row]:
        bindings: Bindings = {"workspace": workspace, "seen": self._seen[workspace], "most": MAX_AT_ONCE}
        return await self._rows.all(self._statements.CHANGED_SESSIONS, bindings)

    def _set(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if key in self._watches:
                self._watches[key].change()
