"""Writes the vectors of messages in the background, in short steps, and writes them again if the model changes.

Each step is a transaction that also records the progress: the next start continues there. If a message is corrected or
deleted after it was read, the vector of its earlier text is discarded. Workspaces take turns.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

from ...model.database_errors import EmbedderUnavailable
from ...model.errors import StorageUnavailable
from ...model.queries import Embedder
from ...search.index_entry import read_record
from ...search.vectors import TEXTS_AT_ONCE, Vector, embed_accepted, embed_texts
from ...sql.dialect import MessageTable
from ...sql.ports import Bindings, EmbeddedMessage, Reader, Row, Transaction
from ..background_task import BackgroundTask
from . import statements

logger = logging.getLogger(__name__)

BYTES_AT_ONCE = 256 * 1024
# The maximum number of messages of a session that a step examines for missing vectors.
MAX_EXAMINED = 1_000
SESSIONS_AT_ONCE = 100
# The number of steps after which the next workspace has its turn.
STEPS_IN_TURN = 10
VECTORS_FORGOTTEN = 1_000
# The lease is renewed while the embedder works.
LEASE_SECONDS = 15
RENEWAL_SECONDS = LEASE_SECONDS / 3
# The time limit of the embedder for a batch.
BATCH_SECONDS = 60
# The pause after each step, in which other writes run.
PAUSE_SECONDS = 0.01
LOOK_SECONDS = 0.5
# The pause after a failure; it doubles with each further failure.
RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0
# The maximum number of changed sessions of a workspace that are counted.
MAX_COUNTED_SESSIONS = 100_000


class _LeaseLost(Exception):
    """Another process has taken the lease, and writes vectors now."""


class _ModelReplaced(Exception):
    """Another process writes the vectors of its own model, which is the argument."""


class VectorWriter(BackgroundTask):
    """The background task. `read` runs a long read, `transact` an operation in its own transaction.

    Messages are read from `table`. `workspaces` is the statement that lists workspaces, `clock` SQL for the seconds
    since 1970. Vectors of another model are deleted once, at the start. If another process later replaces the vectors
    of this model, the task ends.
    """

    def __init__(
        self,
        embedder: Embedder,
        read: Callable[[Callable[[Reader], Coroutine[Any, Any, list[Row]]]], Awaitable[list[Row]]],
        transact: Callable[..., Awaitable[Any]],
        table: MessageTable,
        workspaces: str,
        clock: str,
    ) -> None:
        self._embedder = embedder
        self._read = read
        self._transact = transact
        self._messages = statements.messages(table)
        self._waiting_workspaces = statements.waiting_workspaces(workspaces)
        self._take_lease = statements.take_lease(clock)
        self._holder: Bindings = {"holder": token_hex()}
        self._lease = self._holder | {"seconds": LEASE_SECONDS}
        self._own = self._holder | {"model": embedder.model}
        self._is_of_model = False
        self._renew_at = 0.0
        self._failures = 0
        super().__init__("Vectors of messages can't be written")

    async def close(self) -> None:
        await super().close()
        with suppress(StorageUnavailable):
            await self._write(statements.END_LEASE, self._holder)
        await self._embedder.close()

    async def _work(self) -> bool:
        self._failures += 1
        if not self._is_of_model:
            [(model,)] = await self._all(statements.MODEL, {})
            self._is_of_model = model == self._embedder.model
        try:
            await self._embed_waiting()
        except _LeaseLost:
            pass
        except _ModelReplaced as error:
            logger.warning(
                "This process stops writing vectors of messages: its embedder has the model %r, and another process on "
                "the same database now has %r; start all processes with the same model",
                self._embedder.model,
                str(error),
            )
            await self._write(statements.END_LEASE, self._holder)
            return False
        self._renew_at = 0.0
        self._failures = 0
        return True

    async def _pause(self) -> None:
        retry = min(MAX_RETRY_SECONDS, RETRY_SECONDS * 2 ** min(self._failures - 1, 10))
        await asyncio.sleep(retry if self._failures else LOOK_SECONDS)

    async def _embed_waiting(self) -> None:
        """Take the lease, if messages wait, and write their vectors until none wait."""
        waiting = await self._all(self._waiting_workspaces, {})
        if not waiting and self._is_of_model:
            return
        await self._hold_lease()
        while waiting:
            for (workspace,) in waiting:
                await self._embed_workspace(str(workspace))
            waiting = await self._all(self._waiting_workspaces, {})
        await self._write(statements.END_LEASE, self._holder)

    async def _hold_lease(self) -> None:
        """Take or renew the lease, when it is due; the first time, delete the vectors of another model.

        Raises `_LeaseLost`, `_ModelReplaced`.
        """
        now = asyncio.get_running_loop().time()
        if now < self._renew_at:
            return
        rows = await self._write(self._take_lease, self._lease)
        if not rows:
            raise _LeaseLost
        self._renew_at = now + RENEWAL_SECONDS
        model = str(rows[0][0])
        if model != self._embedder.model:
            # The model is empty if a process ended while it deleted the vectors of a model.
            if model and self._is_of_model:
                raise _ModelReplaced(model)
            await self._begin_again(model)
        self._is_of_model = True

    async def _begin_again(self, model: str) -> None:
        await self._transact(_forget_model, self._holder | {"model": model})
        for statement in (statements.FORGET_SESSIONS, statements.FORGET_VECTORS):
            while await self._transact(_forget, self._holder | {"model": ""}, statement):
                await self._write(self._take_lease, self._lease)
                await asyncio.sleep(PAUSE_SECONDS)
        await self._transact(_set_model, self._own)

    async def _embed_workspace(self, workspace: str) -> None:
        """Write the vectors of the next changed sessions of a workspace, in at most STEPS_IN_TURN steps."""
        changed = await self._all(statements.CHANGED_SESSIONS, {"workspace": workspace, "most": SESSIONS_AT_ONCE})
        steps = 0
        for session_id, _, message_count, embedded_before in changed:
            key: Bindings = {"workspace": workspace, "id": str(session_id)}
            after, is_advancing = int(embedded_before), True
            while after < message_count and is_advancing:
                if steps == STEPS_IN_TURN:
                    return
                await self._hold_lease()
                before, after = after, await self._embed_some(key, after, message_count)
                # Without progress, the session was corrected, and will be listed again, or deleted.
                is_advancing = after > before
                steps += 1
                await asyncio.sleep(PAUSE_SECONDS)
        if changed:
            await self._write(statements.SET_PROGRESS, {"workspace": workspace, "revision": changed[-1][1]})

    async def _embed_some(self, key: Bindings, after: int, message_count: int) -> int:
        """Write the vectors of the next messages after the sequence `after`. Returns the session's new progress."""
        last = min(message_count, after + MAX_EXAMINED)
        limits: Bindings = {"after": after, "last": last, "most": TEXTS_AT_ONCE, "bytes": BYTES_AT_ONCE}
        rows = await self._all(self._messages, key | limits)
        if len(rows) == TEXTS_AT_ONCE or sum(size for *_, size in rows) >= BYTES_AT_ONCE:
            last = int(rows[-1][0])
        # In a thread, because decoding a long message would block the event loop.
        texts = await asyncio.to_thread(_with_texts, rows)
        vectors = await embed_accepted(self._embed, [content for _, _, content in texts]) if texts else []
        messages = [
            EmbeddedMessage(sequence, record, vector.signs, vector.numbers)
            for (sequence, record, _), vector in zip(texts, vectors, strict=True)
            if vector is not None
        ]
        return int(await self._transact(_write_vectors, key, self._own, messages, (after, last)))

    async def _embed(self, texts: Sequence[str]) -> list[Vector | None]:
        """The vectors of texts; the lease is renewed meanwhile. Raises `EmbedderUnavailable` after BATCH_SECONDS."""
        embedding = asyncio.create_task(embed_texts(self._embedder, texts))
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                while not embedding.done():
                    await self._hold_lease()
                    await asyncio.wait([embedding], timeout=RENEWAL_SECONDS)
            return await embedding
        except TimeoutError as error:
            raise EmbedderUnavailable(f"it did not respond within {BATCH_SECONDS} seconds") from error
        finally:
            embedding.cancel()

    async def _all(self, statement: str, bindings: Bindings) -> list[Row]:
        return await self._read(lambda reader: reader.all(statement, bindings))

    async def _write(self, statement: str, bindings: Bindings) -> list[Row]:
        rows: list[Row] = await self._transact(_run, statement, bindings)
        return rows


def _with_texts(rows: Sequence[Row]) -> list[tuple[int, str, str]]:
    """The sequences, records and texts of the messages that have a text."""
    messages = ((int(sequence), str(record), _text(record)) for sequence, record, _ in rows)
    return [message for message in messages if message[2]]


def _text(record: str) -> str:
    """The text of a message; empty for a damaged record, as in the search index."""
    return read_record(record, lambda message: message.content) or ""


async def _run(transaction: Transaction, statement: str, bindings: Bindings) -> list[Row]:
    return await transaction.all(statement, bindings)


async def _lock_lease(transaction: Transaction, lease: Bindings) -> None:
    """Lock the lease until the transaction ends. Raises `_LeaseLost` unless this process has it, with this model."""
    if await transaction.row(statements.LOCK_LEASE, lease) is None:
        raise _LeaseLost


async def _forget_model(transaction: Transaction, lease: Bindings) -> None:
    """Mark the vectors as having no model, so that any process that continues deletes them, whatever its model."""
    await _lock_lease(transaction, lease)
    await transaction.row(statements.SET_MODEL, lease | {"model": ""})
    await transaction.row(statements.FORGET_PROGRESS, {})


async def _forget(transaction: Transaction, lease: Bindings, statement: str) -> bool:
    """Delete some rows. Returns whether there were any."""
    await _lock_lease(transaction, lease)
    return bool(await transaction.all(statement, {"most": VECTORS_FORGOTTEN}))


async def _set_model(transaction: Transaction, lease: Bindings) -> None:
    """Record the model of this process, after the vectors of all other models have been deleted."""
    await _lock_lease(transaction, lease | {"model": ""})
    await transaction.row(statements.SET_MODEL, lease)


async def _write_vectors(
    transaction: Transaction,
    key: Bindings,
    lease: Bindings,
    messages: Sequence[EmbeddedMessage],
    place: tuple[int, int],
) -> int:
    """Write the vectors of the messages of a session in `place`: after one sequence, up to another.

    Returns the sequence up to which the session has its vectors: before the first message that was corrected meanwhile.
    """
    after, last = place
    await _lock_lease(transaction, lease)
    written = await transaction.insert_vectors(key, messages) if messages else set()
    missing = [message.sequence for message in messages if message.sequence not in written]
    last = min([last, *(sequence - 1 for sequence in missing)])
    row = await transaction.row(statements.SET_SESSION, key | {"after": after, "last": last})
    return after if row is None else int(row[0])


async def count_waiting(reader: Reader, workspaces: str) -> int:
    """The number of messages that wait for a vector; `workspaces` is the statement that lists workspaces."""
    counted = 0
    for (workspace,) in await reader.all(workspaces, {}):
        bindings: Bindings = {"workspace": str(workspace), "most": MAX_COUNTED_SESSIONS}
        counted += int((await reader.one(statements.COUNT_WAITING, bindings))[0])
    return counted
