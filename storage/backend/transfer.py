"""Exports and imports in storages with transactions."""

import asyncio
from contextlib import aclosing, closing
from secrets import token_hex

from ..model.errors import SessionExists
from ..model.records import Export, IdempotentRequest, ImportReport, OnConflict, Progressed, Session
from ..operations.transfer import import_
from ..operations.transfer.export import Position, export
from ..operations.transfer.import_staging import ImportStaging
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import session_key
from .transactions import Transactions

# The interval of checks whether another writer of a session has finished, or has given up.
WAITING_SECONDS = 0.1


class TransactionalTransfer(Transactions):
    """Reads and writes all sessions of a workspace."""

    async def export_sessions(self, workspace: str) -> Export:
        position = Position(self.statements, workspace)
        return Export(export(lambda: self._read(position.read)))

    async def import_sessions(
        self, workspace: str, export: Export, on_conflict: OnConflict, *, once: IdempotentRequest | None = None
    ) -> ImportReport:
        with closing(ImportStaging(token_hex() if once is None else once.key, self._disk)) as upload:
            there: str | None = None
            sessions_before = 0
            async with aclosing(export.batches) as batches:
                async for lines in batches:
                    found = await asyncio.to_thread(upload.add, lines)
                    if on_conflict == "fail":
                        there = there or await self._first_known(workspace, found)
                    if on_conflict == "new_id":
                        await self._find_renamed(workspace, upload, found, sessions_before)
                    sessions_before += len(found)
            upload.finish()
            recalled = await self._replay(workspace, once, ImportReport)
            if recalled is not None:
                return recalled
            begun = await self._progress(workspace, once, ImportReport)
            if begun is None and there is not None:
                raise SessionExists(there)
            return await self._import(workspace, upload, on_conflict, once, begun or ImportReport(), export.progressed)

    async def _first_known(self, workspace: str, found: list[Session]) -> str | None:
        for session in found:
            if await self._is_known(workspace, session.id):
                return session.id
        return None

    async def _find_renamed(self, workspace: str, upload: ImportStaging, found: list[Session], place: int) -> None:
        """Record which of these sessions get a new id; `place` is that of the first in the import."""
        for number, session in enumerate(found, place):
            if await self._is_known(workspace, session.id):
                is_written = await self._is_known(workspace, upload.renames.new_id(session))
                upload.renames.add(session, number, is_written=is_written)

    async def _is_known(self, workspace: str, session_id: str) -> bool:
        key = session_key(workspace, session_id)
        return await self._rows.row(self.statements.STATE, key) is not None

    async def _import(
        self,
        workspace: str,
        upload: ImportStaging,
        on_conflict: OnConflict,
        once: IdempotentRequest | None,
        report: ImportReport,
        progressed: Progressed,
    ) -> ImportReport:
        done = report.sessions + report.skipped + report.extended
        upload.renames.go_on(done)
        await asyncio.to_thread(upload.leave_out, done)
        progress = import_.Progress(report, upload.position)
        more: import_.Progress | None = progress
        try:
            while more is not None:
                progress = more
                if progress.waits:
                    await asyncio.sleep(WAITING_SECONDS)
                more = await self._import_some(workspace, upload, on_conflict, once, progress)
                progressed()
        except BaseException:
            await self._abandon(workspace, progress.staged)
            raise
        return progress.report

    async def _import_some(
        self,
        workspace: str,
        upload: ImportStaging,
        on_conflict: OnConflict,
        once: IdempotentRequest | None,
        before: import_.Progress,
    ) -> import_.Progress | None:
        after: import_.Progress | None = None

        async def part(work: UnitOfWork) -> ImportReport | None:
            nonlocal after
            after = await import_.import_some(work, upload, on_conflict, before)
            return None if after is None else after.report

        await self._paced(self._do_part, workspace, once, before.report, before.report, part)
        return after
