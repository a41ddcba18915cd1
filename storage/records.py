"""What the storage keeps, in the names of the wire: camelCase in answers, snake_case in what a client sends.

Every record encodes to JSON with `msgspec.json.encode` as the contract describes it. A `msgspec.Raw` holds a JSON value
as text, so that it comes back as it was sent: order of keys, `1.0`, integers of any size.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import Raw, Struct

EMPTY_OBJECT = Raw(b"{}")

Role = Literal["user", "assistant", "system", "tool"]


class NewSession(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says to open a session."""

    profile: str = "default"
    context: Raw = EMPTY_OBJECT
    amplified_dir: str = "."


class Session(Struct, frozen=True, rename="camel"):
    """A conversation; times are RFC 3339 in UTC with six digits, `message_count` is the last message's sequence."""

    id: str
    profile: str
    context: Raw
    amplified_dir: str
    created_at: str
    updated_at: str
    message_count: int


class SessionSummary(Struct, frozen=True, rename="camel"):
    """A conversation as a list shows it, without its context."""

    id: str
    profile: str
    amplified_dir: str
    created_at: str
    updated_at: str
    message_count: int


class NewMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says to append a message."""

    content: str
    role: Role = "user"
    metadata: Raw = EMPTY_OBJECT


class Message(Struct, frozen=True, rename="camel"):
    """One message; `sequence` counts from 1 in its session, without gaps."""

    role: Role
    content: str
    timestamp: str
    metadata: Raw
    sequence: int


class Blocks(Protocol):
    """Blocks of a list that is being read; `aclose` gives back what reading them holds."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of records as JSON text: the records, encoded, with commas between them.

    `first` begins it. Where `rest` is None it is all of it; otherwise its blocks of some 256 KiB follow, each beginning
    with its comma, and whoever holds the listing iterates `rest` or closes it. `next_cursor` leads to the next page.
    """

    first: bytes
    rest: Blocks | None = None
    next_cursor: str | None = None


class Transcript(Struct, frozen=True, rename="camel"):
    """Messages of one session, oldest first."""

    session_id: str
    messages: Listing
