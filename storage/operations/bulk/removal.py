"""Removes the messages of deleted sessions and the chunks of files in pieces, so that no other write waits long.

The table `removal` lists the ids that have messages but no session: the session was deleted, or it is being written
(see staging.py) and becomes visible when it is complete. A file is listed with the id of its chunks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any

import msgspec

from ...sql.ports import Bindings, Row, Transaction, session_key, take_until_size
from ...sql.statements.files import REMOVE_CHUNKS, REMOVE_REFERENCES
from ...sql.statements.recorded_responses import FORGET_SESSION_TEXT
from ...sql.statements.removals import FORGET_RECORDS
from ...sql.statements.sessions import Statements
from ...values.json_text import MAX_SAFE_INTEGER
from ..background_task import BackgroundTask

# The limits of one piece: other writes wait for it.
MESSAGES_AT_ONCE = 1_000
BYTES_AT_ONCE = 1024 * 1024
# As many chunks of a file as have that size.
CHUNKS_AT_ONCE = 16
# The limit of messages removed in the transaction that deletes their session: many sessions may be deleted at once.
MESSAGES_AT_DELETION = 100
# The writer of a session renews its lease with each piece.
LEASE_SECONDS = 15
# The pause after each piece, in which other processes can write.
PAUSE_SECONDS = 0.005

_encode = msgspec.json.Encoder().encode

Piece = Callable[[Transaction, Statements], Coroutine[Any, Any, bool]]


async def next_piece(
    transaction: Transaction, statement: str, key: Bindings, after: int, last: int, most: int
) -> tuple[list[Row], bool]:
    """The rows of the next messages after the sequence `after`, and whether they reach `last`.

    The first columns of `statement` are sequences and sizes. A piece has at most `most` messages, MESSAGES_AT_ONCE, and
    about BYTES_AT_ONCE bytes.
    """
    most = max(0, min(most, MESSAGES_AT_ONCE))
    bindings: Bindings = key | {"after": after, "last": last, "most": most}
    rows = await transaction.all(statement, bindings)
    piece = take_until_size(rows, BYTES_AT_ONCE, lambda row: int(row[1]))
    return piece, len(piece) == len(rows) < most


async def remove_some(transaction: Transaction, statements: Statements, key: Bindings, most: int) -> int:
    """Remove the next messages, or chunks, of a row of `removal`; after the last ones, the row itself.

    Removes at most `most` messages, and returns their number.
    """
    piece, is_last = await next_piece(transaction, statements.MESSAGE_SIZES, key, 0, MAX_SAFE_INTEGER, most)
    if piece:
        await transaction.remove_messages(key, piece[-1][0])
        await _forget_references(transaction, statements, key, piece[-1][0])
    if is_last:
        records = await transaction.all(FORGET_RECORDS, key | {"most": MESSAGES_AT_ONCE})
        texts = await transaction.all(FORGET_SESSION_TEXT, key)
        chunks = await transaction.all(REMOVE_CHUNKS, key | {"most": CHUNKS_AT_ONCE})
        if len(records) < MESSAGES_AT_ONCE and not texts and len(chunks) < CHUNKS_AT_ONCE:
            await transaction.end_removal(key)
    return len(piece)


async def _forget_references(transaction: Transaction, statements: Statements, key: Bindings, last: int) -> None:
    """Delete the references of messages up to the sequence `last`, and the files that have no other reference."""
    rows = await transaction.all(REMOVE_REFERENCES, key | {"last": last})
    await forget_files(transaction, statements, key, {file_id for (file_id,) in rows})


async def forget_files(transaction: Transaction, statements: Statements, key: Bindings, ids: Collection[str]) -> None:
    """Delete the files among `ids` to which no message refers any more."""
    if not ids:
        return
    bindings = key | {"files": _encode(sorted(ids)).decode()}
    # Transactions that add a reference to one of them have ended when the lock is taken.
    await transaction.all(statements.LOCK_FILES, bindings)
    await transaction.row(statements.DELETE_UNREFERENCED, bindings)


async def remove_next(transaction: Transaction, statements: Statements) -> bool:
    """Remove a piece of any session without a writer.

    Returns False if there is none, or another process is removing it.
    """
    found = await transaction.row(statements.LOCK_REMOVAL, {"seconds": LEASE_SECONDS})
    if found is None:
        return False
    workspace, session_id = found
    return await remove_more(transaction, statements, session_key(workspace, session_id))


async def remove_more(transaction: Transaction, statements: Statements, key: Bindings) -> bool:
    """Remove a piece of a session. Returns False if the session is being written, or another process removes it."""
    # From here on, a writer whose lease has ended cannot continue.
    if await transaction.row(statements.TAKE_REMOVAL, key | {"seconds": LEASE_SECONDS}) is None:
        return False
    await remove_some(transaction, statements, key, MESSAGES_AT_ONCE)
    return True


class Removals(BackgroundTask):
    """Removes the sessions in `removal` in the background: when woken, and when a lease may have ended.

    `is_due` returns whether there is something to remove; `do` runs a piece of work in its own transaction.
    """

    def __init__(
        self,
        is_due: Callable[[], Awaitable[bool]],
        do: Callable[[Piece, Statements], Awaitable[bool]],
        statements: Statements,
    ) -> None:
        self._is_due = is_due
        self._do = do
        self._statements = statements
        self._woken = asyncio.Event()
        super().__init__("Deleted messages can't be removed")

    def wake(self) -> None:
        """Check now, because a session was deleted or its writer gave up."""
        self._woken.set()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS):
                await self._woken.wait()

    async def _work(self) -> bool:
        self._woken.clear()
        while await self._is_due():
            if not await self._do(remove_next, self._statements):
                break
        return True
