"""Forks and deletions: they use several transactions, with other writes between them."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from ..model.errors import StorageUnavailable
from ..model.interface import Storage
from ..model.queries import SessionDeletion
from ..model.records import CleanUp, DeletionReport, Fork, IdempotentRequest, Progressed, Session, Versions, no_progress
from ..operations import sessions
from ..operations.bulk import fork as forking
from ..operations.bulk import removal
from ..operations.bulk.deletion import (
    DeletionProgress,
    SessionPage,
    add_page,
    check_filter,
    delete_page,
    first_progress,
    next_page,
    old_sessions,
)
from ..operations.bulk.fork import Copy
from ..operations.bulk.removal import remove_more
from ..operations.idempotency import run_once
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import session_key
from ..sql.statements.removals import IS_REMOVED
from .transactions import Arguments, Transactions
from .transfer import WAITING_SECONDS


class TransactionalPieces(Transactions, Storage):
    """Implements large writes in pieces (see operations/bulk/)."""

    async def fork_session(
        self,
        workspace: str,
        session_id: str,
        fork: Fork,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> Session:
        async with self._turn_of_session(workspace, session_id):
            first = await self._fork(workspace, once, forking.begin, session_id, fork, versions)
        return await self._finish_fork(first, fork, once, progressed) if isinstance(first, Copy) else first

    async def _finish_fork(
        self, first: Copy, fork: Fork, once: IdempotentRequest | None, progressed: Progressed
    ) -> Session:
        forked: Session | Copy = first
        try:
            while isinstance(forked, Copy):
                progressed()
                forked = await self._fork_some(forked, fork, once)
        except BaseException:
            # For example `AlreadyApplied`: a request with the same key finished its fork meanwhile.
            await self._abandon(first.workspace, (first.fork_id, first.fork_id))
            raise
        return forked

    async def _fork_some(self, copy: Copy, fork: Fork, once: IdempotentRequest | None) -> Session | Copy:
        if copy.is_copied:
            return await self._fork(copy.workspace, once, forking.finish, fork, copy)
        return await self._do_piece(forking.copy_next, self.statements, copy)

    async def _fork(
        self,
        workspace: str,
        once: IdempotentRequest | None,
        operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Session | Copy]],
        *arguments: *Arguments,
    ) -> Session | Copy:
        if once is None:
            return await self._change(workspace, operation, *arguments)
        return await self._change(workspace, run_once, once, self._idempotency_ttl, Session, operation, *arguments)

    async def _wait_for_removal(self, workspace: str, session_id: str) -> None:
        """Remove what is left of a deleted session with this id, or wait until others have removed it."""
        key = session_key(workspace, session_id)
        while await self._rows.row(IS_REMOVED, key) is not None:
            if not await self._remove_piece(remove_more, self.statements, key):
                # An import is writing a session with this id, or another process is removing it.
                await asyncio.sleep(WAITING_SECONDS)

    async def delete_session(self, workspace: str, session_id: str, *, versions: Versions = None) -> None:
        most = removal.MESSAGES_AT_DELETION
        removed = await self._delete(workspace, sessions.delete, session_id, versions, most)
        if removed == most:
            key = session_key(workspace, session_id)
            # The session is deleted, even if this piece fails.
            with suppress(StorageUnavailable):
                await self._remove_piece(remove_more, self.statements, key)
        self._removals.wake()

    async def delete_sessions(
        self,
        workspace: str,
        deletion: SessionDeletion,
        *,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> DeletionReport:
        check_filter(deletion.filter)
        return await self._delete_all(workspace, deletion, once, progressed)

    async def clean_up_sessions(
        self,
        workspace: str,
        cleanup: CleanUp,
        *,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> DeletionReport:
        return await self._delete_all(workspace, old_sessions(cleanup, self._clock.machine_time()), once, progressed)

    async def _delete_all(
        self, workspace: str, deletion: SessionDeletion, once: IdempotentRequest | None, progressed: Progressed
    ) -> DeletionReport:
        """Delete sessions, or only report them for a dry run. An interrupted request continues if it is sent again."""
        await self._check_not_applied(workspace, once, DeletionReport)
        recorded = await self._progress(workspace, once, DeletionProgress)
        progress = recorded or first_progress(deletion, await self._last_revision(workspace))
        while not progress.is_whole:
            page = await self._read(partial(next_page, dialect=self.dialect, workspace=workspace, query=progress.query))
            if deletion.dry_run or not page.sessions:
                progress = add_page(progress, page, page.sessions)
            else:
                progress = await self._delete_page(workspace, once, progress, page)
            progressed()
        return await self._record_response(workspace, once, progress.report)

    async def _delete_page(
        self, workspace: str, once: IdempotentRequest | None, before: DeletionProgress, page: SessionPage
    ) -> DeletionProgress:
        delete = partial(delete_page, before=before, page=page)
        after: DeletionProgress | None
        do = partial(self._do_part, is_deletion=True)
        after = await self._paced(do, workspace, once, before, before.report, delete)
        assert after is not None, "A page always has a progress."
        self._removals.wake()
        return after

    async def _last_revision(self, workspace: str) -> int:
        row = await self._rows.row(self.statements.LAST_REVISION, {"workspace": workspace})
        # A workspace without any write has no sessions either.
        return 0 if row is None else int(row[0])
