"""Steps of tests: a session with the profile and the directory that it names, and lists read to their end."""

from contextlib import suppress
from typing import TypeVar

import msgspec

from ...storage.model.directories import NewDirectory
from ...storage.model.errors import DirectoryExists, ProfileExists
from ...storage.model.interface import Storage
from ...storage.model.profile_records import NewProfile
from ...storage.model.queries import MessageQuery
from ...storage.model.records import Listing, Message, NewSession, Session

Record = TypeVar("Record")

WHOLE = MessageQuery()


async def create_session(storage: Storage, new: NewSession, workspace: str = "default") -> Session:
    """Create a session, after its profile and its directory if they do not exist."""
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
