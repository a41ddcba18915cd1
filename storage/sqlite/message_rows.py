"""Messages as rows of the table `message_row`, from which the view `message` puts their records together."""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ..model.part_records import Usage
from ..model.records import EMPTY_OBJECT, Message
from ..sql.ports import Bindings

# By their numbers in the table.
ROLES = ("user", "assistant", "system", "developer", "tool")

# The first digits of the years of messages whose records are put together when they are read.
CENTURY = "20"

_NUMBERS = {role: number for number, role in enumerate(ROLES)}
_FIRST = b'{"metadata":'

_encode = msgspec.json.Encoder().encode


class Rest(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The members of a record after those that have columns: as in `Message`, in its order."""

    metadata: Raw
    sequence: int
    agent: str | UnsetType = UNSET
    token_count: int | UnsetType = UNSET
    parts: Raw | UnsetType = UNSET
    model: str | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    id: str | UnsetType = UNSET
    version: int = 1
    edited_at: str | UnsetType = UNSET
    deleted_at: str | UnsetType = UNSET


def message_columns(message: Message) -> Bindings:
    """The columns of a message, and its sequence."""
    rest = _rest(message)
    columns: Bindings = {
        "sequence": message.sequence,
        "role": _NUMBERS[message.role],
        "message_id": None if isinstance(message.id, UnsetType) else message.id,
    }
    if not (message.timestamp.startswith(CENTURY) and message.timestamp.endswith("Z")):
        return columns | {"timestamp": None, "rest": rest or "{}", "content": _encode(message).decode()}
    content = _encode(message.content)[1:-1].decode()
    return columns | {"timestamp": message.timestamp[len(CENTURY) : -1], "rest": rest, "content": content}


def _rest(message: Message) -> str | None:
    """The record from the metadata on, without the last brace; None if only the sequence follows empty metadata."""
    if message == Message(message.role, message.content, message.timestamp, EMPTY_OBJECT, message.sequence):
        return None
    rest = Rest(
        message.metadata,
        message.sequence,
        message.agent,
        message.token_count,
        message.parts,
        message.model,
        message.usage,
        message.id,
        message.version,
        message.edited_at,
        message.deleted_at,
    )
    return _encode(rest)[len(_FIRST) : -1].decode()
