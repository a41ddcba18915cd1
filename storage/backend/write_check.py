"""Whether a storage accepts writes, without a write for each question: by the last refused write, and by a trial."""

import logging
import time
from collections.abc import Awaitable, Callable

from ..model.errors import StorageUnavailable
from .concurrency_limit import SharedTask

logger = logging.getLogger(__name__)

# A result is valid for this time; of many questions within it, one causes a check.
TRUSTED_SECONDS = 1.0
# The caller does not wait longer for a disk, or a server, that does not answer.
WAIT_SECONDS = 2.0
# A storage that refuses thousands of writes a second causes one warning in this time.
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
        """Note a refused write: a reason for a trial."""
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
            raise StorageUnavailable(f"it has not told within {WAIT_SECONDS:g} seconds whether it takes writes")
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
                logger.warning("The storage takes writes again.")
        finally:
            self._checked_at = time.monotonic()
