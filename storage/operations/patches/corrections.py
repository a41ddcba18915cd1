"""Corrections of messages: replaces or deletes the content of a message, and updates what depends on it."""

from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from ...model.errors import MessageDeleted, MessageInvalid, MessageNotFound, MessageVersionMismatch, MetadataTooLarge
from ...model.part_records import Calls, calls_of, file_ids_of
from ...model.records import EMPTY_OBJECT, Message, MessagePatch, Versions
from ...sql.ports import Bindings, take_until_size
from ...sql.statements import corrections as statements
from ...values.json_text import MAX_SAFE_INTEGER, raw_text
from ..bulk import removal
from ..files import refer
from ..messages import kept_parts, last_message_of
from ..unit_of_work import UnitOfWork
from .object_patch import PatchedObject, patch_or_defer

# The maximum number of messages that are searched for the results of calls that are open again.
MAX_SCANNED = 1_000

_NO_CALLS = Calls([], [])

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


async def update(
    work: UnitOfWork,
    session_id: str,
    sequence: int,
    patch: MessagePatch,
    versions: Versions,
    *,
    words: object = None,
    prepared: PatchedObject | None = None,
    last: bool = False,
) -> Message | None:
    """Apply a complete patch. Returns None, without a write, if large metadata must be merged first.

    See `patch_or_defer`. `words` are the words of the new text, if they are known already (see `replace_message`).
    Raises `SessionNotFound`, `MessageNotFound`, `MessageVersionMismatch`, `MessageDeleted`, `MessageInvalid`,
    `MetadataTooLarge`, `FilesUnknown`.
    """
    before = await _message(work, session_id, sequence, versions)
    if before.deleted_at is not UNSET:
        raise MessageDeleted(session_id, sequence)
    if patch == MessagePatch():
        return before
    after = apply_patch(before, patch)
    if isinstance(patch.metadata, Raw):
        too_large = partial(MetadataTooLarge, session_id, sequence)
        merged = patch_or_defer(too_large, raw_text(before.metadata), patch.metadata, prepared, last=last)
        if merged is None:
            return None
        after = replace(after, metadata=Raw(merged.encode()))
    moment = await count(work, session_id, after)
    if patch.content is not None:
        after = replace(after, edited_at=moment)
    await write(work, work.key(session_id), before, after, must_exist=True, words=words)
    return after


async def delete(work: UnitOfWork, session_id: str, sequence: int, versions: Versions) -> Message:
    """Remove the content, parts, metadata, agent and model of a message; a deleted message stays as it is.

    Raises `SessionNotFound`, `MessageNotFound`, `MessageVersionMismatch`.
    """
    before = await _message(work, session_id, sequence, versions)
    if before.deleted_at is not UNSET:
        return before
    after = replace(
        before,
        content="",
        metadata=EMPTY_OBJECT,
        parts=UNSET,
        agent=UNSET,
        model=UNSET,
        version=before.version + 1,
        edited_at=UNSET,
    )
    moment = await count(work, session_id, after, is_deleted=True)
    after = replace(after, deleted_at=moment)
    await write(work, work.key(session_id), before, after, must_exist=True)
    return after


async def write(
    work: UnitOfWork, key: Bindings, before: Message, after: Message, *, must_exist: bool, words: object = None
) -> None:
    """Replace a message in the session with this key, and update its calls and references.

    Raises `FilesUnknown` if its files `must_exist` and one does not.
    """
    differs = (before.content, before.parts) != (after.content, after.parts)
    await work.transaction.replace_message(key, after, is_indexed=not differs, words=words)
    if differs:
        await _replace_calls(work, key | {"sequence": after.sequence}, _calls(before), _calls(after))
        if _files(before) != _files(after):
            await _replace_references(work, key, after, must_exist=must_exist)


async def count(work: UnitOfWork, session_id: str, after: Message, *, is_deleted: bool = False) -> str:
    """Count a correction, and record it for the followers of the session. Returns its time."""
    key = work.key(session_id) | {"sequence": after.sequence}
    counted = await work.transaction.one(statements.COUNT_CORRECTION, key | {"last_message": last_message_of(after)})
    version, message_count, moment = counted
    kept: Bindings = {"version": version, "after_sequence": message_count, "is_deleted": is_deleted}
    await work.run(statements.KEEP_CORRECTION, key | kept)
    return str(moment)


async def stored(work: UnitOfWork, key: Bindings, sequence: int) -> Message | None:
    """A message of the session with this key, even if the session is not visible yet; None if there is none."""
    row = await work.run(work.statements.MESSAGE_RECORD, key | {"sequence": sequence})
    return None if row is None else _decode(row[0])


async def _message(work: UnitOfWork, session_id: str, sequence: int, versions: Versions) -> Message:
    await work.state(session_id, None)
    message = await stored(work, work.key(session_id), sequence)
    if message is None:
        raise MessageNotFound(session_id, sequence)
    if versions is not None and message.version not in versions:
        raise MessageVersionMismatch(session_id, sequence, message.version, versions)
    return message


def apply_patch(before: Message, patch: MessagePatch) -> Message:
    """The message with the content and the parts of a patch. Raises `MessageInvalid`."""
    content, parts = before.content, before.parts
    if isinstance(patch.parts, Raw):
        content = patch.content or ""
        parts = kept_parts(content, patch.parts)
    elif patch.content is not None:
        content = patch.content
        if isinstance(parts, Raw) and content != before.content:
            detail = "differs from the texts of the parts; send the parts as well, or an empty list for none"
            raise MessageInvalid("/content", detail)
    return replace(before, content=content, parts=parts, version=before.version + 1)


def _calls(message: Message) -> Calls:
    return _NO_CALLS if isinstance(message.parts, UnsetType) else calls_of(message.parts)


def _files(message: Message) -> set[str]:
    return set() if isinstance(message.parts, UnsetType) else set(file_ids_of(message.parts))


async def _replace_references(work: UnitOfWork, key: Bindings, after: Message, *, must_exist: bool) -> None:
    sequence: Bindings = {"sequence": after.sequence}
    rows = await work.transaction.all(statements.REMOVE_MESSAGE_REFERENCES, key | sequence)
    await refer(work, key, [after], must_exist=must_exist)
    await removal.forget_files(work.transaction, work.statements, key, {file_id for (file_id,) in rows})


async def _replace_calls(work: UnitOfWork, key: Bindings, before: Calls, after: Calls) -> None:
    """Update the open and answered calls of the message with this key."""
    if before == after:
        return
    opened = [call for call in after.opened if call not in before.opened]
    reopened = [call for call in before.answered if call not in after.answered]
    changes = [
        (work.statements.CLOSE_CALLS, after.opened, before.opened),
        (work.statements.REOPEN_CALLS, reopened, reopened),
        (work.statements.ANSWER_CALLS, after.answered, after.answered),
        (work.statements.OPEN_CALLS, opened, opened),
    ]
    for statement, calls, needed in changes:
        if needed:
            await work.run(statement, key | {"calls": _encode(calls).decode()})
    if opened or reopened:
        await _answer_later(work, key, {*opened, *reopened})


async def _answer_later(work: UnitOfWork, key: Bindings, calls: set[str]) -> None:
    """Find the results of calls in the messages that follow the one with this key, and record them."""
    first: Any = key["sequence"]
    later: Bindings = {"after": first, "last": MAX_SAFE_INTEGER, "most": MAX_SCANNED}
    sizes = await work.transaction.all(work.statements.MESSAGE_SIZES, key | later)
    piece = take_until_size(sizes, removal.BYTES_AT_ONCE, lambda row: int(row[1]))
    bindings = key | {"first": first + 1, "last": piece[-1][0] if piece else first}
    for (record,) in await work.transaction.all(work.statements.RECORDED_MESSAGES, bindings):
        message = _decode(record)
        answered = [call for call in _calls(message).answered if call in calls]
        if answered:
            found: Bindings = {"sequence": message.sequence, "calls": _encode(answered).decode()}
            await work.run(work.statements.ANSWER_CALLS, key | found)
