"""Completes and appends messages."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from ..model.errors import DataUrlTooLong, FileUnknown, MessageIdInUse, MessageInvalid, SequenceConflict, SessionEnded
from ..model.part_records import MAX_COST, Usage, UsageSum, is_data_url, outline_of, url_fault
from ..model.records import (
    BatchMessage,
    LastMessage,
    Message,
    MessagePatch,
    Messages,
    NewMessage,
    NewMessages,
    Versions,
)
from ..sql.ports import Bindings
from ..sql.statements.parts import ADD_USAGE
from ..values.clock import nearest_stored
from ..values.json_text import MAX_SAFE_INTEGER
from ..values.uuid7 import canonical_id
from .files import refer
from .unit_of_work import UnitOfWork

_NO_PARTS = b"[]"
# The characters of the last message in a summary.
MAX_SHOWN = 200

_encode = msgspec.json.Encoder().encode
_decode_last = msgspec.json.Decoder(LastMessage).decode

AnyMessage = TypeVar("AnyMessage", BatchMessage, NewMessage, MessagePatch)


def complete_all(new: NewMessages) -> NewMessages:
    """Messages with their contents, derived from their parts if necessary.

    Raises `MessageInvalid`, also if two have the same id.
    """
    _check_ids_differ(new.messages)
    if all(each.parts is UNSET and each.content is not None for each in new.messages):
        return new
    messages = [complete(each, f"/messages/{place}") for place, each in enumerate(new.messages)]
    return replace(new, messages=messages)


def complete_patch(patch: MessagePatch) -> MessagePatch:
    """A patch with the content derived from its parts, unless they are an empty list beside a content.

    Raises `MessageInvalid`.
    """
    if isinstance(patch.parts, UnsetType) or isinstance(kept_parts(patch.content, patch.parts), UnsetType):
        return patch
    return complete(patch)


def kept_parts(content: str | None, parts: Raw | UnsetType) -> Raw | UnsetType:
    """The parts of a message with this content; UNSET for an empty list beside a content."""
    # Clients in some languages send an empty list for a member that is not set.
    return UNSET if content and isinstance(parts, Raw) and bytes(parts) == _NO_PARTS else parts


def _check_ids_differ(new: Sequence[BatchMessage]) -> None:
    places: dict[str, int] = {}
    for place, each in enumerate(new):
        if isinstance(each.id, str) and places.setdefault(each.id, place) != place:
            raise MessageInvalid(f"/messages/{place}/id", f"is the id of /messages/{places[each.id]} as well")


def complete(new: AnyMessage, place: str = "") -> AnyMessage:
    """A message with its content, derived from its parts if necessary. Raises `MessageInvalid`, which names `place`."""
    if isinstance(new.parts, UnsetType):
        if new.content is None:
            raise MessageInvalid(f"{place}/content", "is required unless there are parts")
        return new
    if isinstance(kept_parts(new.content, new.parts), UnsetType):
        return replace(new, parts=UNSET)
    content, urls = outline_of(new.parts)
    for part, url in urls:
        _check_url(f"{place}/parts/{part}/url", url)
    if new.content is None:
        return replace(new, content=content)
    if new.content != content:
        raise MessageInvalid(f"{place}/content", "differs from the texts of the parts; leave it out")
    return new


def _check_url(pointer: str, url: str) -> None:
    fault = url_fault(url)
    if fault is not None:
        raise (DataUrlTooLong if is_data_url(url) else MessageInvalid)(pointer, fault)


def unknown_file(new: Sequence[BatchMessage | MessagePatch], ids: frozenset[str], *, is_batch: bool) -> FileUnknown:
    """The error for messages that refer to missing files, by `ids`: it names the first part that does."""
    urls = {f"/files/{file_id}": file_id for file_id in ids}
    for number, each in enumerate(new):
        for part, url in outline_of(each.parts).urls if isinstance(each.parts, Raw) else ():
            if url in urls:
                place = f"/messages/{number}" if is_batch else ""
                return FileUnknown(f"{place}/parts/{part}/url", f"names file {urls[url]}, which does not exist")
    raise AssertionError("One of the messages names one of the files.")


def number_messages(new: Sequence[BatchMessage], timestamp: str, last: int) -> list[Message]:
    """The stored messages of an append, with sequences up to `last`, and `timestamp` unless they have their own."""
    return [message_of(each, timestamp, sequence) for sequence, each in enumerate(new, last - len(new) + 1)]


def size_of(new: Iterable[Message | BatchMessage | MessagePatch]) -> int:
    """The approximate size of messages, in characters."""
    size = 0
    for each in new:
        if each.content is not None:
            size += len(each.content)
        if isinstance(each.parts, Raw):
            # A view, because `bytes` would copy the parts.
            size += len(memoryview(each.parts))
    return size


def tokens_of(new: Iterable[BatchMessage] | Iterable[Message]) -> int:
    """The sum of the messages' tokens."""
    return sum([each.token_count or 0 for each in new])


def usage_of(new: Iterable[BatchMessage] | Iterable[Message], total: UsageSum | None = None) -> UsageSum | None:
    """The sums of usage in `total` and these messages; None if none has usage."""
    for each in new:
        if not isinstance(each.usage, UnsetType):
            usage = each.usage if isinstance(each.usage, Usage) else Usage.of(each.usage)
            total = (total or UsageSum()).add(usage)
    return total


async def append(
    work: UnitOfWork,
    session_id: str,
    new: Sequence[BatchMessage],
    expected: int | None,
    versions: Versions,
    *,
    words: object = None,
) -> Messages:
    """Append messages in order. `words` are passed to `insert_messages`.

    Raises `SessionNotFound`, `SessionEnded`, `VersionMismatch`, `SequenceConflict`, `MessageIdInUse`, `FilesUnknown`.
    """
    key = work.key(session_id)
    if versions is not None or expected is not None:
        await _check(work, session_id, expected, versions)
    ids = [each.id for each in new if isinstance(each.id, str)]
    if ids:
        await _check_ids(work, session_id, ids)
    last, timestamp = await _count(work, session_id, key, new)
    messages = number_messages(new, timestamp, last)
    await work.transaction.insert_messages([(key, messages)], words)
    await refer(work, key, messages, must_exist=True)
    usage = usage_of(messages)
    if usage is not None:
        await work.run(ADD_USAGE, key | usage._asdict() | {"most": MAX_SAFE_INTEGER, "most_cost": MAX_COST})
    return Messages(canonical_id(session_id), messages)


async def _check(work: UnitOfWork, session_id: str, expected: int | None, versions: Versions) -> None:
    next_sequence = (await work.state(session_id, versions)).message_count + 1
    if expected is not None and expected != next_sequence:
        raise SequenceConflict(session_id, expected, next_sequence)


async def _check_ids(work: UnitOfWork, session_id: str, ids: list[str]) -> None:
    ids_as_json = _encode(ids).decode()
    row = await work.run(work.statements.MESSAGES_WITH_IDS, work.key(session_id) | {"ids": ids_as_json, "most": 1})
    if row is not None:
        raise MessageIdInUse(session_id, row[0], row[1])


async def _count(work: UnitOfWork, session_id: str, key: Bindings, new: Sequence[BatchMessage]) -> tuple[int, str]:
    """Add appended messages to the session's counts. Returns the sequence of the last one, and their time."""
    counts: Bindings = {"count": len(new), "tokens": tokens_of(new), "most": MAX_SAFE_INTEGER}
    row = await work.run(work.statements.COUNT_MESSAGES, key | counts | last_message_bindings(new[-1]))
    if row is None:
        raise SessionEnded(session_id, (await work.state(session_id, None)).status)
    sequence, timestamp = row
    return sequence, timestamp


def last_message_bindings(last: BatchMessage) -> dict[str, str | None]:
    """The bindings for the last message in a summary; the database adds the time unless the message has its own."""
    return {
        "last_role": last.role,
        "last_time": None if isinstance(last.timestamp, UnsetType) else nearest_stored(last.timestamp),
        "last_content": _encode((last.content or "")[:MAX_SHOWN]).decode(),
    }


def shown_last(message: Message) -> LastMessage:
    """A message as the last one in a summary."""
    return LastMessage(message.role, message.timestamp, message.content[:MAX_SHOWN])


def last_message_of(message: Message) -> str:
    """The last message in a summary, as JSON."""
    return _encode(shown_last(message)).decode()


def read_last_message(text: str | None) -> LastMessage | None:
    """The last message in a stored summary; None if there is none, or if it is invalid."""
    try:
        return None if text is None else _decode_last(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def message_of(new: BatchMessage, timestamp: str, sequence: int) -> Message:
    """The stored message for a complete new one."""
    assert new.content is not None, "A message is complete before it is appended."
    return Message(
        new.role,
        new.content,
        timestamp if isinstance(new.timestamp, UnsetType) else nearest_stored(new.timestamp),
        new.metadata,
        sequence,
        UNSET if new.agent is None else new.agent,
        UNSET if new.token_count is None else new.token_count,
        new.parts,
        new.model,
        UNSET if isinstance(new.usage, UnsetType) else Usage.of(new.usage),
        new.id,
    )
