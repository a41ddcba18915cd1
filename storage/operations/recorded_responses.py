"""The stored form of recorded responses: short ones are stored whole, long ones without what is stored elsewhere.

Messages are not stored twice: a repeated response has their current state, corrected or deleted. Long texts, such as a
session's context, are stored separately, once for each session, up to a limit for each workspace: the oldest are
deleted first. A context that the session still has is read from the session if its copy was deleted.
"""

import hashlib
from typing import TypeVar, cast

import msgspec
from msgspec import Raw
from msgspec.json import decode, encode
from msgspec.structs import replace

from ..model.errors import SessionNotFound
from ..model.records import Message, Messages, Session
from ..sql.ports import Bindings, Rows
from ..sql.statements.recorded_responses import (
    BOUND_TEXTS,
    FORGET_TEXTS,
    HAS_TEXT,
    KEEP_TEXT,
    RECORDED_TEXT,
)
from ..sql.statements.sessions import Statements
from ..values.clock import after
from .unit_of_work import UnitOfWork

Result = TypeVar("Result")

# In bytes: a longer response is stored in parts.
MAX_WHOLE_BYTES = 4 * 1024
# In bytes: a longer part is stored separately.
MAX_OWN_BYTES = 1024
# The limit of parts for each workspace, whatever the number of requests.
MAX_TEXT_BYTES = 64 * 1024 * 1024
# A text is kept for this time longer than its first record, so that not every new record updates it.
SLACK_SECONDS = 3_600

_PARTS = ("context", "error_details")
# The name in stored records.
_WHOLE = "answer"


class Appended(msgspec.Struct, frozen=True):
    """The stored form of messages: the first sequence and the last."""

    sequences: tuple[int, int]


class SplitResponse(msgspec.Struct, frozen=True):
    """The stored form of a long response: its parts by their SHA-256, and the rest of a session."""

    digests: dict[str, str]
    session: Session | None = None


class TextNotKept(Exception):
    """A part is no longer stored."""


async def keep(work: UnitOfWork, keep_seconds: float, response: object) -> tuple[str | None, str]:
    """Store the parts of a response for `keep_seconds`. Returns the id of its session, if any, and its record."""
    if isinstance(response, Messages):
        stored = Appended((response.messages[0].sequence, response.messages[-1].sequence))
        return response.session_id, encode(stored).decode()
    session_id = response.id if isinstance(response, Session) else None
    text = encode(response)
    if len(text) <= MAX_WHOLE_BYTES:
        return session_id, text.decode()
    divided, parts = _split(response, text)
    for part in parts:
        await _keep_text(work, keep_seconds, session_id or "", part)
    return session_id, encode(divided).decode()


async def read(work: UnitOfWork, session_id: str | None, text: bytes, kind: type[Result]) -> Result:
    """The response from the text of its record. Raises `TextNotKept`, `SessionNotFound`."""
    if kind is Messages and session_id is not None:
        return cast("Result", await read_messages(work.transaction, work.statements, work.workspace, session_id, text))
    if not text.startswith(b'{"digests":'):
        return decode(text, type=kind)
    divided = decode(text, type=SplitResponse)
    key: Bindings = {"workspace": work.workspace, "id": session_id or ""}
    texts = {name: await _text(work.transaction, key, digest) for name, digest in divided.digests.items()}
    if divided.session is None:
        return decode(texts[_WHOLE], type=kind)
    return cast("Result", replace(divided.session, **{name: Raw(part.encode()) for name, part in texts.items()}))


async def read_messages(rows: Rows, statements: Statements, workspace: str, session_id: str, text: bytes) -> Messages:
    """The messages with the sequences in a record. Raises `SessionNotFound` if they were deleted meanwhile."""
    first, last = decode(text, type=Appended).sequences
    bindings: Bindings = {"workspace": workspace, "id": session_id, "first": first, "last": last}
    found = [decode(record, type=Message) for (record,) in await rows.all(statements.RECORDED_MESSAGES, bindings)]
    if not found:
        raise SessionNotFound(session_id)
    return Messages(session_id, found)


def _split(response: object, text: bytes) -> tuple[SplitResponse, list[bytes]]:
    if not isinstance(response, Session):
        return SplitResponse({_WHOLE: _digest(text)}), [text]
    values = [(name, getattr(response, name)) for name in _PARTS]
    parts = {name: bytes(value) for name, value in values if isinstance(value, Raw)}
    parts = {name: part for name, part in parts.items() if len(part) > MAX_OWN_BYTES}
    rest = replace(response, **dict.fromkeys(parts, Raw(b"{}")))
    return SplitResponse({name: _digest(part) for name, part in parts.items()}, rest), list(parts.values())


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


async def _keep_text(work: UnitOfWork, keep_seconds: float, session_id: str, text: bytes) -> None:
    bindings: Bindings = {
        "workspace": work.workspace,
        "id": session_id,
        "digest": _digest(text),
        "now": work.now,
        "until": after(work.now, keep_seconds),
    }
    if await work.run(HAS_TEXT, bindings) is None:
        slack = min(keep_seconds, SLACK_SECONDS)
        bindings |= {"expires_at": after(work.now, keep_seconds + slack), "content": text.decode(), "size": len(text)}
        await work.run(KEEP_TEXT, bindings)
        await work.run(BOUND_TEXTS, bindings | {"most": MAX_TEXT_BYTES})
    await work.run(FORGET_TEXTS, bindings)


async def _text(rows: Rows, key: Bindings, digest: str) -> str:
    row = await rows.row(RECORDED_TEXT, key | {"digest": digest}) or await rows.row(Statements.CONTEXT, key)
    if row is None or _digest(row[0].encode()) != digest:
        raise TextNotKept
    text: str = row[0]
    return text
