"""Gives transcripts back to their sessions if the numbers of sessions were lost or exchanged.

A message is stored under the number of its session, and one row says which session has a number. If the row is lost or
wrong, the last message under the number identifies the session, which has the beginning and the sequence of it too.
"""

from collections import defaultdict
from typing import NamedTuple

import apsw

from ...model.database_errors import decoded_message
from ...model.records import LastMessage
from ...operations.messages import read_last_message, shown_last
from ...sql.ports import Bindings
from . import check_statements

# The sequence of the last message of a transcript, and its form in lists of sessions.
End = tuple[int, LastMessage]


class Misplaced(NamedTuple):
    """A session without its transcript, and the number of the transcript."""

    workspace: str
    session_id: str
    number: int

    @property
    def bindings(self) -> Bindings:
        """The bindings of a statement about both."""
        return {"workspace": self.workspace, "id": self.session_id, "number": self.number}


def misplaced(connection: apsw.Connection) -> list[Misplaced]:
    """The transcripts that match only one session, and these sessions; sessions of other workspaces never match."""
    sessions: defaultdict[End, list[tuple[str, str]]] = defaultdict(list)
    # The workspace of a lost number is not known.
    numbers: defaultdict[End, list[tuple[str | None, int]]] = defaultdict(list)
    for workspace, session_id, count, shown, number, last, record in connection.execute(check_statements.ENDS):
        end = _shown_end(count, shown)
        actual = _end_of(last, record)
        if end == actual:
            continue
        if end is not None:
            sessions[end].append((workspace, session_id))
        if actual is not None:
            numbers[actual].append((workspace, number))
    for number, last, record in connection.execute(check_statements.ENDS_OF_LOST_NUMBERS):
        actual = _end_of(last, record)
        if actual is not None:
            numbers[actual].append((None, number))
    found = []
    for end, without in sessions.items():
        if len(without) == len(numbers.get(end, ())) == 1:
            [(workspace, session_id)], [(of, number)] = without, numbers[end]
            if of in (None, workspace):
                found.append(Misplaced(workspace, session_id, number))
    return found


def number_again(connection: apsw.Connection, found: list[Misplaced]) -> bool:
    """Give transcripts back, within a transaction; False, without a write, if some were changed since the reading.

    The index of words has to be written again afterwards.
    """
    if not all(_is_misplaced(connection, each) for each in found):
        return False
    for statement in (check_statements.FREE_NUMBER, check_statements.GIVE_NUMBER):
        connection.executemany(statement, [each.bindings for each in found])
    return True


def _is_misplaced(connection: apsw.Connection, found: Misplaced) -> bool:
    end = _missing_end(connection, found.workspace, found.session_id)
    [(last, record, workspace, owner)] = connection.execute(check_statements.END_OF_NUMBER, {"number": found.number})
    if end is None or end != _end_of(last, record):
        return False
    return owner is None or _missing_end(connection, workspace, owner) is not None


def _missing_end(connection: apsw.Connection, workspace: str, session_id: str) -> End | None:
    """What a session shows of its last message; None if it has that."""
    key: Bindings = {"workspace": workspace, "id": session_id}
    for *_, count, shown, _, last, record in connection.execute(check_statements.END_OF_SESSION, key):
        end = _shown_end(count, shown)
        return None if end == _end_of(last, record) else end
    return None


def _shown_end(count: int, shown: str | None) -> End | None:
    last = read_last_message(shown)
    return None if last is None else (count, last)


def _end_of(last: int | None, record: bytes | None) -> End | None:
    message = None if record is None else decoded_message(record)
    if message is None or last is None:
        return None
    return last, shown_last(message)
