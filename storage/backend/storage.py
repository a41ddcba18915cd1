"""The operations that storages with transactions and SQL share; each backend runs their statements."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

from msgspec import Raw, structs

from ..model.database_errors import DatabaseDamaged, decoded_message
from ..model.errors import ContextTooLarge, FilesUnknown, MessageNotFound, MetadataTooLarge, SessionNotFound
from ..model.interface import CheckSession, Storage
from ..model.queries import MessageQuery, SessionQuery
from ..model.records import (
    AlreadyApplied,
    BatchMessage,
    Events,
    Failure,
    IdempotentRequest,
    Lineage,
    Listing,
    Message,
    MessagePatch,
    Messages,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionPatch,
    Transcript,
    Versions,
)
from ..operations import messages, sessions
from ..operations.events import event_feed
from ..operations.expiry import EXPIRED_WORKSPACE, FORGET_EXPIRED_RESPONSES, RESPONSES_AT_ONCE
from ..operations.message_pages import range_of_page, sequences
from ..operations.patches import corrections
from ..operations.patches.object_patch import MAX_PREPARATIONS, PatchedObject, patch_object
from ..operations.session_pages import by_any_index, count_all, filtered_page, lineage, page
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import LONG_VALUE_BYTES, Bindings, Transaction, session_key
from ..sql.statements import message_lists
from ..sql.statements.recorded_responses import EXPIRED_TEXT, FORGET_TEXTS
from ..sql.statements.session_lists import session_list
from ..values.json_text import MAX_SAFE_INTEGER, raw_text, text_size
from ..values.uuid7 import canonical_id
from .api_keys import TransactionalKeys
from .bulk import TransactionalPieces
from .concurrency_limit import Turns, before_write
from .directories import TransactionalDirectories
from .files import TransactionalFiles
from .profiles import TransactionalCollections, TransactionalModules, TransactionalMountPlans, TransactionalProfiles
from .transfer import TransactionalTransfer
from .workspaces import TransactionalWorkspaces

# The maximum number of messages that the database joins into one value, however short they are.
MAX_JOINED = 1_000

Result = TypeVar("Result")


class TransactionalStorage(
    TransactionalPieces,
    TransactionalTransfer,
    TransactionalProfiles,
    TransactionalCollections,
    TransactionalModules,
    TransactionalMountPlans,
    TransactionalDirectories,
    TransactionalFiles,
    TransactionalKeys,
    TransactionalWorkspaces,
    Storage,
):
    """Implements `Storage` with `statements`."""

    @cached_property
    def _preparing(self) -> Turns:
        return Turns()

    async def create_session(
        self, workspace: str, new: NewSession, *, once: IdempotentRequest | None = None, check: CheckSession = None
    ) -> Session:
        if check is not None:
            with before_write():
                await self._check_not_applied(workspace, once, Session)
                await check()
        if new.id is not None:
            with before_write():
                await self._wait_for_removal(workspace, canonical_id(new.id))
        async with self._turn(workspace, text_size(new.context)):
            return await self._write(workspace, once, Session, sessions.create, new, self._installed)

    async def get_session(self, workspace: str, session_id: str) -> Session:
        return sessions.session_of(
            session_id, await self._rows.row(self.statements.SESSION, session_key(workspace, session_id))
        )

    async def list_sessions(self, workspace: str, query: SessionQuery) -> Listing:
        if not query.total:
            return await self._list_sessions(workspace, query)
        whole = session_list(self.dialect, workspace, structs.replace(query, cursor=None))
        async with self._searches.slot():
            total = await self._read(lambda rows: count_all(rows, whole))
        return structs.replace(await self._list_sessions(workspace, query), total=total)

    async def _list_sessions(self, workspace: str, query: SessionQuery) -> Listing:
        sessions = session_list(self.dialect, workspace, query)
        if query.limit is None:
            if sessions.filters:
                sessions = await self._read(lambda rows: by_any_index(rows, sessions))
            return await self._listing(
                sessions.listed(paged=False), sessions.bindings, searching=bool(sessions.filters)
            )
        if sessions.filters:
            return await self._read(lambda rows: filtered_page(rows, sessions, query))
        return await page(self._rows, sessions, query)

    async def update_session(
        self, workspace: str, session_id: str, patch: SessionPatch, *, versions: Versions = None
    ) -> Session:
        prepare = partial(self._prepare_session, workspace, session_id, patch)
        async with self._turn_of_session(workspace, session_id, patch.context):
            return await self._merge(workspace, sessions.update, prepare, session_id, patch, versions, self._installed)

    async def _merge(
        self,
        workspace: str,
        operation: Callable[..., Coroutine[Any, Any, Result | None]],
        prepare: Callable[[], Awaitable[PatchedObject | None]],
        *arguments: object,
    ) -> Result:
        """Run an operation that merges a patch. If it returns None, prepare the merge, and run it again.

        See `patch_or_defer`.
        """
        written = await self._change(workspace, operation, *arguments)
        if written is not None:
            return written
        # One at a time: no other request of this process makes the prepared object stale.
        async with self._preparing.turn(workspace):
            for attempt in range(1, MAX_PREPARATIONS + 1):
                last = attempt == MAX_PREPARATIONS
                with before_write():
                    prepared = await prepare()
                change = partial(operation, prepared=prepared, last=last)
                written = await self._change(workspace, change, *arguments)
                if written is not None:
                    break
        assert written is not None, "The last attempt needs no preparation."
        return written

    async def _prepare_session(self, workspace: str, session_id: str, patch: SessionPatch) -> PatchedObject | None:
        row = await self._read(lambda rows: rows.row(self.statements.CONTEXT, session_key(workspace, session_id)))
        if row is None or not isinstance(patch.context, Raw):
            return None
        return await asyncio.to_thread(patch_object, partial(ContextTooLarge, session_id), row[0], patch.context)

    async def start_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        return await self._write_session(workspace, once, sessions.start, session_id, versions)

    async def complete_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        return await self._write_session(workspace, once, sessions.end, session_id, "complete", "completed", versions)

    async def fail_session(
        self,
        workspace: str,
        session_id: str,
        failure: Failure,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
    ) -> Session:
        details = failure.error_details
        return await self._write_session(
            workspace, once, sessions.end, session_id, "fail", "failed", versions, failure, new=details
        )

    async def terminate_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        return await self._write_session(workspace, once, sessions.end, session_id, "terminate", "terminated", versions)

    async def resume_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        return await self._write_session(workspace, once, sessions.resume, session_id, versions)

    async def lineage(self, workspace: str, session_id: str) -> Lineage:
        await self._message_count(workspace, session_id)
        statements, dialect = self.statements, self.dialect
        return await self._read(lambda rows: lineage(rows, statements, dialect, workspace, session_id))

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
        try:
            async with self._turn(workspace, messages.size_of([new])):
                appended = await self._append_all(workspace, session_id, [new], new.expected_sequence, versions, once)
        except FilesUnknown as error:
            raise messages.unknown_file([new], error.ids, is_batch=False) from None
        except AlreadyApplied as recorded:
            raise AlreadyApplied(recorded.response.messages[0]) from None
        return appended.messages[0]

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
        try:
            async with self._turn(workspace, messages.size_of(new.messages)):
                return await self._append_all(
                    workspace, session_id, new.messages, new.expected_sequence, versions, once
                )
        except FilesUnknown as error:
            raise messages.unknown_file(new.messages, error.ids, is_batch=True) from None

    async def _append_all(
        self,
        workspace: str,
        session_id: str,
        new: Sequence[BatchMessage],
        expected: int | None,
        versions: Versions,
        once: IdempotentRequest | None,
    ) -> Messages:
        """Append complete messages."""
        return await self._write(workspace, once, Messages, messages.append, session_id, new, expected, versions)

    async def get_message(self, workspace: str, session_id: str, sequence: int) -> Message:
        bindings = session_key(workspace, session_id)
        row = await self._rows.row(self.statements.MESSAGE, bindings | {"sequence": sequence})
        if row is None:
            await self._message_count(workspace, session_id)
            raise MessageNotFound(session_id, sequence)
        (record,) = row
        long = len(record) > LONG_VALUE_BYTES
        message = await asyncio.to_thread(decoded_message, record) if long else decoded_message(record)
        if message is None:
            raise DatabaseDamaged(f"message {sequence} of session {session_id} can't be read")
        return message

    async def update_message(
        self, workspace: str, session_id: str, sequence: int, patch: MessagePatch, *, versions: Versions = None
    ) -> Message:
        patch = messages.complete_patch(patch)
        prepare = partial(self._prepare_message, workspace, session_id, sequence, patch)
        try:
            async with self._turn_of_message(workspace, session_id, sequence, patch):
                with before_write():
                    words = await asyncio.to_thread(self._words, patch)
                update = partial(corrections.update, words=words)
                updated = await self._merge(workspace, update, prepare, session_id, sequence, patch, versions)
        except FilesUnknown as error:
            raise messages.unknown_file([patch], error.ids, is_batch=False) from None
        self._removals.wake()
        return updated

    @abstractmethod
    def _words(self, patch: MessagePatch) -> object:
        """The words of a complete patch, for `replace_message`, found before the transaction, because it takes time."""

    async def _prepare_message(
        self, workspace: str, session_id: str, sequence: int, patch: MessagePatch
    ) -> PatchedObject | None:
        if not isinstance(patch.metadata, Raw):
            return None
        before = (await self.get_message(workspace, session_id, sequence)).metadata
        too_large = partial(MetadataTooLarge, session_id, sequence)
        return await asyncio.to_thread(patch_object, too_large, raw_text(before), patch.metadata)

    async def delete_message(
        self, workspace: str, session_id: str, sequence: int, *, versions: Versions = None
    ) -> Message:
        async with self._turn_of_message(workspace, session_id, sequence):
            deleted = await self._delete(workspace, corrections.delete, session_id, sequence, versions)
        self._removals.wake()
        return deleted

    async def list_messages(self, workspace: str, session_id: str, query: MessageQuery) -> Transcript:
        # The range of the first messages does not depend on their number.
        any_count = not query.is_filtered and not query.from_end
        count = MAX_SAFE_INTEGER if any_count else await self._message_count(workspace, session_id)
        first, last = sequences(count, query)
        if query.id is not None:
            first, last = await self._range_of_id(workspace, session_id, query.id, first, last)
            query = structs.replace(query, id=None, limit=None)
        bindings = session_key(workspace, session_id) | {"first": first, "last": last, "end": first + MAX_JOINED}
        if query.is_filtered:
            listed = await self._filtered_messages(query, bindings, first, last)
        else:
            listed = await self._messages(query, bindings)
            if not listed.first:
                # The session has none of these messages, or does not exist.
                await self._message_count(workspace, session_id)
        return Transcript(canonical_id(session_id), listed)

    async def follow_session(self, workspace: str, session_id: str, *, after_event: str | None = None) -> Events:
        canonical = canonical_id(session_id)
        tail = await event_feed.session_tail(self._rows, self.statements, workspace, canonical, after_event)
        if tail is None:
            raise SessionNotFound(session_id)
        return event_feed.follow(tail, self._changes, workspace, canonical)

    async def follow_sessions(self, workspace: str, *, after_event: str | None = None) -> Events:
        tail = await event_feed.workspace_tail(self._rows, self.statements, workspace, after_event)
        return event_feed.follow(tail, self._changes, workspace)

    async def count_sessions(self, workspace: str) -> int:
        row = await self._read(lambda rows: rows.one(self.statements.COUNT_SESSIONS, {"workspace": workspace}))
        counted: int = row[0]
        return counted

    async def _forget_some_expired(self) -> bool:
        """Delete some expired responses or files. Returns False if there were none."""
        bindings: Bindings = {"now": self._clock.now(), "most": RESPONSES_AT_ONCE}
        row = await self._rows.row(EXPIRED_WORKSPACE, {"now": bindings["now"]})
        if row is None:
            return await self._forget_expired_texts(bindings) or await self._expire_files(bindings)
        workspace = str(row[0])
        bindings["workspace"] = workspace
        await self._delete(workspace, UnitOfWork.run, FORGET_EXPIRED_RESPONSES, bindings)
        return True

    async def _forget_expired_texts(self, bindings: Bindings) -> bool:
        if await self._rows.row(EXPIRED_TEXT, bindings) is None:
            return False
        await self._remove(Transaction.row, FORGET_TEXTS, bindings)
        return True

    async def _messages(self, query: MessageQuery, bindings: Bindings) -> Listing:
        joined = await self._joined(message_lists.joined_messages(self.dialect, query.order), bindings)
        if joined is not None:
            return Listing(joined)
        return await self._listing(message_lists.messages(self.dialect, query.order), bindings)

    async def _filtered_messages(self, query: MessageQuery, bindings: Bindings, first: int, last: int) -> Listing:
        next_cursor: str | None = None
        limit = query.limit
        if limit is not None:
            first, last, next_cursor = await self._read(
                lambda rows: range_of_page(rows, self.dialect.messages, query, limit, bindings, first, last)
            )
        bindings |= {"role": query.role, "first": first, "last": last}
        listed = await self._listing(message_lists.filtered_messages(self.dialect, query), bindings, searching=True)
        return structs.replace(listed, next_cursor=next_cursor, cursor_name=query.page_after)

    async def _range_of_id(
        self, workspace: str, session_id: str, message_id: str, first: int, last: int
    ) -> tuple[int, int]:
        """The range of the one message with an id; (0, 0) if it does not exist or is outside `first` to `last`."""
        bindings = session_key(workspace, session_id) | {"message_id": message_id}
        row = await self._rows.row(message_lists.sequence_of_id(self.dialect.messages), bindings)
        return (0, 0) if row is None or not first <= row[0] <= last else (row[0], row[0])

    async def _message_count(self, workspace: str, session_id: str) -> int:
        row = await self._rows.row(self.statements.MESSAGE_COUNT, session_key(workspace, session_id))
        if row is None:
            raise SessionNotFound(session_id)
        count: int = row[0]
        return count
