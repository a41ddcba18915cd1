"""The vectors of messages in storages with SQL."""

from ...model.queries import Embedder, Search
from ...operations.vectors.writing import VectorWriter, count_waiting
from ..transactions import Transactions
from .waiting_count import WaitingCount


class TransactionalVectors(Transactions, Search):
    """With an embedder, writes vectors in the background while the storage is open, and counts messages without one."""

    _vectors: VectorWriter | None
    _waiting_vectors: WaitingCount | None

    def _start_vectors(self, embedder: Embedder | None, clock: str) -> None:
        """Start the background task, if there is an embedder; `clock` is SQL for the seconds since 1970."""
        self._vectors = self._waiting_vectors = None
        if embedder is not None:
            workspaces = self.statements.WORKSPACES
            table = self.dialect.messages
            self._vectors = VectorWriter(embedder, self._read, self._transact, table, workspaces, clock)
            self._waiting_vectors = WaitingCount(lambda: self._read(lambda reader: count_waiting(reader, workspaces)))

    async def _stop_vectors(self) -> None:
        if self._vectors is not None and self._waiting_vectors is not None:
            await self._waiting_vectors.close()
            await self._vectors.close()

    async def waiting_vectors(self) -> int | None:
        """See `Search`."""
        return None if self._waiting_vectors is None else await self._waiting_vectors.get()
