"""Appends, lists, corrects and deletes messages."""

from collections.abc import Sequence
from functools import partial

from msgspec import UNSET, Raw
from msgspec.structs import replace

from ..model.errors import (
    FilesUnknown,
    MessageDeleted,
    MessageIdInUse,
    MessageVersionMismatch,
    MetadataTooLarge,
    SequenceConflict,
    SessionEnded,
)
from ..model.interface import Storage
from ..model.queries import MessageQuery
from ..model.records import (
    EMPTY_OBJECT,
    AlreadyApplied,
    BatchMessage,
    IdempotentRequest,
    Listing,
    Message,
    MessagePatch,
    Messages,
    NewMessage,
    NewMessages,
    Transcript,
    Versions,
)
from ..operations import messages
from ..operations.files import is_held_once
from ..operations.patches.corrections import apply_patch
from ..operations.patches.object_patch import patch_object
from ..values.json_text import MAX_SAFE_INTEGER, raw_text
from .access import MemoryAccess, Work, listing
from .contents import Conversation, Correction, named_files


class MemoryMessages(MemoryAccess, Storage):
    """Implements the operations on messages."""

    async def append_message(
        self,
        workspace: str,
        session_id: str,
        new: NewMessage,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
    ) -> Message:
        new = messages.complete(new)
        append = partial(_append, session_id=session_id, new=[new], expected=new.expected_sequence, versions=versions)
        try:
            return (await self._write(workspace, once, append)).messages[0]
        except FilesUnknown as error:
            raise messages.unknown_file([new], error.ids, is_batch=False) from None
        except AlreadyApplied as recorded:
            raise AlreadyApplied(recorded.response.messages[0]) from None

    async def append_messages(
        self,
        workspace: str,
        session_id: str,
        new: NewMessages,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
    ) -> Messages:
        new = messages.complete_all(new)
        batch = new.messages
        append = partial(_append, session_id=session_id, new=batch, expected=new.expected_sequence, versions=versions)
        try:
            return await self._write(workspace, once, append)
        except FilesUnknown as error:
            raise messages.unknown_file(batch, error.ids, is_batch=True) from None

    async def get_message(self, workspace: str, session_id: str, sequence: int) -> Message:
        return (await self._workspace(workspace)).find(session_id).message(session_id, sequence)

    async def list_messages(self, workspace: str, session_id: str, query: MessageQuery) -> Transcript:
        conversation = (await self._workspace(workspace)).find(session_id)
        return Transcript(conversation.session.id, _listed(conversation, query))

    async def update_message(
        self, workspace: str, session_id: str, sequence: int, patch: MessagePatch, *, versions: Versions = None
    ) -> Message:
        patch = messages.complete_patch(patch)
        update = partial(_update, session_id=session_id, sequence=sequence, patch=patch, versions=versions)
        try:
            return await self._write(workspace, None, update)
        except FilesUnknown as error:
            raise messages.unknown_file([patch], error.ids, is_batch=False) from None

    async def delete_message(
        self, workspace: str, session_id: str, sequence: int, *, versions: Versions = None
    ) -> Message:
        delete = partial(_delete, session_id=session_id, sequence=sequence, versions=versions)
        return await self._write(workspace, None, delete)


def _append(
    work: Work, session_id: str, new: Sequence[BatchMessage], expected: int | None, versions: Versions
) -> Messages:
    conversation = work.workspace.take(session_id, versions)
    session = conversation.session
    if expected is not None and expected != session.message_count + 1:
        raise SequenceConflict(session_id, expected, session.message_count + 1)
    sequences = {message.id: message.sequence for message in conversation.messages if isinstance(message.id, str)}
    for each in new:
        if isinstance(each.id, str) and each.id in sequences:
            raise MessageIdInUse(session_id, each.id, sequences[each.id])
    if session.status not in ("created", "active"):
        raise SessionEnded(session_id, session.status)
    moment = max(session.updated_at, work.now)
    added = messages.number_messages(new, moment, session.message_count + len(new))
    refer(work, added, must_exist=True)
    extend(work, conversation, added, moment)
    conversation.session = replace(conversation.session, status="active")
    return Messages(session.id, added)


def extend(work: Work, conversation: Conversation, added: list[Message], moment: str) -> None:
    """Add messages to a session, which becomes active if it was created."""
    session = conversation.session
    is_first = session.status == "created"
    conversation.messages = [*conversation.messages, *added]
    conversation.usage = messages.usage_of(added, conversation.usage)
    conversation.written = work.revision
    conversation.session = session = replace(
        session,
        status="active" if is_first else session.status,
        started_at=moment if is_first else session.started_at,
        updated_at=moment,
        message_count=len(conversation.messages),
        token_usage=min(session.token_usage + messages.tokens_of(added), MAX_SAFE_INTEGER),
        version=session.version + 1,
        usage=UNSET if conversation.usage is None else conversation.usage.usage,
    )
    if is_first:
        conversation.changed_version, conversation.changed_sequence = session.version, session.message_count


def refer(work: Work, added: Sequence[Message], *, must_exist: bool) -> None:
    """Keep the files to which messages refer. Raises `FilesUnknown` if they `must_exist` and one does not."""
    named = named_files(added)
    files = work.workspace.files
    if must_exist and not files.keys() >= {*named}:
        raise FilesUnknown(frozenset(named) - files.keys())
    for file_id in named:
        if file_id in files:
            record = files[file_id].record
            if isinstance(record.expires_at, str) and is_held_once(record.created_at, record.expires_at):
                files[file_id].record = replace(record, expires_at=UNSET)


def _listed(conversation: Conversation, query: MessageQuery) -> Listing:
    first = 1 if query.after_sequence is None else query.after_sequence + 1
    last = conversation.session.message_count
    if query.before_sequence is not None:
        last = min(last, query.before_sequence - 1)
    waiting = conversation.with_open_calls() if query.open_calls else set()
    found = [
        message
        for message in conversation.messages
        if first <= message.sequence <= last
        and query.role in (None, message.role)
        and query.id in (None, message.id)
        and (not query.open_calls or message.sequence in waiting)
    ]
    next_cursor = None
    if query.limit is not None and len(found) >= query.limit:
        found = found[-query.limit :] if query.from_end else found[: query.limit]
        end = found[0].sequence if query.from_end else found[-1].sequence
        has_more = end > first if query.from_end else end < last
        # Only pages with a filter have a cursor, and not a search for an id, which only one message can have.
        next_cursor = str(end) if has_more and query.is_filtered and query.id is None else None
    listed = listing(reversed(found) if query.order == "desc" else found)
    return Listing(listed.first, listed.rest, next_cursor, query.page_after)


def _update(work: Work, session_id: str, sequence: int, patch: MessagePatch, versions: Versions) -> Message:
    conversation, before = _message(work, session_id, sequence, versions)
    if before.deleted_at is not UNSET:
        raise MessageDeleted(session_id, sequence)
    if patch == MessagePatch():
        return before
    after = apply_patch(before, patch)
    if isinstance(patch.metadata, Raw):
        too_large = partial(MetadataTooLarge, session_id, sequence)
        metadata = patch_object(too_large, raw_text(before.metadata), patch.metadata).after
        after = replace(after, metadata=Raw(metadata.encode()))
    if {*named_files([before])} != {*named_files([after])}:
        refer(work, [after], must_exist=True)
    moment = max(conversation.session.updated_at, work.now)
    if patch.content is not None:
        after = replace(after, edited_at=moment)
    return _correct(work, conversation, after, moment)


def _delete(work: Work, session_id: str, sequence: int, versions: Versions) -> Message:
    conversation, before = _message(work, session_id, sequence, versions)
    if before.deleted_at is not UNSET:
        return before
    moment = max(conversation.session.updated_at, work.now)
    after = Message(
        role=before.role,
        content="",
        timestamp=before.timestamp,
        metadata=EMPTY_OBJECT,
        sequence=sequence,
        token_count=before.token_count,
        usage=before.usage,
        id=before.id,
        version=before.version + 1,
        deleted_at=moment,
    )
    return _correct(work, conversation, after, moment)


def _message(work: Work, session_id: str, sequence: int, versions: Versions) -> tuple[Conversation, Message]:
    conversation = work.workspace.find(session_id)
    message = conversation.message(session_id, sequence)
    if versions is not None and message.version not in versions:
        raise MessageVersionMismatch(session_id, sequence, message.version, versions)
    return conversation, message


def _correct(work: Work, conversation: Conversation, after: Message, moment: str) -> Message:
    session = replace(conversation.session, version=conversation.session.version + 1, updated_at=moment)
    conversation.session = session
    conversation.messages = [after if each.sequence == after.sequence else each for each in conversation.messages]
    is_deleted = after.deleted_at is not UNSET
    conversation.corrected[after.sequence] = Correction(session.version, session.message_count, is_deleted)
    conversation.written = work.revision
    return after
