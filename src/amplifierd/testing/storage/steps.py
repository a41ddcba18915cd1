"""Steps of tests: sessions with certain members, complete lists, and waiting for background writes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
import pytest

from ...storage.model.directories import NewDirectory
from ...storage.model.errors import DirectoryExists, ProfileExists
from ...storage.model.interface import Storage
from ...storage.model.profile_records import NewProfile
from ...storage.model.queries import MessageQuery, SearchHit, SearchQuery
from ...storage.model.records import AlreadyApplied, Listing, Message, NewSession, Session

Record = TypeVar("Record")

WHOLE = MessageQuery()
SECONDS = 60


async def create_session(storage: Storage, new: NewSession, workspace: str = "default") -> Session:
    """Create a session, and first its profile and directory if they do not exist."""
    if new.profile is not None:
        with suppress(ProfileExists):
            await storage.create_profile(workspace, NewProfile(new.profile))
    with suppress(DirectoryExists):
        await storage.create_directory(workspace, NewDirectory(new.amplified_dir))
    return await storage.create_session(workspace, new)


async def records(listing: Listing, kind: type[Record]) -> list[Record]:
    """The records of a listing."""
    text = listing.first
    if listing.rest is not None:
        async for block in listing.rest:
            text += block
    return msgspec.json.decode(b"[" + text + b"]", type=list[kind])  # type: ignore[valid-type]  # known at run time


async def read(storage: Storage, session_id: str, query: MessageQuery = WHOLE) -> list[Message]:
    """The messages of a session in the default workspace."""
    transcript = await storage.list_messages("default", session_id, query)
    return await records(transcript.messages, Message)


async def recorded(write: Awaitable[object]) -> Any:
    """The recorded response to a write that is repeated under its key; fails if none was recorded."""
    with pytest.raises(AlreadyApplied) as again:
        await write
    return again.value.response


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition is true. Raises TimeoutError after a minute."""
    async with asyncio.timeout(SECONDS):
        while not await condition():  # noqa: ASYNC110  # of the background, another process, or a service
            await asyncio.sleep(0.05)


async def found_by_meaning(storage: Storage, text: str = "zzz", workspace: str = "default") -> int:
    """The number of messages (at most 100) that a search by meaning finds: all that have a vector."""
    listing = await storage.search_messages(workspace, SearchQuery(text, mode="hybrid", limit=100))
    return len(await records(listing, SearchHit))


async def until_found_by_meaning(storage: Storage, count: int, text: str = "zzz", workspace: str = "default") -> None:
    """Wait until a text, a word of no message by default, finds that number of messages: their vectors are written."""

    async def are_found() -> bool:
        return await found_by_meaning(storage, text, workspace) == count

    await until(are_found)
