"""Wakes those who follow sessions when one has changed, in this process or in another on the same file.

It only says that there is something to read: what is read comes from the tables. A commit of this process is looked at
at once, those of others ten times a second, and nothing at all while nobody follows.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import apsw

from . import statements
from .connection import connect_reader
from .readers import POINT_BUSY_TIMEOUT_MS, Row

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
# Many commits that come together are one look.
BETWEEN_LOOKS_SECONDS = 0.005
MOST_AT_ONCE = 1_000

Key = tuple[str, str | None]


class Changes:
    """What has changed in the file at `path`."""

    def __init__(self, path: str) -> None:
        self._connection = connect_reader(path, busy_timeout_ms=POINT_BUSY_TIMEOUT_MS)
        self._watches: defaultdict[Key, set[asyncio.Event]] = defaultdict(set)
        self._seen: dict[str, int] = {}
        self._data_version = -1
        self._woken = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Wake nobody any more."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        self._connection.close()

    def wake(self) -> None:
        """Look now: this process has committed."""
        self._woken.set()

    @contextmanager
    def watch(self, workspace: str, session_id: str | None = None) -> Iterator[asyncio.Event]:
        """An event that is set when the session has changed, or any session of the workspace."""
        changed = asyncio.Event()
        key = (workspace, session_id)
        self._watches[key].add(changed)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield changed
        finally:
            self._watches[key].remove(changed)
            if not self._watches[key]:
                del self._watches[key]

    async def _look(self) -> None:
        # What was seen for those who followed before is too long ago.
        self._seen.clear()
        while self._watches:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            try:
                self._tell()
            except apsw.Error as error:
                logger.warning("What changed can't be read, and is looked for again: %s", error)
                self._data_version = -1
            await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
        self._looking = None

    def _tell(self) -> None:
        [(data_version,)] = self._connection.execute("PRAGMA data_version")
        workspaces = {workspace for workspace, _ in self._watches}
        if data_version != self._data_version or workspaces - self._seen.keys():
            for workspace in workspaces:
                self._tell_workspace(workspace)
            self._data_version = data_version

    def _tell_workspace(self, workspace: str) -> None:
        if workspace not in self._seen:
            [(self._seen[workspace],)] = self._connection.execute(statements.LAST_REVISION, {"workspace": workspace})
            # What came before that is for each of them to read.
            self._set(key for key in self._watches if key[0] == workspace)
        while changed := self._changed(workspace):
            self._seen[workspace], _ = changed[-1]
            self._set({(workspace, None), *((workspace, session_id) for _, session_id in changed)})

    def _changed(self, workspace: str) -> list[Row]:
        bindings = {"workspace": workspace, "seen": self._seen[workspace], "most": MOST_AT_ONCE}
        return self._connection.execute(statements.CHANGED_SESSIONS, bindings).fetchall()

    def _set(self, keys: Iterable[Key]) -> None:
        for key in keys:
            for changed in self._watches.get(key, ()):
                changed.set()
