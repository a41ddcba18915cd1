"""Gives transcripts back to their sessions, when numbers of sessions were lost or exchanged.

A message is stored under the number of its session. Which session has a number is in one row; if that is lost or wrong,
the last message tells, whose beginning and sequence are with the session too.
"""

from collections import defaultdict
from typing import NamedTuple

import apsw
import msgspec

from ...model.records import LastMessage
from ...operations.messages import MAX_SHOWN, read_record
from ...sql.ports import Bindings
from . import check_statements

# The sequence of the last message of a transcript, and what a list of sessions shows of it.
End = tuple[int, LastMessage]

_decode_last = msgspec.json.Decoder(LastMessage).decode


class _Misplaced(NamedTuple):
    """Sessions without their transcript, and the numbers that they have; and transcripts without their session."""

    sessions: dict[End, list[tuple[str, str]]]
    numbers: dict[End, list[int]]


def number_again(connection: apsw.Connection) -> int:
    """Give transcripts back to those sessions of which only one can have them, within a transaction. Returns how many.

    The index of words has to be rebuilt afterwards.
    """
    found = _misplaced(connection)
    pairs = [
        (sessions[0], found.numbers[end][0])
        for end, sessions in found.sessions.items()
        if len(sessions) == len(found.numbers.get(end, ())) == 1
    ]
    for (workspace, session_id), number in pairs:
        bindings: Bindings = {"workspace": workspace, "id": session_id, "number": number}
        connection.execute(check_statements.FREE_NUMBER, bindings)
    for (workspace, session_id), number in pairs:
        bindings = {"workspace": workspace, "id": session_id, "number": number}
        connection.execute(check_statements.GIVE_NUMBER, bindings)
    return len(pairs)


def _misplaced(connection: apsw.Connection) -> _Misplaced:
    sessions: defaultdict[End, list[tuple[str, str]]] = defaultdict(list)
    numbers: defaultdict[End, list[int]] = defaultdict(list)
    for workspace, session_id, count, shown, number, last, record in connection.execute(check_statements.ENDS):
        end = _shown_end(count, shown)
        there = _end_of(last, record)
        if end == there:
            continue
        if end is not None:
            sessions[end].append((workspace, session_id))
        if there is not None:
            numbers[there].append(number)
    for number, last, record in connection.execute(check_statements.ENDS_OF_LOST_NUMBERS):
        there = _end_of(last, record)
        if there is not None:
            numbers[there].append(number)
    return _Misplaced(sessions, numbers)


def _shown_end(count: int, shown: str | None) -> End | None:
    try:
        return None if shown is None else (count, _decode_last(shown))
    except msgspec.MsgspecError:
        return None


def _end_of(last: int | None, record: bytes | None) -> End | None:
    message = None if record is None else read_record(record)
    if message is None or last is None:
        return None
    return last, LastMessage(message.role, message.timestamp, message.content[:MAX_SHOWN])
