"""A typical implementation: FastAPI, Pydantic, SQLAlchemy's asyncio session, aiosqlite in WAL mode or asyncpg."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import JSON, DateTime, ForeignKey, Index, event, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DATABASE = os.environ["BENCH_DATABASE"]

engine = (
    # With the default of 5, a server with 16 clients would open connections all the time.
    create_async_engine(DATABASE, pool_size=20)
    if "://" in DATABASE
    else create_async_engine(f"sqlite+aiosqlite:///{DATABASE}")
)
new_session = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def _switch_to_wal(connection: Any, _record: object) -> None:
    if engine.dialect.name == "sqlite":
        connection.execute("PRAGMA journal_mode = WAL")


class Table(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[dict[str, Any]]: JSON, datetime: DateTime(timezone=True)}  # noqa: RUF012  # as SQLAlchemy documents it


class Session(Table):
    __tablename__ = "session"
    __table_args__ = (Index("session_by_update", "updated_at", "id"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    profile: Mapped[str]
    context: Mapped[dict[str, Any]]
    amplified_dir: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(default="created")
    message_count: Mapped[int] = mapped_column(default=0)
    token_usage: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)


class Message(Table):
    __tablename__ = "message"
    session_id: Mapped[str] = mapped_column(ForeignKey("session.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str]
    content: Mapped[str]
    timestamp: Mapped[datetime]
    # `metadata` is reserved in a declarative class.
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    parts: Mapped[list[dict[str, Any]] | None]


class NewSession(BaseModel):
    model_config = ConfigDict(extra="forbid")
    profile: str = Field("default", min_length=1, max_length=129)
    context: dict[str, Any] = {}
    amplified_dir: str = Field(".", min_length=1, max_length=1024)


class NewMessage(BaseModel):
    model_config = ConfigDict(extra="forbid")
    content: str = ""
    parts: list[dict[str, Any]] | None = None
    role: Literal["user", "assistant", "system", "tool"] = "user"
    metadata: dict[str, Any] = {}


class ResponseModel(BaseModel):
    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)


class SessionSummary(ResponseModel):
    id: str
    status: str
    profile: str
    amplified_dir: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    message_count: int
    token_usage: int
    version: int


class SessionResponse(SessionSummary):
    context: dict[str, Any]


class MessageResponse(ResponseModel):
    role: str
    content: str
    timestamp: datetime
    metadata: dict[str, Any] = Field(validation_alias="details")
    parts: list[dict[str, Any]] | None = None
    sequence: int


class Transcript(ResponseModel):
    session_id: str
    messages: list[MessageResponse]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Table.metadata.create_all)
    yield
    await engine.dispose()


async def database() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


app = FastAPI(lifespan=lifespan)
Database = Annotated[AsyncSession, Depends(database)]
Limit = Annotated[int | None, Query(ge=1, le=1000)]


@app.post("/api/v1/sessions", status_code=201, response_model=SessionResponse, response_model_exclude_none=True)
async def create_session(new: NewSession, database: Database) -> Session:
    moment = datetime.now(UTC)
    session = Session(id=str(uuid.uuid4()), created_at=moment, updated_at=moment, **new.model_dump())
    database.add(session)
    await database.commit()
    return session


@app.get("/api/v1/sessions/{session_id}", response_model=SessionResponse, response_model_exclude_none=True)
async def get_session(session_id: str, database: Database) -> Session:
    session = await database.get(Session, session_id)
    if session is None:
        raise HTTPException(404, f"Session {session_id} not found")
    return session


@app.get("/api/v1/sessions", response_model=list[SessionSummary], response_model_exclude_none=True)
async def list_sessions(
    request: Request, response: Response, database: Database, limit: Limit = None, cursor: str | None = None
) -> list[Session]:
    query = select(Session).order_by(Session.updated_at.desc(), Session.id.desc()).limit(limit)
    if cursor is not None:
        updated_at, _, session_id = cursor.partition("_")
        position = (datetime.fromisoformat(updated_at), session_id)
        query = query.where(tuple_(Session.updated_at, Session.id) < position)
    sessions = list(await database.scalars(query))
    if limit is not None and len(sessions) == limit:
        last = sessions[-1]
        url = request.url.include_query_params(cursor=f"{last.updated_at.isoformat()}_{last.id}")
        response.headers["Link"] = f'<{url}>; rel="next"'
    return sessions


@app.post(
    "/api/v1/sessions/{session_id}/messages",
    status_code=201,
    response_model=MessageResponse,
    response_model_exclude_none=True,
)
async def send_message(session_id: str, new: NewMessage, database: Database) -> Message:
    moment = datetime.now(UTC)
    counted = await database.execute(
        update(Session)
        .where(Session.id == session_id)
        .values(
            message_count=Session.message_count + 1,
            version=Session.version + 1,
            updated_at=moment,
            started_at=func.coalesce(Session.started_at, moment),
            status="active",
        )
        .returning(Session.message_count)
    )
    sequence = counted.scalar_one_or_none()
    if sequence is None:
        raise HTTPException(404, f"Session {session_id} not found")
    message = Message(
        session_id=session_id,
        sequence=sequence,
        role=new.role,
        content=new.content,
        timestamp=moment,
        details=new.metadata,
        parts=new.parts,
    )
    database.add(message)
    await database.commit()
    return message


@app.get("/api/v1/sessions/{session_id}/messages", response_model=Transcript, response_model_exclude_none=True)
async def list_messages(session_id: str, database: Database, limit: Limit = None, after_sequence: int = 0) -> Any:
    if await database.get(Session, session_id) is None:
        raise HTTPException(404, f"Session {session_id} not found")
    query = select(Message).where(Message.session_id == session_id, Message.sequence > after_sequence)
    messages = await database.scalars(query.order_by(Message.sequence).limit(limit))
    return {"session_id": session_id, "messages": list(messages)}
