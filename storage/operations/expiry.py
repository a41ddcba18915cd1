"""Deletes expired responses, even if no other request with a key arrives."""

import asyncio
from collections.abc import Awaitable, Callable

from .background_task import BackgroundTask

FIRST_SECONDS = 1.0
EVERY_SECONDS = 30.0
# The limit of one step: other writes wait for it.
RESPONSES_AT_ONCE = 200

EXPIRED_WORKSPACE = """
SELECT workspace
FROM idempotency
WHERE expires_at < :now
ORDER BY expires_at
LIMIT 1
"""

FORGET_EXPIRED_RESPONSES = """
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


class Expiry(BackgroundTask):
    """Deletes expired responses in the background. `forget_some` deletes some of them; False if there were none."""

    def __init__(self, forget_some: Callable[[], Awaitable[bool]]) -> None:
        self._forget_some = forget_some
        super().__init__("Expired responses can't be deleted")

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_SECONDS)
        await super()._run()

    async def _work(self) -> bool:
        while await self._forget_some():
            continue
        return True

    async def _pause(self) -> None:
        await asyncio.sleep(EVERY_SECONDS)
