"""Writing the sessions of an export as they were."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace as changed

from ..errors import SessionExists
from ..identity import new_session_id
from ..records import ImportReport, Message, OnConflict, Session
from ..upload import Upload
from . import statements
from .change import Bindings, Change
from .messages import insert
from .sessions import folded, text

# So many messages are one transaction at least, so that small sessions share the sync of the disk.
MESSAGES_AT_ONCE = 1_000

_encode = msgspec.json.Encoder().encode


def import_some(
    change: Change, upload: Upload, on_conflict: OnConflict, revision: Callable[[], int]
) -> ImportReport | None:
    """Write the next sessions; None where there are no more."""
    report: ImportReport | None = None
    while (report is None or report.messages + report.sessions < MESSAGES_AT_ONCE) and (taken := upload.take()):
        session, messages = taken
        report = total(report or ImportReport(), _import(change, session, messages, on_conflict))
        change = replace(change, revision=revision())
    return report


def total(first: ImportReport, second: ImportReport) -> ImportReport:
    """Both reports together."""
    return ImportReport(
        first.sessions + second.sessions,
        first.messages + second.messages,
        first.skipped + second.skipped,
        first.renamed + second.renamed,
    )


def _import(change: Change, session: Session, messages: Iterator[Message], on_conflict: OnConflict) -> ImportReport:
    there = change.run(statements.STATE, change.key(session.id)) is not None
    if there and on_conflict == "fail":
        raise SessionExists(session.id)
    if there and on_conflict == "skip":
        for _ in messages:
            continue
        return ImportReport(skipped=1)
    if there:
        session = changed(session, id=new_session_id(session.created_at))
    _insert(change, session)
    key = change.key(session.id)
    for message in messages:
        insert(change, key, message)
    return ImportReport(sessions=1, messages=session.message_count, renamed=int(there))


def _insert(change: Change, session: Session) -> None:
    error_message = session.error_message
    bindings: Bindings = {
        name: None if value is UNSET else value
        for name, value in msgspec.structs.asdict(session).items()
        if not isinstance(value, Raw)
    }
    bindings |= change.key(session.id) | {
        "folded_name": folded(None if isinstance(session.name, UnsetType) else session.name),
        "error_message": None if error_message is UNSET else _encode(error_message).decode(),
        "context": text(session.context),
        "error_details": text(session.error_details) if isinstance(session.error_details, Raw) else None,
    }
    change.run(statements.IMPORT_SESSION, bindings)
    change.run(statements.IMPORT_DETAIL, bindings)
