"""Finds the sessions that pass a filter, and deletes them in pieces."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ...model.errors import BodyInvalid
from ...model.queries import DeletionQuery, SessionDeletion, SessionFilter, SessionQuery
from ...model.records import CleanUp, DeletionReport, SessionSummary
from ...sql.dialect import Dialect
from ...sql.ports import Reader
from ...sql.statements.removals import IS_UNCHANGED
from ...sql.statements.session_filters import filters_of
from ...sql.statements.session_lists import session_list
from ...values.clock import DAY_SECONDS, after
from .. import sessions
from ..session_pages import filtered_page
from ..unit_of_work import UnitOfWork
from . import removal

SESSIONS_AT_ONCE = 100
# The number of sessions that are deleted in one piece: other writes wait for it.
DELETED_AT_ONCE = 25
MAX_NAMED = 1_000

_decode_summaries = msgspec.json.Decoder(list[SessionSummary]).decode


class SessionPage(NamedTuple):
    """Sessions of a query; `next_cursor` leads to the next page."""

    sessions: list[SessionSummary]
    next_cursor: str | None


class DeletionProgress(msgspec.Struct, frozen=True):
    """The progress of a deletion: the `query` of the next page, and the report on all pages before it.

    Sessions that were written after the deletion began have a higher revision than the query, and are kept.
    """

    query: DeletionQuery
    report: DeletionReport
    is_whole: bool = False


def old_sessions(cleanup: CleanUp, now: str) -> SessionDeletion:
    """The deletion that a clean-up runs; `now` is the time of the machine's clock.

    With 0 days it includes all sessions, even one that was written while the clock was ahead.
    """
    days = cleanup.older_than_days
    cutoff = after(now, -days * DAY_SECONDS) if days else None
    return SessionDeletion(SessionFilter(status=cleanup.status, updated_before=cutoff), cleanup.dry_run)


def check_filter(session_filter: SessionFilter) -> None:
    """Raises `BodyInvalid` if every session passes, so that a client that forgot its filters does not delete all."""
    names, _ = filters_of(SessionQuery(**msgspec.structs.asdict(session_filter)))
    if not names:
        raise BodyInvalid("/filter", "selects every session; to select all, name all statuses")


def first_progress(deletion: SessionDeletion, last_revision: int) -> DeletionProgress:
    """The progress of a deletion that begins after the write of `last_revision`."""
    limit = SESSIONS_AT_ONCE if deletion.dry_run else DELETED_AT_ONCE
    query = DeletionQuery(
        **msgspec.structs.asdict(deletion.filter), sort="updated_at", limit=limit, last_revision=last_revision
    )
    return DeletionProgress(query, DeletionReport(deletion.dry_run))


async def next_page(rows: Reader, dialect: Dialect, workspace: str, query: SessionQuery) -> SessionPage:
    """The next page of a query. It may be empty even if another page follows."""
    listed = await filtered_page(rows, session_list(dialect, workspace, query), query)
    return SessionPage(_decode_summaries(b"[%b]" % listed.first), listed.next_cursor)


def add_page(before: DeletionProgress, page: SessionPage, reported: Sequence[SessionSummary]) -> DeletionProgress:
    """The progress after a page, of which some sessions are `reported`."""
    report = before.report
    named = [session.id for session in reported[: MAX_NAMED - len(report.session_ids)]]
    after_page = DeletionReport(
        report.dry_run,
        report.sessions + len(reported),
        report.messages + sum(session.message_count for session in reported),
        (*report.session_ids, *named),
    )
    return DeletionProgress(
        replace(before.query, cursor=page.next_cursor), after_page, is_whole=page.next_cursor is None
    )


async def delete_page(work: UnitOfWork, before: DeletionProgress, page: SessionPage) -> DeletionProgress:
    """Delete the sessions of a page that were not written meanwhile, each with its own revision.

    Returns the progress after the page, with the deleted sessions in its report.
    """
    remaining = removal.MESSAGES_AT_ONCE
    deleted: list[SessionSummary] = []
    for session in page.sessions:
        unchanged = work.key(session.id) | {"last_revision": before.query.last_revision}
        if await work.run(IS_UNCHANGED, unchanged) is not None:
            remaining -= await sessions.delete(work, session.id, None, remaining)
            work = await work.next()
            deleted.append(session)
    return add_page(before, page, deleted)
