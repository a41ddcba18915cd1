"""The storage in one SQLite file: one thread writes, every connection reads."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from ..clock import now
from ..cursor import encode
from ..errors import DatabaseUnusable, MessageNotFound, SessionExists, SessionNotFound
from ..interface import Storage, Versions
from ..records import (
    CleanUp,
    CleanUpReport,
    Events,
    Export,
    Failure,
    Fork,
    ImportReport,
    Lineage,
    Listing,
    Message,
    MessageQuery,
    Messages,
    NewMessage,
    NewMessages,
    NewSession,
    Once,
    OnConflict,
    SearchQuery,
    Session,
    SessionPatch,
    SessionQuery,
    SessionSummary,
    Transcript,
)
from ..span import sequences
from ..upload import Upload
from . import importing, messages, queries, search, sessions, statements, tails
from .change import Change
from .changes import Changes
from .checkpointer import Checkpointer
from .cleaning import Step, first_step
from .connection import connect_writer, switch_to_wal
from .exporting import export
from .indexing import index_some, is_indexed
from .migrations import migrate, refuse_another_program_s
from .once import do_once, recall, record
from .readers import Bindings, Readers, Row
from .revisions import Revisions
from .writer import Writer

MOST_RELATIVES = 1_000

Answer = TypeVar("Answer")

_decode_summary = msgspec.json.Decoder(SessionSummary).decode
_decode_message = msgspec.json.Decoder(Message).decode


class SQLiteStorage(Storage):
    """Keeps everything in the file at `path`, which several processes may share; `open` makes it at need.

    Answers to requests with a key are kept for `idempotency_ttl` seconds.
    """

    kind = "sqlite"

    def __init__(self, path: str, *, idempotency_ttl: float) -> None:
        self.path = path
        self._idempotency_ttl = idempotency_ttl

    async def open(self) -> None:
        connection = _open_database(self.path)
        self._checkpointer = Checkpointer(connection, self.path)
        self._revisions = Revisions(connection)
        self._changes = Changes(self.path)
        self._writer = Writer(connection, asyncio.get_running_loop(), self._changes.wake, self._index_written)
        self._readers = Readers(self.path)

    async def close(self) -> None:
        await self._changes.close()
        self._readers.close()
        await self._writer.close()
        self._checkpointer.close()

    async def ping(self) -> None:
        self._readers.row(statements.PING, {})

    async def create_session(self, workspace: str, new: NewSession, *, once: Once | None = None) -> Session:
        return await self._write(workspace, once, Session, lambda change: sessions.create(change, new))

    async def get_session(self, workspace: str, session_id: str) -> Session:
        return sessions.session_of(session_id, self._readers.row(statements.SESSION, _key(workspace, session_id)))

    async def list_sessions(self, workspace: str, query: SessionQuery) -> Listing:
        statement, bindings = queries.sessions(query)
        bindings["workspace"] = workspace
        if query.limit is None:
            return await self._readers.listing(statement, bindings)
        if queries.filters_of(query):
            # It reads on until enough sessions pass, which may be far.
            return _page(await self._readers.column_of_many(statement, bindings), query)
        return _page(self._readers.column(statement, bindings), query)

    async def update_session(
        self, workspace: str, session_id: str, patch: SessionPatch, *, versions: Versions = None
    ) -> Session:
        return await self._change(workspace, lambda change: sessions.update(change, session_id, patch, versions))

    async def start_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: Once | None = None
    ) -> Session:
        return await self._write(workspace, once, Session, lambda change: sessions.start(change, session_id, versions))

    async def complete_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: Once | None = None
    ) -> Session:
        def complete(change: Change) -> Session:
            return sessions.end(change, session_id, "complete", "completed", versions)

        return await self._write(workspace, once, Session, complete)

    async def fail_session(
        self,
        workspace: str,
        session_id: str,
        failure: Failure,
        *,
        versions: Versions = None,
        once: Once | None = None,
    ) -> Session:
        def fail(change: Change) -> Session:
            return sessions.end(change, session_id, "fail", "failed", versions, failure)

        return await self._write(workspace, once, Session, fail)

    async def terminate_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: Once | None = None
    ) -> Session:
        def terminate(change: Change) -> Session:
            return sessions.end(change, session_id, "terminate", "terminated", versions)

        return await self._write(workspace, once, Session, terminate)

    async def resume_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: Once | None = None
    ) -> Session:
        return await self._write(workspace, once, Session, lambda change: sessions.resume(change, session_id, versions))

    async def fork_session(self, workspace: str, session_id: str, fork: Fork, *, once: Once | None = None) -> Session:
        return await self._write(workspace, once, Session, lambda change: sessions.fork(change, session_id, fork))

    async def lineage(self, workspace: str, session_id: str) -> Lineage:
        key = _key(workspace, session_id)
        self._message_count(key)
        bindings = key | {"most": MOST_RELATIVES}
        ancestors = self._readers.column(statements.ANCESTORS, bindings)
        children = self._readers.column(statements.CHILDREN, bindings)
        return Lineage(session_id, [*map(_decode_summary, ancestors)], [*map(_decode_summary, children)])

    async def delete_session(self, workspace: str, session_id: str, *, versions: Versions = None) -> None:
        await self._change(workspace, lambda change: sessions.delete(change, session_id, versions))

    async def append_message(
        self,
        workspace: str,
        session_id: str,
        new: NewMessage,
        *,
        versions: Versions = None,
        once: Once | None = None,
    ) -> Message:
        return await self._write(
            workspace, once, Message, lambda change: messages.append(change, session_id, new, versions)
        )

    async def append_messages(
        self,
        workspace: str,
        session_id: str,
        new: NewMessages,
        *,
        versions: Versions = None,
        once: Once | None = None,
    ) -> Messages:
        return await self._write(
            workspace, once, Messages, lambda change: messages.append_all(change, session_id, new, versions)
        )

    async def get_message(self, workspace: str, session_id: str, sequence: int) -> Message:
        key = _key(workspace, session_id)
        row = self._readers.row(statements.MESSAGE, key | {"sequence": sequence})
        if row is None:
            self._message_count(key)
            raise MessageNotFound(session_id, sequence)
        return _decode_message(row[0])

    async def list_messages(self, workspace: str, session_id: str, query: MessageQuery) -> Transcript:
        key = _key(workspace, session_id)
        first, last = sequences(self._message_count(key), query)
        if first > last:
            return Transcript(session_id, Listing(b""))
        bindings = key | {"first": first, "last": last}
        if query.role is not None:
            return Transcript(session_id, await self._messages_of_role(query, bindings))
        return Transcript(session_id, await self._messages(query, bindings))

    async def follow_session(self, workspace: str, session_id: str, *, after_event: str | None = None) -> Events:
        tail = tails.session_tail(self._readers, workspace, session_id, after_event)
        if tail is None:
            raise SessionNotFound(session_id)
        return Events(tails.follow(tail, self._changes, workspace, session_id))

    async def follow_sessions(self, workspace: str, *, after_event: str | None = None) -> Events:
        tail = tails.workspace_tail(self._readers, workspace, after_event)
        return Events(tails.follow(tail, self._changes, workspace))

    async def count_sessions(self, workspace: str) -> int:
        def count(connection: apsw.Connection) -> Row | None:
            return connection.execute(statements.COUNT_SESSIONS, {"workspace": workspace}).fetchone()

        row = await self._readers.work(count)
        assert row is not None, "An aggregate always has a row."
        counted: int = row[0]
        return counted

    async def export_sessions(self, workspace: str) -> Export:
        return Export(export(self._readers, workspace))

    async def import_sessions(
        self, workspace: str, export: Export, on_conflict: OnConflict, *, once: Once | None = None
    ) -> ImportReport:
        with closing(Upload()) as upload:
            there: str | None = None
            async with aclosing(export.batches) as batches:
                async for lines in batches:
                    found = await asyncio.to_thread(upload.add, lines)
                    if on_conflict == "fail":
                        there = there or self._first_known(workspace, found)
            upload.finish()
            recalled = await self._recall(workspace, once, ImportReport)
            if recalled is not None:
                return recalled
            if there is not None:
                raise SessionExists(there)
            return await self._import(workspace, upload, on_conflict, once)

    def _first_known(self, workspace: str, session_ids: list[str]) -> str | None:
        known = (it for it in session_ids if self._readers.row(statements.STATE, _key(workspace, it)) is not None)
        return next(known, None)

    async def _import(self, workspace: str, upload: Upload, on_conflict: OnConflict, once: Once | None) -> ImportReport:
        report = ImportReport()
        while (part := await self._import_some(workspace, upload, on_conflict)) is not None:
            report = importing.total(report, part)
        await self._record(workspace, once, report)
        return report

    async def _import_some(self, workspace: str, upload: Upload, on_conflict: OnConflict) -> ImportReport | None:
        start = upload.position

        def write(change: Change) -> ImportReport | None:
            upload.position = start
            return importing.import_some(change, upload, on_conflict, self._next_revision(workspace))

        return await self._change(workspace, write)

    async def search_messages(self, workspace: str, query: SearchQuery) -> Listing:
        while not is_indexed(self._readers, workspace):
            await self._writer.write(lambda connection: index_some(connection, workspace))
        return await self._readers.work(lambda connection: search.find(connection, workspace, query))

    def _index_written(self, connection: apsw.Connection) -> bool:
        return any(index_some(connection, workspace) for workspace in self._revisions.workspaces())

    async def clean_up_sessions(self, workspace: str, which: CleanUp, *, once: Once | None = None) -> CleanUpReport:
        recalled = await self._recall(workspace, once, CleanUpReport)
        if recalled is not None:
            return recalled
        step: Step | None = first_step(workspace, which, now())
        while step is not None:
            report = step.report
            step = await self._clean_up_some(workspace, step)
        await self._record(workspace, once, report)
        return report

    async def _clean_up_some(self, workspace: str, step: Step) -> Step | None:
        if step.report.dry_run:
            return await self._readers.work(step.look)
        return await self._change(workspace, lambda change: step.delete(change, self._next_revision(workspace)))

    async def _messages(self, query: MessageQuery, bindings: Bindings) -> Listing:
        joined = self._readers.joined(queries.joined_messages(query), bindings)
        listed = await self._readers.listing(queries.messages(query), bindings) if joined is None else Listing(joined)
        if not listed.first:
            # It was deleted between the statements, each of which sees one moment.
            raise SessionNotFound(str(bindings["id"]))
        return listed

    async def _messages_of_role(self, query: MessageQuery, bindings: Bindings) -> Listing:
        assert query.role is not None
        limit = queries.NO_LIMIT if query.limit is None else query.limit
        bindings |= {"role": query.role, "limit": limit}
        return await self._readers.listing(queries.messages_of_role(query), bindings, searching=True)

    def _message_count(self, key: Bindings) -> int:
        row = self._readers.row(statements.MESSAGE_COUNT, key)
        if row is None:
            raise SessionNotFound(str(key["id"]))
        count: int = row[0]
        return count

    def _next_revision(self, workspace: str) -> Callable[[], int]:
        return lambda: self._revisions.next(workspace)

    async def _recall(self, workspace: str, once: Once | None, kind: type[Answer]) -> Answer | None:
        """The answer to a request of many transactions, where it has one already."""
        return None if once is None else await self._change(workspace, lambda change: recall(change, once, kind))

    async def _record(self, workspace: str, once: Once | None, answer: object) -> None:
        if once is not None:
            await self._change(workspace, lambda change: record(change, once, self._idempotency_ttl, answer))

    async def _write(
        self, workspace: str, once: Once | None, kind: type[Answer], effect: Callable[[Change], Answer]
    ) -> Answer:
        if once is None:
            return await self._change(workspace, effect)
        return await self._change(workspace, lambda change: do_once(change, once, self._idempotency_ttl, kind, effect))

    async def _change(self, workspace: str, effect: Callable[[Change], Answer]) -> Answer:
        return await self._writer.write(
            lambda connection: effect(Change(connection, workspace, now(), self._revisions.next(workspace)))
        )


def _open_database(path: str) -> apsw.Connection:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = connect_writer(path)
        refuse_another_program_s(connection, path)
        switch_to_wal(connection)
        migrate(connection, path)
    except apsw.NotADBError as error:
        raise DatabaseUnusable(f"The file {path} is not a SQLite database; name another.") from error
    except (OSError, apsw.Error) as error:
        raise DatabaseUnusable(
            f"The database {path} can't be opened for writing: {error}. "
            "Check the path, the permissions of the file and its directory, and the space on the disk."
        ) from error
    return connection


def _key(workspace: str, session_id: str) -> Bindings:
    return {"workspace": workspace, "id": session_id}


def _page(records: list[bytes], query: SessionQuery) -> Listing:
    assert query.limit is not None
    if len(records) <= query.limit:
        return Listing(b",".join(records))
    page = records[: query.limit]
    position = queries.SORTS[query.sort].position(_decode_summary(page[-1]))
    return Listing(b",".join(page), next_cursor=encode(*position))
