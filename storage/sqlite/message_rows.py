"""Messages as rows of the table `message_row`, from which the view `message` puts their records together."""

import msgspec
from msgspec import UnsetType

from ..model.records import Message
from ..sql.ports import Bindings

# By their numbers in the table.
ROLES = ("user", "assistant", "system", "developer", "tool")

# The first digits of the years of messages whose records are put together when they are read.
CENTURY = "20"

# What is between the columns in a record. A content has no quotes that are not escaped.
_AFTER_CONTENT = '","timestamp":"'
_AROUND_TIMESTAMP = len(_AFTER_CONTENT) + len('","metadata":')
# By role, its number, and where the content of a record begins.
_ROLES = {role: (number, len(f'{{"role":"{role}","content":"')) for number, role in enumerate(ROLES)}

_encode = msgspec.json.Encoder().encode


def message_columns(message: Message) -> Bindings:
    """The columns of a message, and its sequence."""
    record = _encode(message).decode()
    role, start = _ROLES[message.role]
    columns: Bindings = {
        "sequence": message.sequence,
        "role": role,
        "message_id": None if isinstance(message.id, UnsetType) else message.id,
        "timestamp": None,
        "rest": None,
        "content": record,
    }
    timestamp = message.timestamp
    if timestamp.startswith(CENTURY) and timestamp.endswith("Z"):
        end = record.index(_AFTER_CONTENT, start)
        rest = record[end + _AROUND_TIMESTAMP + len(timestamp) : -1]
        columns["timestamp"] = timestamp[len(CENTURY) : -1]
        columns["rest"] = None if rest == f'{{}},"sequence":{message.sequence}' else rest
        columns["content"] = record[start:end]
    return columns
