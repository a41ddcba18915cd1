"""Writing the sessions of an export as they were."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace as changed

from .change import Change
from .errors import SessionExists
from .profile_records import ProfileSettings
from .profiles import keep
from .records import ImportReport, Message, OnConflict, Session
from .renaming import Renames
from .rows import Bindings
from .sessions import folded, placed
from .text import text
from .upload import Upload

# So many messages are one transaction at least, so that small sessions share the sync of the disk.
MESSAGES_AT_ONCE = 1_000

_encode = msgspec.json.Encoder().encode


async def import_some(
    change: Change, upload: Upload, on_conflict: OnConflict, before: ImportReport
) -> ImportReport | None:
    """Write the next sessions; the report of them and those `before`, None where there are no more."""
    report = ImportReport()
    while report.messages + report.sessions < MESSAGES_AT_ONCE and (taken := upload.take()):
        report = _total(report, await _import(change, *taken, on_conflict, upload.renames))
        change = await change.next()
    return None if report == ImportReport() else _total(before, report)


def _total(first: ImportReport, second: ImportReport) -> ImportReport:
    """Both reports together."""
    return ImportReport(
        first.sessions + second.sessions,
        first.messages + second.messages,
        first.skipped + second.skipped,
        first.renamed + second.renamed,
    )


async def _import(
    change: Change,
    session: Session,
    profile: ProfileSettings | None,
    messages: Iterator[Message],
    on_conflict: OnConflict,
    renames: Renames,
) -> ImportReport:
    there = await change.run(change.statements.STATE, change.key(session.id)) is not None
    if there and on_conflict == "fail":
        raise SessionExists(session.id)
    if there and on_conflict == "skip":
        for _ in messages:
            continue
        return ImportReport(skipped=1)
    renamed = renames.find(session.id)
    if there and renamed is None:
        # It came while the import was read.
        renamed = renames.new_id(session)
    session = changed(session, id=renamed or session.id, parent_session_id=_parent(session, renames))
    await _insert(change, session, None if profile is None else await keep(change, _encode(profile).decode()))
    await change.transaction.insert_messages(change.key(session.id), messages)
    return ImportReport(sessions=1, messages=session.message_count, renamed=int(renamed is not None))


def _parent(session: Session, renames: Renames) -> str | UnsetType:
    """The parent of a session: the copy of it that the same import makes, if it makes one."""
    parent = session.parent_session_id
    return parent if isinstance(parent, UnsetType) else renames.find(parent) or parent


async def _insert(change: Change, session: Session, profile_hash: str | None) -> None:
    error_message = session.error_message
    error_details = text(session.error_details) if isinstance(session.error_details, Raw) else None
    bindings: Bindings = {
        name: None if value is UNSET else value
        for name, value in msgspec.structs.asdict(session).items()
        if not isinstance(value, Raw)
    }
    bindings |= change.key(session.id) | {
        "profile_hash": profile_hash,
        "folded_name": folded(None if isinstance(session.name, UnsetType) else session.name),
        "error_message": None if error_message is UNSET else _encode(error_message).decode(),
        "error_details": error_details,
    }
    bindings |= placed(text(session.context), is_detailed=error_details is not None)
    await change.run(change.statements.IMPORT_SESSION, bindings)
    if bindings["long_context"] is not None:
        await change.run(change.statements.INSERT_DETAIL, bindings)
    await change.run(change.statements.USE_DIRECTORY, bindings)
