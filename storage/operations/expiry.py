"""Deletes expired answers, even if no other request with a key arrives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..model.errors import StorageUnavailable

logger = logging.getLogger(__name__)

FIRST_SECONDS = 1.0
EVERY_SECONDS = 30.0
# A step takes as long as another write can wait.
ANSWERS_AT_ONCE = 200

EXPIRED_WORKSPACE = """
SELECT workspace
FROM idempotency
WHERE expires_at < :now
ORDER BY expires_at
LIMIT 1
"""

FORGET_EXPIRED_ANSWERS = """
DELETE FROM idempotency
WHERE (workspace, key) IN (
    SELECT workspace, key
    FROM idempotency
    WHERE workspace = :workspace
        AND expires_at < :now
    ORDER BY expires_at
    LIMIT :most
)
"""


class Expiry:
    """Deletes expired answers in the background; `forget_some` deletes some of them, False if there were none."""

    def __init__(self, forget_some: Callable[[], Awaitable[bool]]) -> None:
        self._forget_some = forget_some
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; the next start deletes the rest."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                while await self._forget_some():
                    continue
            except StorageUnavailable as error:
                logger.warning("Expired answers can't be deleted now; will retry: %s", error)
            except Exception:
                # A defect. The expired answers are invisible already, and the next attempt needs this task.
                logger.exception("Expired answers could not be deleted; will retry")
            await asyncio.sleep(EVERY_SECONDS)
