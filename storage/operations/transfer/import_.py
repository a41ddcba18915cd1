"""Writes the sessions of an export unchanged, in pieces. Each session becomes visible when it is complete."""

from uuid import uuid4

import msgspec
from msgspec import UnsetType
from msgspec.structs import replace

from ...model.errors import SessionExists
from ...model.part_records import UsageSum
from ...model.profile_records import ProfileSettings
from ...model.records import ImportReport, OnConflict, Session
from ...sql.ports import Bindings
from ..bulk import removal, staging
from ..bulk.removal import remove_some
from ..messages import last_message_of, usage_of
from ..profiles import keep, keep_texts, with_targets
from ..unit_of_work import UnitOfWork
from .extension import extend
from .id_uses import IdUse, uses_of_ids
from .import_batch import ImportBatch
from .import_staging import ImportStaging, targets_of
from .new_ids import Renames

# The cost of a session, in messages.
WORK_OF_A_SESSION = 10

_encode = msgspec.json.Encoder().encode


class Incoming(msgspec.Struct, frozen=True):
    """A session that is being imported, under its final id."""

    session: Session
    profile: ProfileSettings | None
    # The position of its plan in the upload; None if it has none.
    plan_position: int | None = None
    is_renamed: bool = False
    is_skipped: bool = False
    # The number of messages of the existing session, if that is extended; None otherwise.
    extends: int | None = None
    # The number of messages that were added to the existing session.
    added: int = 0
    # The number of its messages that were written or skipped.
    passed: int = 0
    # The sums of their usage.
    usage: UsageSum | None = None
    # The last written message in the session's summary, as JSON.
    last_message: str | None = None
    # The writer of its lease, once it has one (see staging.py).
    writer: str | None = None

    @property
    def left(self) -> int:
        """The number of its messages that were not written or skipped yet."""
        return self.session.message_count - self.passed

    @property
    def is_new(self) -> bool:
        """Whether the session itself is written, not only messages."""
        return not self.is_skipped and self.extends is None


class ImportRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The record of an import until it is complete: the report so far, and the seed of its new ids."""

    seed: str
    report: ImportReport


class Progress(msgspec.Struct, frozen=True):
    """The progress of an import: the report so far, and the position in the upload.

    `waits` is set while another import or fork writes a session with the same id.
    """

    report: ImportReport
    position: int
    incoming: Incoming | None = None
    waits: bool = False

    @property
    def lease(self) -> tuple[str, str] | None:
        """The id of the session with a lease, and its writer; None if no session has one."""
        incoming = self.incoming
        return None if incoming is None or incoming.writer is None else (incoming.session.id, incoming.writer)


async def import_some(
    work: UnitOfWork, upload: ImportStaging, on_conflict: OnConflict, before: Progress
) -> Progress | None:
    """Write the next sessions, or the next messages of a long one. Returns the progress, None if nothing is left.

    Raises `WordsNeeded`, `SessionExists`, and `StorageUnavailable` if the lease of a session has ended.
    """
    upload.position = before.position
    if before.lease is not None:
        session_id, writer = before.lease
        await staging.renew(work.transaction, work.statements, work.key(session_id), writer)
    now = replace(before, waits=False)
    batch = ImportBatch(work, upload.words)
    uses: dict[str, IdUse] | None = None
    taken: Progress | None = now
    end = before.position + removal.BYTES_AT_ONCE
    remaining = removal.MESSAGES_AT_ONCE
    while remaining > 0 and now.position < end and not now.waits:
        upload.position = now.position
        if now.incoming is None:
            if uses is None:
                uses = await _uses(work, upload, remaining, end - now.position)
            taken, count = await _take(work, upload, on_conflict, now, remaining, uses)
        else:
            taken, count = await _write(work, upload, now, now.incoming, remaining, batch)
        if taken is None:
            break
        now = taken
        remaining -= count
    await batch.write()
    if taken is None and now.report == before.report and before.incoming is None:
        return None
    return await _with_lease(work, now)


async def _uses(work: UnitOfWork, upload: ImportStaging, most: int, most_bytes: int) -> dict[str, IdUse]:
    """The uses of the old and new ids of the sessions that the rest of a piece may begin."""
    ids = upload.next_ids(max(1, most // WORK_OF_A_SESSION), most_bytes)
    renamed = [new for each in ids if (new := upload.renames.find(each)) is not None]
    return await uses_of_ids(work.transaction, work.statements, work.workspace, ids + renamed)


async def _use(work: UnitOfWork, session_id: str, uses: dict[str, IdUse]) -> IdUse:
    """The use of an id: removed from `uses` if it is there, because the next write may change it, or else read."""
    known = uses.pop(session_id, None)
    if known is not None:
        return known
    return (await uses_of_ids(work.transaction, work.statements, work.workspace, [session_id]))[session_id]


async def _take(
    work: UnitOfWork, upload: ImportStaging, on_conflict: OnConflict, now: Progress, most: int, uses: dict[str, IdUse]
) -> tuple[Progress | None, int]:
    """Begin the next session. Returns the progress, None if no session is left, and the cost in messages."""
    staged = upload.take()
    if staged is None:
        return None, 0
    session = staged.session
    use = await _use(work, session.id, uses)
    existing_count = use.message_count
    if existing_count is not None and on_conflict == "fail":
        raise SessionExists(session.id)
    if existing_count is not None and on_conflict in {"skip", "extend"}:
        extends = existing_count if on_conflict == "extend" else None
        incoming = Incoming(session, staged.profile, is_skipped=extends is None, extends=extends)
        return replace(now, position=upload.position, incoming=incoming), WORK_OF_A_SESSION
    renamed = upload.renames.find(session.id)
    if existing_count is not None and renamed is None:
        # The existing session was created while the import was read.
        renamed = upload.renames.new_id(session)
    session = replace(session, id=renamed or session.id, parent_session_id=_parent(session, upload.renames))
    if renamed is not None:
        use = await _use(work, renamed, uses)
    if use.is_pending:
        return await _make_room(work, session.id, now, most)
    incoming = Incoming(session, staged.profile, staged.plan_position, is_renamed=renamed is not None)
    return replace(now, position=upload.position, incoming=incoming), WORK_OF_A_SESSION


async def _make_room(work: UnitOfWork, session_id: str, now: Progress, most: int) -> tuple[Progress, int]:
    """Remove messages of a deleted session before its id is used again. Returns the progress, and the cost in messages.

    The progress `waits` if another writer has the id.
    """
    seconds: Bindings = {"seconds": removal.LEASE_SECONDS}
    if await work.run(work.statements.TAKE_REMOVAL, work.key(session_id) | seconds) is None:
        return replace(now, waits=True), 0
    return now, 1 + await remove_some(work.transaction, work.statements, work.key(session_id), most)


async def _write(
    work: UnitOfWork, upload: ImportStaging, now: Progress, incoming: Incoming, most: int, batch: ImportBatch
) -> tuple[Progress, int]:
    """Write the next messages of a session, and with the last ones the session. Returns also the cost in messages."""
    messages = upload.messages(min(incoming.left, most), removal.BYTES_AT_ONCE)
    if incoming.extends is not None:
        added = await extend(work, incoming.session, messages, incoming.extends, upload.words)
        incoming = replace(incoming, added=incoming.added + added)
    elif not incoming.is_skipped:
        batch.add_messages(incoming.session.id, messages)
    usage = usage_of(messages, incoming.usage)
    last_message = last_message_of(messages[-1]) if messages else None
    incoming = replace(incoming, passed=incoming.passed + len(messages), usage=usage, last_message=last_message)
    now = replace(now, position=upload.position, incoming=incoming)
    if incoming.left == 0:
        report = _total(now.report, await _finish(work, upload, incoming, batch))
        now = replace(now, incoming=None, report=report)
    return now, len(messages)


async def _finish(work: UnitOfWork, upload: ImportStaging, incoming: Incoming, batch: ImportBatch) -> ImportReport:
    if incoming.added:
        return ImportReport(messages=incoming.added, extended=1)
    if not incoming.is_new:
        return ImportReport(skipped=1)
    if incoming.writer is not None:
        await staging.finish(work.transaction, _key(work, incoming), incoming.writer)
    profile_hash = await _keep_profile(work, upload, incoming, batch)
    batch.add_session(incoming.session, incoming.usage, incoming.last_message, profile_hash)
    return ImportReport(sessions=1, messages=incoming.session.message_count, renamed=int(incoming.is_renamed))


async def _keep_profile(work: UnitOfWork, upload: ImportStaging, incoming: Incoming, batch: ImportBatch) -> str | None:
    """Store the profile of a session, with the targets of its references. Returns its hash."""
    if incoming.profile is None:
        return None
    content = _encode(incoming.profile).decode()
    if incoming.plan_position is None:
        return await batch.keep_profile(content)
    plan = upload.plan_at(incoming.plan_position)
    return await keep(work, with_targets(content, targets_of(plan)), await keep_texts(work, plan.texts))


async def _with_lease(work: UnitOfWork, now: Progress) -> Progress:
    """Take a lease for the session that is being imported, unless it has one. Returns the progress with it."""
    incoming = now.incoming
    if incoming is None or not incoming.is_new or incoming.writer is not None:
        return now
    writer = str(uuid4())
    await staging.begin(work.transaction, work.statements, _key(work, incoming), writer)
    return replace(now, incoming=replace(incoming, writer=writer))


def _key(work: UnitOfWork, incoming: Incoming) -> Bindings:
    return work.key(incoming.session.id)


def _total(first: ImportReport, second: ImportReport) -> ImportReport:
    """The sums of both reports."""
    sums = zip(msgspec.structs.astuple(first), msgspec.structs.astuple(second), strict=True)
    return ImportReport(*(one + other for one, other in sums))


def _parent(session: Session, renames: Renames) -> str | UnsetType:
    """The id of the parent of a session; the new one, if the same import renames the parent."""
    parent = session.parent_session_id
    return parent if isinstance(parent, UnsetType) else renames.find(parent) or parent
