"""Exports and imports in storages with transactions."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, closing
from functools import partial
from secrets import token_hex
from uuid import uuid4

from msgspec import UnsetType

from ..model.errors import IdempotencyKeyInUse, SessionExists
from ..model.records import Export, IdempotentRequest, ImportReport, Message, OnConflict, Progressed, Session
from ..operations.bulk.removal import CHUNKS_AT_ONCE
from ..operations.files import CHUNK_BYTES, FILES_AT_ONCE, Upload, begin_all
from ..operations.idempotency import early_progress
from ..operations.transfer import import_
from ..operations.transfer.export import FilePosition, SessionPosition, export
from ..operations.transfer.id_uses import uses_of_ids
from ..operations.transfer.import_staging import ImportStaging
from ..operations.transfer.import_words import WordsNeeded
from ..operations.transfer.readable import ReadableFilePosition, ReadablePosition
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import Bindings
from ..values.uuid7 import canonical_id
from .files import TransactionalFiles

# The interval of checks for whether another writer of a session has finished, or has given up.
WAITING_SECONDS = 0.1


class TransactionalTransfer(TransactionalFiles):
    """Reads and writes sessions with their messages and files."""

    async def export_sessions(self, workspace: str, *, files: bool = False) -> Export:
        return self._export(workspace, None, files=files)

    async def export_session(self, workspace: str, session_id: str, *, files: bool = False) -> Export:
        return self._export(workspace, canonical_id(session_id), files=files)

    def _export(self, workspace: str, session_id: str | None, *, files: bool) -> Export:
        skipped = self._skipped
        if skipped is None:
            reads = [SessionPosition(self.statements, workspace, session_id).read]
            reads += [FilePosition(workspace, session_id).read] if files else []
        else:
            reads = [ReadablePosition(self.statements, workspace, session_id, skipped).read]
            reads += [ReadableFilePosition(workspace, session_id, skipped).read] if files else []
        return Export(export(*(partial(self._read, read) for read in reads)))

    async def import_sessions(
        self, workspace: str, export: Export, on_conflict: OnConflict, *, once: IdempotentRequest | None = None
    ) -> ImportReport:
        seed = await self._seed(workspace, once)
        with closing(ImportStaging(seed, self._disk)) as upload:
            there: str | None = None
            sessions_before = 0
            async with aclosing(export.batches) as batches:
                async for lines in batches:
                    found = await asyncio.to_thread(upload.add, lines)
                    if on_conflict == "fail":
                        there = there or await self._first_existing(workspace, found)
                    if on_conflict == "new_id":
                        await self._add_renames(workspace, upload, found, sessions_before)
                    sessions_before += len(found)
            await asyncio.to_thread(upload.finish)
            await self._check_not_applied(workspace, once, ImportReport)
            begun = await self._progress(workspace, once, import_.ImportRecord)
            if once is not None and begun is not None and begun.seed != seed:
                # Another process began the import while this one read it.
                raise IdempotencyKeyInUse(once.key)
            if begun is None and there is not None:
                raise SessionExists(there)
            await self._import_files(workspace, upload, export.progressed)
            report = ImportReport(files=upload.files.count) if begun is None else begun.report
            return await self._import(workspace, upload, on_conflict, once, report, export)

    async def _seed(self, workspace: str, once: IdempotentRequest | None) -> str:
        """The seed of an import's new ids: from the attempt that it continues, if there is one, otherwise new."""
        if once is None:
            return token_hex()
        key: Bindings = {"workspace": workspace, "key": once.key, "now": self._clock.now()}
        begun = await early_progress(self._rows, self.statements, key, import_.ImportRecord)
        return token_hex() if begun is None else begun.seed

    async def _import_files(self, workspace: str, upload: ImportStaging, progressed: Progressed) -> None:
        """Write the files of an import, several short ones in one transaction.

        Existing files stay unchanged, so that the call can be repeated.
        """
        few: list[tuple[Upload, list[bytes]]] = []
        for staged in upload.files.read():
            file = staged.file
            name = None if isinstance(file.name, UnsetType) else file.name
            new = Upload(file.id, str(uuid4()), file.media, name, file.size)
            if file.size > CHUNK_BYTES:
                await self._write_file(workspace, new, staged, progressed)
                progressed()
                continue
            few.append((new, await asyncio.to_thread(staged.read)))
            if len(few) >= FILES_AT_ONCE or sum(each.size for each, _ in few) >= CHUNKS_AT_ONCE * CHUNK_BYTES:
                await self._write_few(workspace, few)
                few = []
                progressed()
        if few:
            await self._write_few(workspace, few)

    async def _write_few(self, workspace: str, few: list[tuple[Upload, list[bytes]]]) -> None:
        await self._paced(self._change, workspace, begin_all, few)

    async def _first_existing(self, workspace: str, found: list[Session]) -> str | None:
        known = await self._existing(workspace, [session.id for session in found])
        return next((session.id for session in found if session.id in known), None)

    async def _add_renames(self, workspace: str, upload: ImportStaging, found: list[Session], place: int) -> None:
        """Record which of these sessions get a new id; `place` is the place of the first one in the import."""
        known = await self._existing(workspace, [session.id for session in found])
        renamed = [(at, session) for at, session in enumerate(found, place) if session.id in known]
        written = await self._existing(workspace, [upload.renames.new_id(session) for _, session in renamed])
        for number, session in renamed:
            upload.renames.add(session, number, is_written=upload.renames.new_id(session) in written)
        await asyncio.to_thread(upload.renames.spill)

    async def _existing(self, workspace: str, ids: list[str]) -> set[str]:
        """The ids among `ids` that sessions of the workspace have."""
        uses = await uses_of_ids(self._rows, self.statements, workspace, ids)
        return {session_id for session_id, use in uses.items() if use.message_count is not None}

    async def _import(
        self,
        workspace: str,
        upload: ImportStaging,
        on_conflict: OnConflict,
        once: IdempotentRequest | None,
        report: ImportReport,
        export: Export,
    ) -> ImportReport:
        done = report.sessions + report.skipped + report.extended
        await asyncio.to_thread(upload.resume_after, done)
        progress = import_.Progress(report, upload.position)
        more: import_.Progress | None = progress
        try:
            while more is not None:
                progress = more
                if progress.waits:
                    await asyncio.sleep(WAITING_SECONDS)
                more = await self._import_some(workspace, upload, on_conflict, once, progress)
                export.progressed()
                if more is not None:
                    export.written(upload.share(more.position))
        except BaseException:
            await self._abandon(workspace, progress.lease)
            raise
        export.written(1)
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
        seed = upload.renames.seed

        async def part(work: UnitOfWork) -> import_.ImportRecord | None:
            nonlocal after
            after = await import_.import_some(work, upload, on_conflict, before)
            return None if after is None else import_.ImportRecord(seed, after.report)

        begun = import_.ImportRecord(seed, before.report)
        while True:
            try:
                await self._paced(self._do_part, workspace, once, begun, before.report, part)
            except WordsNeeded as needed:
                # The stored sessions decide what the piece writes, so its words are known only now. Run it again.
                upload.words.add(needed.messages, await self._words_of([message for _, message in needed.messages]))
            else:
                upload.words.clear()
                return after

    async def _words_of(self, messages: Sequence[Message]) -> Sequence[object]:
        """The words of messages, for transactions that need them."""
        raise NotImplementedError
