"""Writes the words of messages into the index, in short steps, because other writes wait for them."""

import time
from enum import Enum, auto

import apsw

from ...model.records import Message
from ...search.index_entry import entry_of
from ...search.tokenizer import PIPELINE_VERSION, IndexedText, Tokenizer
from ...sql.ports import Bindings, Row
from ..connection import WriteTransaction
from ..statements import LAST_SEQUENCE
from . import statements as search_statements
from .long_texts import LongTexts, entry_of_record
from .waiting import Waiting

# A step ends after the message that uses up this CPU time, so it takes less than twice this. It is CPU time, because
# steps should not be shorter on a busy machine: each one is followed by a sync of the disk.
STEP_SECONDS = 0.008
SESSIONS_AT_ONCE = 100
# Longer records are split into words in another thread. A record of this size is split and written in about 5 ms.
LONG_BYTES = 32 * 1024


class Outcome(Enum):
    """The result of a step: nothing is left, more is left, or the next message must be split into words first."""

    DONE = auto()
    MORE = auto()
    BLOCKED = auto()


class Indexer:
    """Indexes some messages at a time, each time within a transaction of the writer.

    Without `long_texts` it splits long messages itself. It is not thread-safe.
    """

    def __init__(self, tokenizer: Tokenizer, long_texts: LongTexts | None = None) -> None:
        self._tokenizer = tokenizer
        self._long_texts = long_texts

    def index_some(self, connection: apsw.Connection, workspace: str, until: float) -> Outcome:
        """Index the next messages of a workspace, until the CPU time of the thread reaches `until`."""
        row: Row | None = connection.execute(search_statements.SEARCH_PROGRESS, {"workspace": workspace}).fetchone()
        bindings: Bindings = {"workspace": workspace, "seen": 0 if row is None else row[0], "most": SESSIONS_AT_ONCE}
        changed = connection.execute(search_statements.CHANGED_SESSIONS, bindings).fetchall()
        for revision, session_id, deleted in changed:
            if not deleted:
                outcome = self._index(connection, {"workspace": workspace, "id": str(session_id)}, until)
                if outcome is not Outcome.DONE:
                    return outcome
            connection.execute(search_statements.SET_SEARCH_PROGRESS, {"workspace": workspace, "revision": revision})
            if time.thread_time() >= until:
                return Outcome.MORE
        return Outcome.MORE if len(changed) == SESSIONS_AT_ONCE else Outcome.DONE

    def index_waiting(
        self, connection: apsw.Connection, workspace: str, waiting: Waiting, position: int
    ) -> tuple[int, Outcome]:
        """Index messages that a search waits for, from the session at `position`. Returns the next position."""
        until = time.thread_time() + STEP_SECONDS
        while position < len(waiting.sessions):
            session_id, last = waiting.sessions[position]
            outcome = self._index(connection, {"workspace": workspace, "id": session_id}, until, last)
            if outcome is not Outcome.DONE:
                return position, outcome
            position += 1
            if time.thread_time() >= until:
                return position, Outcome.MORE
        bindings: Bindings = {"workspace": workspace, "revision": waiting.revision}
        connection.execute(search_statements.SET_PROGRESS_IF_INDEXED, bindings)
        return position, Outcome.DONE

    def _index(self, connection: apsw.Connection, key: Bindings, until: float, most: int = LAST_SEQUENCE) -> Outcome:
        """Index a session's next messages, up to the sequence `most`."""
        row: Row | None = connection.execute(search_statements.SESSION_TO_INDEX, key).fetchone()
        if row is None:
            return Outcome.DONE
        message_count, number, after = row
        last = min(message_count, most)
        # A session without a number has no messages, although a damaged one may count some.
        if after >= last or number is None:
            return Outcome.DONE
        outcome, after = self._add(connection, key, number, (after, last), until)
        connection.execute(search_statements.SET_INDEXED, {"number": number, "last": after})
        return outcome

    def _add(
        self, connection: apsw.Connection, key: Bindings, number: int, waiting: tuple[int, int], until: float
    ) -> tuple[Outcome, int]:
        """Add the entries of messages in a range, until a CPU time. Returns the last sequence, too."""
        after, last = waiting
        bindings: Bindings = {**key, "after": after, "last": last, "long": LONG_BYTES}
        for sequence, record in connection.execute(search_statements.MESSAGES_TO_INDEX, bindings):
            entry = (
                self._long(connection, key, sequence) if record is None else entry_of_record(record, self._tokenizer)
            )
            if entry is None:
                return Outcome.BLOCKED, after
            connection.execute(search_statements.ADD_ENTRY, _entry(number, sequence, entry))
            after = sequence
            if time.thread_time() >= until:
                return Outcome.MORE, after
        # Messages may be missing at the end of a damaged session.
        return Outcome.DONE, last

    def _long(self, connection: apsw.Connection, key: Bindings, sequence: int) -> IndexedText | None:
        """The words of a long message; None if they are not split yet."""
        place = str(key["workspace"]), str(key["id"]), sequence
        if self._long_texts is not None and self._long_texts.is_running(place):
            return None
        [(record,)] = connection.execute(search_statements.RECORD, {**key, "sequence": sequence})
        if self._long_texts is None:
            return entry_of_record(record, self._tokenizer)
        return self._long_texts.take(place, record)


def reindex(connection: apsw.Connection, key: Bindings, message: Message, words: object, tokenizer: Tokenizer) -> None:
    """Replace the entry of an indexed message, within a transaction, by `words`, or without any by its own words."""
    sequence: Bindings = {"sequence": message.sequence}
    row: Row | None = connection.execute(search_statements.NUMBER_OF_INDEXED, {**key, **sequence}).fetchone()
    if row is None:
        return
    entry = words if isinstance(words, IndexedText) else entry_of(message, tokenizer)
    connection.execute(search_statements.REMOVE_ENTRY, {"number": row[0], **sequence})
    connection.execute(search_statements.ADD_ENTRY, _entry(row[0], message.sequence, entry))


def _entry(number: int, sequence: int, entry: IndexedText) -> Bindings:
    return {"number": number, "sequence": sequence, "words": entry.words, "forms": " ".join(entry.forms)}


def begin_again(connection: apsw.Connection) -> None:
    """Empty the index, within a transaction, so that an `Indexer` writes it again."""
    [(definition,)] = connection.execute(search_statements.SEARCH_TABLE)
    connection.execute(search_statements.FORGET_SEARCH)
    connection.execute(definition)
    connection.execute(search_statements.SET_MERGES)
    connection.execute(search_statements.SET_PIPELINE, {"version": PIPELINE_VERSION})


def begin_again_by_other_rules(connection: apsw.Connection) -> None:
    """Empty the index, in its own transaction, if another version of the program split words by other rules."""
    [(version,)] = connection.execute(search_statements.PIPELINE)
    if version != PIPELINE_VERSION:
        with WriteTransaction(connection):
            begin_again(connection)
