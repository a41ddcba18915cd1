"""The storage in one SQLite file: one thread writes, every connection reads."""

import asyncio
from pathlib import Path

import apsw
import msgspec
import uuid_utils
from msgspec import Raw

from ..clock import later_than, now
from ..cursor import decode, encode
from ..errors import DatabaseUnusable, SessionNotFound
from ..interface import Storage
from ..records import Listing, Message, NewMessage, NewSession, Session, SessionSummary, Transcript
from ..span import sequences
from . import statements
from .checkpointer import Checkpointer
from .connection import connect_writer, switch_to_wal
from .migrations import migrate, refuse_another_program_s
from .readers import Bindings, Readers, Row
from .writer import Writer

NO_LIMIT = -1

_decode_summary = msgspec.json.Decoder(SessionSummary).decode


class SQLiteStorage(Storage):
    """Keeps everything in the file at `path`, which several processes may share; `open` makes it at need."""

    kind = "sqlite"

    def __init__(self, path: str) -> None:
        self.path = path

    async def open(self) -> None:
        connection = _open_database(self.path)
        self._checkpointer = Checkpointer(connection, self.path)
        self._writer = Writer(connection, asyncio.get_running_loop())
        self._readers = Readers(self.path)

    async def close(self) -> None:
        self._readers.close()
        await self._writer.close()
        self._checkpointer.close()

    async def ping(self) -> None:
        self._readers.row(statements.PING, {})

    async def create_session(self, workspace: str, new: NewSession) -> Session:
        created_at = now()
        session = Session(
            id=str(uuid_utils.uuid7()),
            profile=new.profile,
            context=new.context,
            amplified_dir=new.amplified_dir,
            created_at=created_at,
            updated_at=created_at,
            message_count=0,
        )
        bindings = {
            "workspace": workspace,
            "id": session.id,
            "profile": new.profile,
            "context": _text(new.context),
            "amplified_dir": new.amplified_dir,
            "now": created_at,
        }

        def insert(connection: apsw.Connection) -> Session:
            connection.execute(statements.INSERT_SESSION, bindings)
            connection.execute(statements.INSERT_CONTEXT, bindings)
            return session

        return await self._writer.write(insert)

    async def get_session(self, workspace: str, session_id: str) -> Session:
        return _session(session_id, self._readers.row(statements.SESSION, _key(workspace, session_id)))

    async def list_sessions(self, workspace: str, *, limit: int | None, cursor: str | None) -> Listing:
        updated_at, session_id = statements.FIRST_POSITION if cursor is None else decode(cursor)
        bindings = _key(workspace, session_id) | {"updated_at": updated_at}
        if limit is None:
            return await self._readers.listing(statements.SESSIONS, bindings | {"limit": NO_LIMIT})
        return _page(self._readers.column(statements.SESSIONS, bindings | {"limit": limit + 1}), limit)

    async def resume_session(self, workspace: str, session_id: str) -> Session:
        key = _key(workspace, session_id)

        def resume(connection: apsw.Connection) -> Session:
            row = connection.execute(statements.UPDATED_AT, key).fetchone()
            if row is None:
                raise SessionNotFound(session_id)
            connection.execute(statements.RESUME_SESSION, key | {"updated_at": later_than(row[0])})
            return _session(session_id, connection.execute(statements.SESSION, key).fetchone())

        return await self._writer.write(resume)

    async def delete_session(self, workspace: str, session_id: str) -> None:
        key = _key(workspace, session_id)

        def delete(connection: apsw.Connection) -> None:
            connection.execute(statements.DELETE_SESSION, key)
            if connection.changes() == 0:
                raise SessionNotFound(session_id)

        await self._writer.write(delete)

    async def append_message(self, workspace: str, session_id: str, new: NewMessage) -> Message:
        key = _key(workspace, session_id)

        def append(connection: apsw.Connection) -> Message:
            row = connection.execute(statements.COUNT_MESSAGE, key | {"now": now()}).fetchone()
            if row is None:
                raise SessionNotFound(session_id)
            sequence, timestamp = row
            message = Message(new.role, new.content, timestamp, new.metadata, sequence)
            record = msgspec.json.encode(message).decode()
            connection.execute(statements.INSERT_MESSAGE, key | {"sequence": sequence, "record": record})
            return message

        return await self._writer.write(append)

    async def list_messages(
        self,
        workspace: str,
        session_id: str,
        *,
        limit: int | None,
        after_sequence: int | None,
        before_sequence: int | None,
    ) -> Transcript:
        key = _key(workspace, session_id)
        row = self._readers.row(statements.MESSAGE_COUNT, key)
        if row is None:
            raise SessionNotFound(session_id)
        first, last = sequences(row[0], limit, after_sequence, before_sequence)
        return Transcript(session_id, await self._messages(key, first, last))

    async def _messages(self, key: Bindings, first: int, last: int) -> Listing:
        if first > last:
            return Listing(b"")
        bindings = key | {"first": first, "last": last}
        joined = self._readers.joined(statements.JOINED_MESSAGES, bindings)
        messages = await self._readers.listing(statements.MESSAGES, bindings) if joined is None else Listing(joined)
        if not messages.first:
            # It was deleted between the statements, each of which sees one moment.
            raise SessionNotFound(str(key["id"]))
        return messages


def _open_database(path: str) -> apsw.Connection:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = connect_writer(path)
        refuse_another_program_s(connection, path)
        switch_to_wal(connection)
        migrate(connection, path)
    except apsw.NotADBError as error:
        raise DatabaseUnusable(f"The file {path} is not a SQLite database; name another.") from error
    except (OSError, apsw.Error) as error:
        raise DatabaseUnusable(
            f"The database {path} can't be opened for writing: {error}. "
            "Check the path, the permissions of the file and its directory, and the space on the disk."
        ) from error
    return connection


def _key(workspace: str, session_id: str) -> Bindings:
    return {"workspace": workspace, "id": session_id}


def _text(value: Raw) -> str:
    return bytes(value).decode()


def _session(session_id: str, row: Row | None) -> Session:
    if row is None:
        raise SessionNotFound(session_id)
    identity, profile, context, *rest = row
    return Session(identity, profile, Raw(context), *rest)


def _page(records: list[bytes], limit: int) -> Listing:
    if len(records) <= limit:
        return Listing(b",".join(records))
    page = records[:limit]
    last = _decode_summary(page[-1])
    return Listing(b",".join(page), next_cursor=encode(last.updated_at, last.id))
