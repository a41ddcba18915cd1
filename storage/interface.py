"""The storage as handlers see it: what every backend does, in which order, within which limits."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Literal, Self

from .records import Listing, Message, NewMessage, NewSession, Session, Transcript


class Storage(ABC):
    """Keeps sessions and their messages, each under a workspace, which is a tenant.

    A workspace sees nothing of another's. A method returns when its effect is durable: on disk, not in a buffer. Two
    calls that meet are ordered by the storage; a reader sees all of a write or nothing of it. Times come from the
    storage and never go back within a session, whatever the clock does.

    Every method raises `StorageUnavailable` when the storage can't answer now; nothing was written then.
    """

    kind: ClassVar[Literal["sqlite", "postgresql"]]

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Make ready for the running event loop: create the database at need, bring its schema up to date.

        Raises `DatabaseUnusable` when that can't be done; its text says what to do.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what is being written, then let go of everything."""

    @abstractmethod
    async def ping(self) -> None:
        """Return when the storage can be read."""

    @abstractmethod
    async def create_session(self, workspace: str, new: NewSession) -> Session:
        """Open a session with a new id (UUID version 7) and an empty transcript."""

    @abstractmethod
    async def get_session(self, workspace: str, session_id: str) -> Session:
        """Read a session. Raises `SessionNotFound`."""

    @abstractmethod
    async def list_sessions(self, workspace: str, *, limit: int | None, cursor: str | None) -> Listing:
        """List `SessionSummary` records by `updated_at`, the last first, ties by id.

        `limit` is at least 1; None reads them all, from one moment, in constant memory. `cursor` is a listing's
        `next_cursor`, a position in that order: sessions that come or move meanwhile shift no page.
        """

    @abstractmethod
    async def resume_session(self, workspace: str, session_id: str) -> Session:
        """Move a session's `updated_at` on, always to a later time. Raises `SessionNotFound`."""

    @abstractmethod
    async def delete_session(self, workspace: str, session_id: str) -> None:
        """Delete a session and its transcript. Raises `SessionNotFound`."""

    @abstractmethod
    async def append_message(self, workspace: str, session_id: str, new: NewMessage) -> Message:
        """Append a message under the next sequence number. Raises `SessionNotFound`."""

    @abstractmethod
    async def list_messages(
        self,
        workspace: str,
        session_id: str,
        *,
        limit: int | None,
        after_sequence: int | None,
        before_sequence: int | None,
    ) -> Transcript:
        """List `Message` records by sequence, oldest first, from one moment, in constant memory.

        Those with `after_sequence` < sequence < `before_sequence`; at most `limit` of them (at least 1, None is all):
        the last ones where `before_sequence` is given, else the first. Raises `SessionNotFound`.
        """
