"""Access to the stored records: each write takes effect as a whole, once per key, and at a later time than the last."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import TypeVar

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ..model.backend import StorageOptions
from ..model.errors import IdempotencyKeyInUse, IdempotencyKeyReused, StorageUnavailable
from ..model.records import AlreadyApplied, IdempotentRequest, Listing, Messages, Session
from ..operations.sessions import DELETIONS_KEPT_SECONDS
from ..sql.pages import decode_name, encode_name, page_of
from ..sql.temporary_files import TemporaryDisk
from ..values.clock import Clock, after
from ..values.uuid7 import new_session_id
from .contents import Database, Deletion, RecordedResponse, Workspace
from .search.vectors import TextVectors

FIRST_BLOCK_BYTES = 64 * 1024
BLOCK_BYTES = 256 * 1024

Result = TypeVar("Result")

encode = msgspec.json.Encoder().encode


class Work:
    """One write of a workspace, with its time."""

    def __init__(self, workspace: Workspace, now: str, new_session_id: str) -> None:
        self.workspace = workspace
        self.now = now
        # The id for a session that the write creates.
        self.new_session_id = new_session_id

    @property
    def revision(self) -> int:
        """The number of this write."""
        return self.workspace.revision

    def next_revision(self) -> int:
        """Begin a further write at the same time, and return its number: each written session has its own."""
        self.workspace.revision += 1
        return self.workspace.revision


class MemoryAccess:
    """Gives access to the workspaces of a database, one operation at a time."""

    def __init__(self, database: Database, options: StorageOptions) -> None:
        self._database = database
        self._options = options
        self._disk = TemporaryDisk(options.temporary_bytes)
        self._is_open = False
        self._vectors = TextVectors()

    @property
    def _clock(self) -> Clock:
        return self._options.clock

    async def _workspace(self, name: str) -> Workspace:
        """A workspace, empty if it does not exist. Other tasks run first, as during a read of a database.

        Raises `StorageUnavailable` if the storage is closed.
        """
        await asyncio.sleep(0)
        if not self._is_open:
            raise StorageUnavailable("it is closed")
        workspace = self._database.workspaces.get(name)
        if workspace is None:
            return Workspace()
        forget_expired(workspace, self._clock.machine_time())
        return workspace

    async def _write(
        self,
        name: str,
        once: IdempotentRequest | None,
        operation: Callable[[Work], Result],
    ) -> Result:
        """Run an operation as a write, and return its result, which is recorded as the response with `once`.

        The operation must not change anything before it raises an error. Raises `AlreadyApplied` if a result is
        recorded.
        """
        await self._check_not_applied(name, once)
        workspace = self._database.workspaces.setdefault(name, Workspace())
        now = self._next_time()
        work = Work(workspace, now, self._new_session_id(now))
        workspace.revision += 1
        result = operation(work)
        if once is not None:
            self._record(work, once, result)
        self._written(work)
        return result

    async def _check_not_applied(self, name: str, once: IdempotentRequest | None) -> None:
        """Raises `AlreadyApplied` if the response to the request is recorded."""
        workspace = await self._workspace(name)
        if once is not None:
            check_not_applied(workspace, once)

    def _new_session_id(self, now: str) -> str:
        return new_session_id(now)

    def _next_time(self) -> str:
        """The time of a write: later than the last write of any storage, unless its clock was ahead by mistake."""
        last = self._database.last
        if last is not None and last <= self._clock.horizon():
            self._clock.catch_up(last)
        self._database.last = self._clock.now()
        return self._database.last

    def _record(self, work: Work, once: IdempotentRequest, result: object, *, is_whole: bool = True) -> None:
        expires_at = after(work.now, self._options.idempotency_ttl)
        recorded = RecordedResponse(once.fingerprint, expires_at, result, is_whole)
        if isinstance(result, Session):
            recorded.session_id = result.id
        if isinstance(result, Messages):
            recorded.session_id = result.session_id
            recorded.messages = result.messages[0].sequence, result.messages[-1].sequence
        work.workspace.responses[once.key] = recorded

    def _written(self, work: Work) -> None:
        """Delete files without references, and wake the followers."""
        delete_unused_files(work.workspace)
        for follower in work.workspace.followers:
            follower.set()


def check_not_applied(workspace: Workspace, once: IdempotentRequest) -> None:
    """Raises `AlreadyApplied` if a response is recorded, and `IdempotencyKeyReused`."""
    recorded = recorded_response(workspace, once)
    if recorded is None or not recorded.is_whole:
        return
    if recorded.messages is None or recorded.session_id is None:
        raise AlreadyApplied(recorded.response)
    first, last = recorded.messages
    raise AlreadyApplied(Messages(recorded.session_id, workspace.find(recorded.session_id).messages[first - 1 : last]))


def recorded_response(workspace: Workspace, once: IdempotentRequest) -> RecordedResponse | None:
    """The record of a request; None if there is none. Raises `IdempotencyKeyReused`."""
    recorded = workspace.responses.get(once.key)
    if recorded is not None and recorded.fingerprint != once.fingerprint:
        raise IdempotencyKeyReused(once.key)
    return recorded


def refuse_other_progress(workspace: Workspace, once: IdempotentRequest, before: object) -> None:
    """Raises `IdempotencyKeyInUse` if another call has continued the request since it had the progress `before`."""
    recorded = recorded_response(workspace, once)
    if recorded is not None and (recorded.is_whole or recorded.response != before):
        raise IdempotencyKeyInUse(once.key)


def delete_session(work: Work, session_id: str) -> None:
    """Delete a session and the recorded responses about it, and record the deletion."""
    workspace = work.workspace
    del workspace.conversations[session_id]
    workspace.deletions.append(Deletion(work.revision, session_id, work.now))
    workspace.responses = {
        key: response for key, response in workspace.responses.items() if response.session_id != session_id
    }


def forget_expired(workspace: Workspace, now: str) -> None:
    """Delete responses, files and records of deletions that have expired."""
    workspace.responses = {key: response for key, response in workspace.responses.items() if response.expires_at > now}
    horizon = after(now, -DELETIONS_KEPT_SECONDS)
    workspace.deletions = [deletion for deletion in workspace.deletions if deletion.moment > horizon]
    for file in workspace.files.values():
        if isinstance(file.record.expires_at, str) and file.record.expires_at < now:
            file.record = replace(file.record, expires_at=UNSET)
    delete_unused_files(workspace)


def delete_unused_files(workspace: Workspace) -> None:
    """Delete the files to which no message refers, unless they are kept until their expiry."""
    if workspace.files:
        used = workspace.references()
        workspace.files = {
            file_id: file
            for file_id, file in workspace.files.items()
            if file_id in used or isinstance(file.record.expires_at, str)
        }


def listing(records: Iterable[object]) -> Listing:
    """A listing of all records in their current state; a long one is in blocks."""
    blocks = [*_blocks([encode(record) for record in records])]
    if len(blocks) <= 1:
        return Listing(b"".join(blocks))

    async def rest() -> AsyncGenerator[bytes, None]:
        for block in blocks[1:]:
            yield b"," + block

    return Listing(blocks[0], rest())


def _blocks(records: list[bytes]) -> Iterable[bytes]:
    """The records, joined by commas: a first block of FIRST_BLOCK_BYTES, then blocks of BLOCK_BYTES."""
    taken: list[bytes] = []
    size, most = 0, FIRST_BLOCK_BYTES
    for record in records:
        taken.append(record)
        size += len(record)
        if size >= most:
            yield b",".join(taken)
            taken, size, most = [], 0, BLOCK_BYTES
    if taken:
        yield b",".join(taken)


def named_page(records: dict[str, object], limit: int | None, cursor: str | None) -> Listing:
    """A page of records in the order of their names, after the name in a cursor; all of these without `limit`."""
    after_name = "" if cursor is None else decode_name(cursor)
    names = sorted(name for name in records if name > after_name)
    if limit is None:
        return listing(records[name] for name in names)
    page, is_followed = page_of([encode(records[name]) for name in names[: limit + 1]], limit)
    next_cursor = encode_name(names[len(page) - 1]) if is_followed else None
    return Listing(b",".join(page), next_cursor=next_cursor)
