"""Exports and imports."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing
from functools import partial
from secrets import token_hex

from msgspec import UnsetType
from msgspec.structs import replace

from ..model.errors import FileNotFound, SessionExists, SessionNotFound
from ..model.interface import Storage
from ..model.records import (
    Export,
    ExportChunk,
    ExportEnd,
    ExportFile,
    ExportHeader,
    ExportLine,
    IdempotentRequest,
    ImportReport,
    Message,
    OnConflict,
    Session,
)
from ..operations import profiles
from ..operations.files import CHUNK_BYTES
from ..operations.messages import usage_of
from ..operations.transfer.export import BATCH_BYTES, MAX_LINES, plan_of
from ..operations.transfer.import_staging import ImportStaging, StagedSession, targets_of
from ..values.uuid7 import canonical_id
from .access import MemoryAccess, Work, encode
from .contents import Conversation, Workspace, named_files
from .files import store_file
from .messages import extend, refer
from .sessions import add


class MemoryTransfer(MemoryAccess, Storage):
    """Implements exports and imports."""

    async def export_sessions(self, workspace: str, *, files: bool = False) -> Export:
        return Export(_batches(_lines(await self._workspace(workspace), None, files=files)))

    async def export_session(self, workspace: str, session_id: str, *, files: bool = False) -> Export:
        stored = await self._workspace(workspace)
        return Export(_batches(_lines(stored, canonical_id(session_id), files=files)))

    async def import_sessions(
        self, workspace: str, export: Export, on_conflict: OnConflict, *, once: IdempotentRequest | None = None
    ) -> ImportReport:
        with closing(ImportStaging(token_hex(), self._disk)) as upload:
            found: list[Session] = []
            async with aclosing(export.batches) as batches:
                async for lines in batches:
                    found += upload.add(lines)
            upload.finish()
            await self._check_not_applied(workspace, once)
            write = partial(_import, upload=upload, found=found, on_conflict=on_conflict, export=export)
            return await self._write(workspace, once, write)


def _lines(workspace: Workspace, session_id: str | None, *, files: bool) -> Iterator[ExportLine]:
    """The lines of an export of one session, or of all without `session_id`."""
    yield ExportLine(header=ExportHeader())
    sessions = messages = 0
    exported: list[Message] = []
    for each in sorted(workspace.conversations) if session_id is None else [session_id]:
        conversation = workspace.conversations.get(each)
        if conversation is None and session_id is None:
            # The session was deleted before its turn.
            continue
        if conversation is None:
            raise SessionNotFound(each)
        transcript = conversation.messages
        sessions, messages = sessions + 1, messages + len(transcript)
        exported += transcript
        yield from _session_lines(workspace, conversation, transcript)
    ids = named_files(exported) if files else []
    stored = sorted(file_id for file_id in ids if file_id in workspace.files)
    for file_id in stored:
        yield from _file_lines(workspace, file_id)
    yield ExportLine(end=ExportEnd(sessions, messages, len(stored)))


def _session_lines(workspace: Workspace, conversation: Conversation, messages: list[Message]) -> Iterator[ExportLine]:
    session = conversation.session
    yield ExportLine(session=session)
    profile = conversation.profile
    if profile is not None and profile != profiles.settings_in(profiles.BUILT_IN_CONTENT):
        yield ExportLine(profile=profile)
        plan = plan_of(conversation.mounted, dict(sorted(conversation.texts.items())))
        if plan is not None:
            yield ExportLine(plan=plan)
    for message in messages:
        if workspace.conversations.get(session.id) is not conversation:
            raise SessionNotFound(session.id)
        yield ExportLine(message=message)


def _file_lines(workspace: Workspace, file_id: str) -> Iterator[ExportLine]:
    file = workspace.file(file_id)
    record = file.record
    yield ExportLine(file=ExportFile(record.id, record.media, record.size, record.name))
    for start in range(0, record.size, CHUNK_BYTES):
        if workspace.files.get(file_id) is not file:
            raise FileNotFound(file_id)
        yield ExportLine(chunk=ExportChunk(file.content[start : start + CHUNK_BYTES]))


async def _batches(lines: Iterator[ExportLine]) -> AsyncGenerator[list[ExportLine], None]:
    """Lines in batches of bounded size; each batch is composed when it is requested."""
    batch: list[ExportLine] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(encode(line))
        if size >= BATCH_BYTES or len(batch) == MAX_LINES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _import(
    work: Work, upload: ImportStaging, found: list[Session], on_conflict: OnConflict, export: Export
) -> ImportReport:
    """Write a checked export. Raises `SessionExists`."""
    workspace = work.workspace
    known = {session.id for session in found if session.id in workspace.conversations}
    if on_conflict == "fail" and known:
        raise SessionExists(next(session.id for session in found if session.id in known))
    if on_conflict == "new_id":
        for place, session in enumerate(found):
            if session.id in known:
                upload.renames.add(session, place, is_written=False)
    upload.resume_after(0)
    report = ImportReport(files=upload.files.count)
    for staged in upload.files.read():
        content = b"".join(chunk for chunks in iter(staged.read, []) for chunk in chunks)
        store_file(work, content, staged.file.media, staged.file.name or None)
    while (taken := upload.take()) is not None:
        count = taken.session.message_count
        messages = upload.messages(count, BATCH_BYTES * count)
        report = _import_one(work, upload, taken, messages, on_conflict, report)
        export.progressed()
    export.written(1)
    return report


def _import_one(
    work: Work,
    upload: ImportStaging,
    staged: StagedSession,
    messages: list[Message],
    on_conflict: OnConflict,
    report: ImportReport,
) -> ImportReport:
    session = staged.session
    existing = work.workspace.conversations.get(session.id)
    if existing is not None and on_conflict == "extend":
        added = _extend(work, existing, session, messages)
        if added:
            return replace(report, messages=report.messages + added, extended=report.extended + 1)
    if existing is not None and on_conflict in {"skip", "extend"}:
        return replace(report, skipped=report.skipped + 1)
    parent = session.parent_session_id
    if not isinstance(parent, UnsetType):
        parent = upload.renames.find(parent) or parent
    new_id = upload.renames.find(session.id)
    session = replace(session, id=new_id or session.id, parent_session_id=parent)
    revision = work.next_revision()
    conversation = Conversation(
        session,
        staged.profile,
        revision,
        revision,
        session.version,
        session.message_count,
        messages,
        usage_of(messages),
    )
    if staged.plan_position is not None:
        plan = upload.plan_at(staged.plan_position)
        conversation.mounted, conversation.texts = targets_of(plan), plan.texts
    add(work, conversation)
    refer(work, messages, must_exist=False)
    return replace(
        report,
        sessions=report.sessions + 1,
        messages=report.messages + len(messages),
        renamed=report.renamed + (new_id is not None),
    )


def _extend(work: Work, conversation: Conversation, imported: Session, messages: list[Message]) -> int:
    """Append the messages that a session does not have. Returns their number."""
    known = conversation.session.message_count
    existing_ids = {message.id for message in conversation.messages if isinstance(message.id, str)}
    missing = [
        each
        for each in messages
        if (each.id not in existing_ids if isinstance(each.id, str) else each.sequence > known)
    ]
    if not missing:
        return 0
    added = [replace(message, sequence=at) for at, message in enumerate(missing, known + 1)]
    before = conversation.session
    work.next_revision()
    extend(work, conversation, added, max(before.updated_at, imported.updated_at))
    if before.status == "created":
        conversation.session = replace(conversation.session, started_at=imported.updated_at)
    refer(work, added, must_exist=False)
    return len(added)
