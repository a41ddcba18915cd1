"""Messages as rows of the table `message_row`, from which the view `message` composes their records."""

import msgspec
from msgspec import UnsetType

from ..model.records import Message
from ..sql.ports import Bindings

# A role is stored as its index here.
ROLES = ("user", "assistant", "system", "developer", "tool")

# A record is split into columns only if its year begins with these digits; other records are stored whole.
CENTURY = "20"

# The text between the columns in a record. All quotes in a content are escaped.
_AFTER_CONTENT = '","timestamp":"'
_AROUND_TIMESTAMP = len(_AFTER_CONTENT) + len('","metadata":')
# By role, its number, and the offset of the content in a record.
_ROLES = {role: (number, len(f'{{"role":"{role}","content":"')) for number, role in enumerate(ROLES)}

_encode = msgspec.json.Encoder().encode


def message_columns(message: Message) -> Bindings:
    """The bindings for the columns of a message, and its sequence."""
    record = _encode(message).decode()
    role, start = _ROLES[message.role]
    timestamp: str | None = None
    rest: str | None = None
    content = record
    if message.timestamp.startswith(CENTURY) and message.timestamp.endswith("Z"):
        end = record.index(_AFTER_CONTENT, start)
        timestamp = message.timestamp[len(CENTURY) : -1]
        rest = record[end + _AROUND_TIMESTAMP + len(message.timestamp) : -1]
        if rest == f'{{}},"sequence":{message.sequence}':
            rest = None
        content = record[start:end]
    return {
        "sequence": message.sequence,
        "role": role,
        "message_id": None if isinstance(message.id, UnsetType) else message.id,
        "timestamp": timestamp,
        "rest": rest,
        "content": content,
    }
