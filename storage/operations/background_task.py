"""Work that a storage repeats in the background, even after a failure."""

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress

from ..model.errors import StorageUnavailable

logger = logging.getLogger(__name__)


class BackgroundTask(ABC):
    """Repeats `_work` until it returns False, with a `_pause` after each attempt; `failure` begins the log message."""

    def __init__(self, failure: str) -> None:
        self._failure = failure
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Cancel the task, and wait for its end. The work that is left is done after the next start."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while await self._attempt():
            await self._pause()

    async def _attempt(self) -> bool:
        try:
            return await self._work()
        except StorageUnavailable as error:
            logger.warning("%s now; will retry: %s", self._failure, error)
        except Exception:
            # A defect. The storage works without this task, which must survive to try again.
            logger.exception("%s; will retry", self._failure)
        return True

    @abstractmethod
    async def _work(self) -> bool:
        """Do the work that is due. Returns False if there will never be more."""

    @abstractmethod
    async def _pause(self) -> None:
        """Wait until there may be more to do."""
