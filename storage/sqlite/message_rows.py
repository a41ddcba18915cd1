"""Messages as rows of the table `message_row`, from which the view `message` puts their records together."""

import msgspec
from msgspec import UnsetType

from ..model.records import Message
from ..sql.ports import Bindings

# By their numbers in the table.
ROLES = ("user", "assistant", "system", "developer", "tool")

# The first digits of the years of messages whose records are put together when they are read.
CENTURY = "20"

_NUMBERS = {role: number for number, role in enumerate(ROLES)}
# What is between the columns in a record. A content has no quotes that are not escaped.
_AFTER_CONTENT = '","timestamp":"'
_AFTER_TIMESTAMP = '","metadata":'

_encode = msgspec.json.Encoder().encode


def message_columns(message: Message) -> Bindings:
    """The columns of a message, and its sequence."""
    record = _encode(message).decode()
    beginning, _, ending = record.partition(_AFTER_CONTENT)
    timestamp = message.timestamp
    rest = ending[len(timestamp) + len(_AFTER_TIMESTAMP) : -1]
    columns: Bindings = {
        "sequence": message.sequence,
        "role": _NUMBERS[message.role],
        "message_id": None if isinstance(message.id, UnsetType) else message.id,
        "rest": None if rest == f'{{}},"sequence":{message.sequence}' else rest,
    }
    if not (timestamp.startswith(CENTURY) and timestamp.endswith("Z")):
        return columns | {"timestamp": None, "rest": None, "content": record}
    content = beginning.removeprefix(f'{{"role":"{message.role}","content":"')
    return columns | {"timestamp": timestamp[len(CENTURY) : -1], "content": content}
