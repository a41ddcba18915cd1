"""The rules of an import for a single record, beyond its type. A stored record that breaks one is damaged."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw, UnsetType

from ...model.database_errors import ReadLine
from ...model.directory_path import MAX_BYTES
from ...model.errors import LabelsInvalid
from ...model.part_records import outline_of, url_fault
from ...model.records import EMPTY_OBJECT, ExportLine, Message, Session
from ...values.clock import is_clock_time, is_stored_form
from ...values.uuid7 import canonical_id
from ..labels import check_labels, readable_labels
from ..messages import usage_of
from ..sessions import session_of
from .export import CONTEXT

# The place of the labels in the columns of a session.
_LABELS = 17
# No session can use up the versions between this limit and the largest integer of JSON.
HIGHEST_VERSION = 2**52

_encode = msgspec.json.Encoder().encode


def session_fault(session: Session) -> str | None:
    """Why an import refuses a session, None if it does not; its sums are compared with its messages elsewhere."""
    for moment in (session.created_at, session.updated_at, session.started_at, session.ended_at):
        if isinstance(moment, str) and not is_clock_time(moment):
            return f"session {session.id} has the invalid time {moment}"
    if session.version > HIGHEST_VERSION:
        return f"session {session.id} is at version {session.version}; the limit is {HIGHEST_VERSION}"
    if isinstance(session.labels, dict):
        try:
            check_labels(session.labels)
        except LabelsInvalid as error:
            return str(error)
    size = len(session.amplified_dir.encode())
    if size > MAX_BYTES:
        return f"session {session.id} is in a directory of {size} bytes; the limit is {MAX_BYTES}"
    if session.parent_session_id == session.id:
        return f"session {session.id} is its own parent"
    return None


def message_fault(message: Message) -> str | None:
    """Why an import refuses a message, None if it does not."""
    for moment in (message.timestamp, message.edited_at, message.deleted_at):
        if isinstance(moment, str) and not is_clock_time(moment):
            return f"the message has the invalid time {moment}"
    if message.version > HIGHEST_VERSION:
        return f"the message is at version {message.version}; the limit is {HIGHEST_VERSION}"
    if isinstance(message.deleted_at, str) and (message.content or isinstance(message.parts, Raw)):
        return "the message is deleted, but has content or parts"
    return _parts_fault(message.content, message.parts) if isinstance(message.parts, Raw) else None


def _parts_fault(content: str, parts: Raw) -> str | None:
    texts, urls = outline_of(parts)
    if texts != content:
        return "the content differs from the texts of the parts"
    faults = ((place, url_fault(url)) for place, url in urls)
    return next((f"the url of part {place + 1} {fault}" for place, fault in faults if fault is not None), None)


def stored_message(record: bytes, read_line: ReadLine) -> Message | None:
    """The message in a stored record; None if an import refuses it."""
    line = read_line(b'{"message":' + record + b"}")
    if line is None or not isinstance(line.message, Message):
        return None
    message = line.message
    try:
        usage_of([message])
        fault = message_fault(message)
    except (msgspec.MsgspecError, ValueError):
        return None
    moments = (message.timestamp, message.edited_at, message.deleted_at)
    return message if fault is None and all(map(_is_canonical_time, moments)) else None


def stored_message_at(record: bytes, sequence: int, read_line: ReadLine) -> Message | None:
    """The same, but None if the record is that of another message than the one at `sequence`."""
    message = stored_message(record, read_line)
    return message if message is not None and message.sequence == sequence else None


def stored_session(columns: Sequence[object]) -> tuple[Session | None, list[str]]:
    """The session in its columns, and which of its context and its labels are damaged: it is without these.

    The session is None if its other columns cannot be read.
    """
    values, damaged = [*columns], []
    if not is_object(values[CONTEXT]):
        damaged.append("context")
        values[CONTEXT] = bytes(EMPTY_OBJECT)
    labels = values[_LABELS]
    if isinstance(labels, str) and readable_labels(labels) is None:
        damaged.append("labels")
        values[_LABELS] = None
    try:
        return session_of("", tuple(values)), damaged
    except (msgspec.MsgspecError, TypeError, ValueError):
        return None, damaged


def is_canonical(session: Session) -> bool:
    """Whether a session has its ids and times in the form in which an import stores them."""
    ids = [each for each in (session.id, session.parent_session_id) if isinstance(each, str)]
    moments = (session.created_at, session.updated_at, session.started_at, session.ended_at)
    return ids == [*map(canonical_id, ids)] and all(map(_is_canonical_time, moments))


def is_importable(session: Session, read_line: ReadLine) -> bool:
    """Whether an import takes a stored session and stores the same."""
    return session_fault(session) is None and is_canonical(session) and is_valid(ExportLine(session=session), read_line)


def is_valid(line: ExportLine, read_line: ReadLine) -> bool:
    """Whether `read_line` takes a stored record."""
    try:
        return read_line(_encode(line)) is not None
    except (msgspec.MsgspecError, UnicodeError):
        return False


def is_object(text: object) -> bool:
    """Whether a stored value is a JSON object."""
    if not isinstance(text, (str, bytes)):
        return False
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _is_canonical_time(moment: str | UnsetType) -> bool:
    return isinstance(moment, UnsetType) or is_stored_form(moment)
