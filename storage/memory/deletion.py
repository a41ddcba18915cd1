"""Deletes one session, or all that pass a filter, in pieces with other writes between them."""

from functools import partial

import msgspec

from ..model.interface import Storage
from ..model.queries import DeletionQuery, SessionDeletion
from ..model.records import CleanUp, DeletionReport, IdempotentRequest, Progressed, Versions, no_progress
from ..operations.bulk.deletion import DELETED_AT_ONCE, MAX_NAMED, check_filter, old_sessions
from .access import MemoryAccess, Work, delete_session, recorded_response, refuse_other_progress
from .contents import Conversation, Workspace
from .session_lists import ordered, passes


class _Progress(msgspec.Struct, frozen=True):
    """The progress of a deletion; sessions that were written after the revision `last` are kept."""

    report: DeletionReport
    last: int


class MemoryDeletion(MemoryAccess, Storage):
    """Implements the deletion of sessions."""

    async def delete_session(self, workspace: str, session_id: str, *, versions: Versions = None) -> None:
        def delete(work: Work) -> None:
            delete_session(work, work.workspace.take(session_id, versions).session.id)

        await self._write(workspace, None, delete)

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
        await self._check_not_applied(workspace, once)
        stored = await self._workspace(workspace)
        begun = None if once is None else recorded_response(stored, once)
        progress = _Progress(DeletionReport(deletion.dry_run), stored.revision)
        if begun is not None and isinstance(begun.response, _Progress):
            progress = begun.response
        if deletion.dry_run:
            return await self._write(
                workspace, once, lambda _: _reported(progress.report, _found(stored, deletion, progress.last))
            )
        while _found(stored, deletion, progress.last):
            progress = await self._write(workspace, None, partial(self._delete_some, deletion, once, progress))
            progressed()
        return await self._write(workspace, once, lambda _: progress.report)

    def _delete_some(
        self, deletion: SessionDeletion, once: IdempotentRequest | None, before: _Progress, work: Work
    ) -> _Progress:
        """Delete the next sessions, each as a write of its own, and record the progress."""
        if once is not None:
            refuse_other_progress(work.workspace, once, before)
        found = _found(work.workspace, deletion, before.last)[:DELETED_AT_ONCE]
        report = _reported(before.report, found)
        for conversation in found:
            delete_session(work, conversation.session.id)
            work.next_revision()
        progress = _Progress(report, before.last)
        if once is not None:
            self._record(work, once, progress, is_whole=False)
        return progress


def _found(workspace: Workspace, deletion: SessionDeletion, last: int) -> list[Conversation]:
    """The sessions to delete that were not written after the revision `last`, in the order of their updates."""
    query = DeletionQuery(**msgspec.structs.asdict(deletion.filter), last_revision=last)
    return [each for each in ordered(workspace.conversations.values(), "updated_at") if passes(each, query)]


def _reported(report: DeletionReport, found: list[Conversation]) -> DeletionReport:
    named = [each.session.id for each in found[: MAX_NAMED - len(report.session_ids)]]
    return DeletionReport(
        report.dry_run,
        report.sessions + len(found),
        report.messages + sum(each.session.message_count for each in found),
        (*report.session_ids, *named),
    )
