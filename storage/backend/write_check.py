"""Checks whether a storage accepts writes, by the last refused write and by trials, not by a write for each check."""

import logging
import time
from collections.abc import Awaitable, Callable

from ..model.errors import StorageUnavailable
from .concurrency_limit import SharedTask

logger = logging.getLogger(__name__)

# A result is valid for this time, so that many requests cause one check.
TRUSTED_SECONDS = 1.0
# The limit of the wait for a disk or a server that does not respond.
WAIT_SECONDS = 2.0
# At most one warning is logged in this time, even if thousands of writes a second are refused.
QUIET_SECONDS = 10.0

Look = Callable[[], Awaitable[None]]


class WriteCheck:
    """Checks whether the storage would accept a write; after a refused write, it tries a small one until that succeeds.

    `look` is cheap and writes nothing durable; `trial` writes an empty change. Both raise `StorageUnavailable`.
    """

    def __init__(self, look: Look, trial: Look) -> None:
        self._look = look
        self._trial = trial
        self._is_refusing = False
        self._warned_at = -QUIET_SECONDS
        self._checked_at = -TRUSTED_SECONDS
        self._reason: str | None = None
        self._checking = SharedTask(self._check)

    def refused(self, error: StorageUnavailable) -> None:
        """Record a refused write, unless the storage was only busy: the next check tries to write."""
        if error.is_busy:
            return
        now = time.monotonic()
        if not self._is_refusing:
            self._is_refusing = True
            self._checked_at = now - TRUSTED_SECONDS
        if now - self._warned_at >= QUIET_SECONDS:
            self._warned_at = now
            logger.warning("The storage refuses writes: %s", error)

    async def check(self) -> None:
        """Raises `StorageUnavailable` if writes are refused."""
        is_old = time.monotonic() - self._checked_at >= TRUSTED_SECONDS
        if is_old and not await self._checking.run(WAIT_SECONDS):
            raise StorageUnavailable(f"it did not show within {WAIT_SECONDS:g} seconds that it accepts writes")
        if self._reason is not None:
            raise StorageUnavailable(self._reason)

    async def close(self) -> None:
        """Cancel a running trial."""
        await self._checking.close()

    async def _check(self) -> None:
        try:
            await (self._trial() if self._is_refusing else self._look())
        except StorageUnavailable as error:
            self._reason = None if error.is_busy else error.reason
        else:
            self._reason = None
            if self._is_refusing:
                self._is_refusing = False
                logger.warning("The storage accepts writes again.")
        finally:
            self._checked_at = time.monotonic()
