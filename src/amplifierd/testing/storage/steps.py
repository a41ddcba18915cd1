"""Listings read to their end, as a client reads them."""

from typing import TypeVar

import msgspec

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import MessageQuery
from amplifierd.storage.model.records import Listing, Message

Record = TypeVar("Record")

WHOLE = MessageQuery()


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
