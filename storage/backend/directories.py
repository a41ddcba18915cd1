"""Amplified directories in storages with transactions."""

from contextlib import aclosing
from functools import partial

import msgspec

from ..model.directories import (
    AmplifiedDirectory,
    Changed,
    Directories,
    DirectoryList,
    DirectoryPatch,
    Marker,
    Markers,
    NewDirectory,
    ScanReport,
)
from ..model.directory_path import ROOT
from ..model.errors import DirectoryNotAmplified
from ..model.records import IdempotentRequest
from ..operations import directories
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import Bindings, Rows
from ..sql.statements import directories as statements
from .transactions import Transactions

_decode = msgspec.json.Decoder(AmplifiedDirectory).decode


class TransactionalDirectories(Transactions, Directories):
    """Implements `Directories`."""

    async def create_directory(
        self, workspace: str, new: NewDirectory, *, once: IdempotentRequest | None = None
    ) -> AmplifiedDirectory:
        async def create(work: UnitOfWork) -> AmplifiedDirectory:
            return await self._directory(work.transaction, workspace, await directories.create(work, new))

        return await self._write(workspace, once, AmplifiedDirectory, create)

    async def get_directory(self, workspace: str, relative_path: str) -> AmplifiedDirectory:
        path = directories.normalize_or_not_found(relative_path)
        try:
            return await self._directory(self._rows, workspace, path)
        except DirectoryNotAmplified:
            if path != ROOT:
                raise
        await self._change(workspace, directories.create_root)
        return await self._directory(self._rows, workspace, path)

    async def list_directories(
        self, workspace: str, *, limit: int | None = None, cursor: str | None = None
    ) -> DirectoryList:
        await self.get_directory(workspace, ROOT)
        key: Bindings = {"workspace": workspace}
        # The root is included in the total.
        (total,) = await self._rows.one(statements.TOTAL, key)
        statement = statements.record(self.dialect, "> :after")
        listed = await self._list_by_name(statement, key, limit, cursor, lambda record: _decode(record).relative_path)
        return DirectoryList(listed, total)

    async def update_directory(self, workspace: str, relative_path: str, patch: DirectoryPatch) -> AmplifiedDirectory:
        path = directories.normalize_or_not_found(relative_path)

        async def update(work: UnitOfWork) -> AmplifiedDirectory:
            await directories.update(work, path, patch)
            return await self._directory(work.transaction, workspace, path)

        return await self._change(workspace, update)

    async def delete_directory(self, workspace: str, relative_path: str, *, force: bool = False) -> None:
        path = directories.normalize_or_not_found(relative_path)
        await self._delete(workspace, partial(directories.delete, force=force), path)

    async def sync_directories(
        self, workspace: str, markers: Markers, *, once: IdempotentRequest | None = None, changed: Changed | None = None
    ) -> ScanReport:
        async with aclosing(markers.batches) as batches:
            await self._check_not_applied(workspace, once, ScanReport)
            await self.get_directory(workspace, ROOT)
            report = ScanReport()
            async for batch in batches:
                report, paths = await self._sync_from_disk(workspace, batch, report)
                if changed is not None:
                    for path in paths:
                        await changed(path)
        return await self._record_response(workspace, once, report)

    async def _sync_from_disk(
        self, workspace: str, markers: list[Marker], report: ScanReport
    ) -> tuple[ScanReport, list[str]]:
        return await self._change(workspace, directories.sync_from_disk, markers, report)

    async def _directory(self, rows: Rows, workspace: str, path: str) -> AmplifiedDirectory:
        statement = statements.record(self.dialect, "= :relative_path")
        row = await rows.row(statement, {"workspace": workspace, "relative_path": path, "limit": 1})
        if row is None:
            raise DirectoryNotAmplified(path)
        return _decode(row[0])
