"""What is written of messages."""

from collections.abc import Sequence

from msgspec import UNSET

from ..model.errors import SequenceConflict, SessionEnded
from ..model.records import BatchMessage, Message, Messages, Versions
from ..sql.ports import Bindings
from ..values.json_text import MAX_SAFE_INTEGER
from ..values.uuid7 import canonical_id
from .unit_of_work import UnitOfWork


def numbered(new: Sequence[BatchMessage], timestamp: str, last: int) -> list[Message]:
    """Messages that were appended together, the last of which got this sequence."""
    return [_message(each, timestamp, sequence) for sequence, each in enumerate(new, last - len(new) + 1)]


def tokens_of(new: Sequence[BatchMessage]) -> int:
    """The sum of the messages' tokens."""
    return sum(each.token_count or 0 for each in new)


async def append(
    change: UnitOfWork, session_id: str, new: Sequence[BatchMessage], expected: int | None, versions: Versions
) -> Messages:
    """Append messages in their order."""
    key = change.key(session_id)
    if versions is not None or expected is not None:
        await _check(change, session_id, expected, versions)
    last, timestamp = await _count(change, key, new)
    messages = numbered(new, timestamp, last)
    await change.transaction.insert_messages(key, messages)
    return Messages(canonical_id(session_id), messages)


async def _check(change: UnitOfWork, session_id: str, expected: int | None, versions: Versions) -> None:
    next_sequence = (await change.state(session_id, versions)).message_count + 1
    if expected is not None and expected != next_sequence:
        raise SequenceConflict(session_id, expected, next_sequence)


async def _count(change: UnitOfWork, key: Bindings, new: Sequence[BatchMessage]) -> tuple[int, str]:
    """Count messages that come; the last one's sequence, and their time."""
    counted = key | {"count": len(new), "tokens": tokens_of(new), "most": MAX_SAFE_INTEGER}
    row = await change.run(change.statements.COUNT_MESSAGES, counted)
    if row is None:
        await _start(change, counted)
        row = await change.run(change.statements.COUNT_MESSAGES, counted)
        assert row is not None, "A session that was started takes messages."
    sequence, timestamp = row
    return sequence, timestamp


async def _start(change: UnitOfWork, counted: Bindings) -> None:
    session_id = str(counted["id"])
    status = (await change.state(session_id, None)).status
    if status != "created":
        raise SessionEnded(session_id, status)
    await change.run(change.statements.START_WITH_MESSAGES, counted)


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
