"""What is written of messages."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from ..errors import SequenceConflict, SessionEnded
from ..interface import Versions
from ..records import BatchMessage, Message, Messages, NewMessage, NewMessages
from ..sums import MOST
from . import statements
from .change import Bindings, Change

_encode = msgspec.json.Encoder().encode


def append(change: Change, session_id: str, new: NewMessage, versions: Versions) -> Message:
    """Append one message."""
    [message] = _append(change, session_id, [new], new.expected_sequence, versions)
    return message


def append_all(change: Change, session_id: str, new: NewMessages, versions: Versions) -> Messages:
    """Append messages in their order."""
    return Messages(session_id, _append(change, session_id, new.messages, new.expected_sequence, versions))


def insert(change: Change, key: Bindings, message: Message) -> None:
    """Write a message of the session that has this key; nothing counts it."""
    bindings: Bindings = {
        "sequence": message.sequence,
        "role": message.role,
        "tokens": message.token_count or 0,
        "record": _encode(message).decode(),
    }
    change.run(statements.INSERT_MESSAGE, key | bindings)


def _append(
    change: Change, session_id: str, new: Sequence[BatchMessage], expected: int | None, versions: Versions
) -> list[Message]:
    key = change.key(session_id)
    if versions is not None or expected is not None:
        _check(change, session_id, expected, versions)
    last, timestamp = _count(change, key, new)
    messages = [_message(each, timestamp, last - len(new) + place) for place, each in enumerate(new, 1)]
    for message in messages:
        insert(change, key, message)
    return messages


def _check(change: Change, session_id: str, expected: int | None, versions: Versions) -> None:
    next_sequence = change.state(session_id, versions).message_count + 1
    if expected is not None and expected != next_sequence:
        raise SequenceConflict(session_id, expected, next_sequence)


def _count(change: Change, key: Bindings, new: Sequence[BatchMessage]) -> tuple[int, str]:
    """Count messages that come; the last one's sequence, and their time."""
    counted = key | {"count": len(new), "tokens": sum(each.token_count or 0 for each in new), "most": MOST}
    row = change.run(statements.COUNT_MESSAGES, counted)
    if row is None:
        _start(change, counted)
        row = change.run(statements.COUNT_MESSAGES, counted)
        assert row is not None, "A session that was started takes messages."
    sequence, timestamp = row
    return sequence, timestamp


def _start(change: Change, counted: Bindings) -> None:
    session_id = str(counted["id"])
    status = change.state(session_id, None).status
    if status != "created":
        raise SessionEnded(session_id, status)
    change.run(statements.START_WITH_MESSAGES, counted)


def _message(new: BatchMessage, timestamp: str, sequence: int) -> Message:
    return Message(
        new.role,
        new.content,
        timestamp,
        new.metadata,
        sequence,
        UNSET if new.agent is None else new.agent,
        UNSET if new.token_count is None else new.token_count,
    )
