"""Writes the words of messages into the index, in steps that are short enough for other writes to wait for them.

Words are told apart before, outside of any transaction. A step looks whether they are still those of its messages.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import apsw

from ...model.records import Message
from ...search import tokenizer as splitting
from ...search.searched_text import searched_text
from ...search.tokenizer import PIECE_BYTES, PIPELINE_VERSION, IndexedText, Tokenizer
from ...sql.ports import Bindings, Row
from ...values.json_text import MAX_SAFE_INTEGER
from ..connection import transaction
from . import index_statements as statements
from .waiting import LONG_BYTES, MAX_SESSIONS, Batch, Plan, long_text, next_batches, plan

# A step writes as many bytes of words and forms, within some milliseconds; its last entry may exceed it.
BYTES_AT_ONCE = 64 * 1024
# As many entries of messages with few words.
ENTRIES_AT_ONCE = 250
# A message with more of them is indexed in pieces.
MAX_ENTRY_BYTES = 2 * PIECE_BYTES
MERGED_PAGES = 16

# See https://www.sqlite.org/fts5.html#the_merge_command
MERGE = """
INSERT INTO search (search, rank)
VALUES ('merge', :pages)
"""
# A merge without effect changes fewer rows.
LEAST_CHANGES = 2

EMPTY = IndexedText("", 0, [])


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of some messages of a batch, after one and up to `last`; None for one that is indexed in pieces."""

    batch: Batch
    after: int
    last: int
    entries: list[tuple[int, IndexedText | None]]


# What is written in one transaction.
Step = list[Entries]


def steps(batches: Iterable[Batch], tokenizer: Tokenizer) -> Iterator[Step]:
    """The steps that write these batches, in order."""
    step: Step = []
    size = count = 0
    for batch in batches:
        after = batch.after
        entries: list[tuple[int, IndexedText | None]] = []
        for sequence, text in batch.texts:
            said = None if text is None else _short(tokenizer.indexed(text))
            entries.append((sequence, said))
            size += said.bytes if said is not None else 0
            count += 1
            if size >= BYTES_AT_ONCE or count >= ENTRIES_AT_ONCE:
                yield [*step, Entries(batch, after, sequence, entries)]
                step, entries, after = [], [], sequence
                size = count = 0
        if entries or after < batch.last:
            step.append(Entries(batch, after, batch.last, entries))
            # It takes some statements even if it has no messages.
            count += 1
    if step:
        yield step


def write_step(connection: apsw.Connection, workspace: str, step: Step) -> bool:
    """Write the entries of a step, within a transaction.

    Returns False if it left out those of a session that has changed, or was indexed by another process.
    """
    counts = [_write(connection, workspace, entries) for entries in step]
    count = sum(count or 0 for count in counts)
    if count:
        connection.execute(statements.COUNT_INDEXED, {"workspace": workspace, "count": count})
    return None not in counts


def write_last_step(connection: apsw.Connection, made: Plan, step: Step) -> bool:
    """The same for the last step of a plan, of which nothing was left out before."""
    is_done = write_step(connection, made.workspace, step)
    if is_done:
        bindings = {"workspace": made.workspace, "revision": made.revision, "generation": made.generation}
        connection.execute(statements.SET_PROGRESS, bindings)
    return is_done


def _write(connection: apsw.Connection, workspace: str, new: Entries) -> int | None:
    """Write entries; how many messages can be found by them, None if they were left out."""
    batch = new.batch
    key: Bindings = {"workspace": workspace, "id": batch.session_id, "after": new.after, "last": new.last}
    same = key | {"version": batch.version, "created_revision": batch.created_revision}
    if connection.execute(statements.IS_UNCHANGED, same).fetchone() is None:
        return None
    connection.execute(statements.ADD_SEARCH_SESSION, key)
    row: Row | None = connection.execute(statements.SET_SEARCH_SESSION, key).fetchone()
    if row is None:
        return None
    short = [_entry(row[0], sequence, said) for sequence, said in new.entries if said is not None]
    connection.executemany(statements.ADD_ENTRY, short)
    long = [key | {"sequence": sequence} for sequence, said in new.entries if said is None]
    connection.executemany(statements.ADD_LONG, long)
    return len(short)


def write_pieces(
    connection: apsw.Connection,
    workspace: str,
    number: int,
    first: int,
    pieces: Sequence[IndexedText],
    total: int | None,
) -> bool:
    """Write the pieces of a long message from place `first` on, within a transaction.

    If they are the last ones, the message has `total` words.
    Returns False if the message was replaced, removed, or indexed by another process.
    """
    row: Row | None = connection.execute(statements.PIECES, {"number": number}).fetchone()
    if row is None:
        return False
    # Another process may have written some of them.
    there: int = row[0]
    new = [_entry(number, first + place, said) for place, said in enumerate(pieces) if first + place >= there]
    connection.executemany(statements.ADD_ENTRY, new)
    bindings = {"number": number, "pieces": max(there, first + len(pieces)), "total": total}
    connection.execute(statements.SET_PIECES, bindings)
    if total is not None:
        connection.execute(statements.COUNT_INDEXED, {"workspace": workspace, "count": 1})
    return True


def next_pieces(first: IndexedText, others: Iterator[IndexedText]) -> tuple[list[IndexedText], IndexedText | None]:
    """The next pieces, of the size of a step, and the one after them."""
    taken: list[IndexedText] = []
    size = 0
    following: IndexedText | None = first
    while following is not None and size < BYTES_AT_ONCE:
        taken.append(following)
        size += following.bytes
        following = next(others, None)
    return taken, following


def words_in(pieces: int, sizes: int) -> int:
    """The words of a message in so many pieces, which have `sizes` words in all."""
    return sizes - splitting.OVERLAP * (pieces - 1)


def short_words(text: str) -> IndexedText | None:
    """The entry of a text; None if the text is indexed in pieces."""
    return None if len(text) > LONG_BYTES else _short(Tokenizer().indexed(text))


def reindex(connection: apsw.Connection, key: Bindings, message: Message, words: object) -> None:
    """Replace the words of a message that is in the index, within a transaction.

    Unless these `words` are known (see `short_words`), the message waits to be indexed in pieces.
    """
    of_message: Bindings = {**key, "sequence": message.sequence}
    row: Row | None = connection.execute(statements.NUMBER_OF_INDEXED, of_message).fetchone()
    if row is None:
        return
    count = -1 + _remove_long(connection, key, message.sequence, message.sequence)
    connection.execute(statements.REMOVE_ENTRY, {"number": row[0], "sequence": message.sequence})
    said = words if isinstance(words, IndexedText) else None if searched_text(message) else EMPTY
    if said is None:
        connection.execute(statements.ADD_LONG, of_message)
    else:
        connection.execute(statements.ADD_ENTRY, _entry(row[0], message.sequence, said))
        count += 1
    connection.execute(statements.COUNT_INDEXED, {**key, "count": count})


def remove_entries(connection: apsw.Connection, key: Bindings, last: int) -> None:
    """Remove the entries of the messages of a session up to a sequence, within a transaction, before the messages."""
    up_to: Bindings = {**key, "last": last}
    [(count,)] = connection.execute(statements.INDEXED_MESSAGES, up_to)
    waiting = _remove_long(connection, key, 0, last)
    connection.execute(statements.REMOVE_ENTRIES, up_to)
    if count > waiting:
        connection.execute(statements.COUNT_INDEXED, {**key, "count": waiting - count})


def forget_session(connection: apsw.Connection, key: Bindings) -> None:
    """Forget a session of which nothing is left."""
    _remove_long(connection, key, 0, statements.LAST_SEQUENCE)
    connection.execute(statements.FORGET_SEARCH_SESSION, key)


def _remove_long(connection: apsw.Connection, key: Bindings, first: int, last: int) -> int:
    """Remove the pieces of the messages of a session in a range; how many messages of these were not whole."""
    rows: list[Row] = connection.execute(statements.LONG_MESSAGES, {**key, "first": first, "last": last}).fetchall()
    for number, pieces, _ in rows:
        connection.execute(statements.REMOVE_PIECES, {"number": number, "pieces": pieces})
        connection.execute(statements.FORGET_LONG, {"number": number})
    return sum(not is_whole for _, _, is_whole in rows)


def merge_some(connection: apsw.Connection) -> bool:
    """Merge some pages of the index, within a transaction; whether there were any to merge."""
    before = connection.total_changes()
    connection.execute(MERGE, {"pages": MERGED_PAGES})
    return connection.total_changes() - before >= LEAST_CHANGES


def index_all(connection: apsw.Connection, workspace: str) -> None:
    """Index what waits in a workspace, in transactions of its own."""
    tokenizer = Tokenizer()
    is_whole = False
    while not is_whole:
        made = plan(connection, workspace, MAX_SESSIONS)
        is_whole = _index(connection, made, tokenizer) and made.is_whole
    bindings: Bindings = {"workspace": workspace, "after": 0, "last": MAX_SAFE_INTEGER}
    while (row := connection.execute(statements.NEXT_LONG, bindings).fetchone()) is not None:
        bindings["after"] = row[0]
        _index_long(connection, workspace, row[0])


def _index(connection: apsw.Connection, made: Plan, tokenizer: Tokenizer) -> bool:
    spans = made.spans[::-1]
    is_done = True
    while spans:
        for step in steps(next_batches(connection, made.workspace, spans), tokenizer):
            with transaction(connection):
                is_done &= write_step(connection, made.workspace, step)
    with transaction(connection):
        return is_done and write_last_step(connection, made, [])


def _index_long(connection: apsw.Connection, workspace: str, number: int) -> None:
    pieces = [*Tokenizer().pieces(long_text(connection, number) or "")]
    total = words_in(len(pieces), sum(piece.size for piece in pieces))
    with transaction(connection):
        write_pieces(connection, workspace, number, 0, pieces, total)


def begin_again(connection: apsw.Connection) -> None:
    """Empty the index, within a transaction; it is then written again."""
    [(definition,)] = connection.execute(statements.SEARCH_TABLE)
    connection.execute(statements.FORGET_SEARCH)
    connection.execute(definition)
    connection.execute(statements.SET_MERGES)
    connection.execute(statements.SET_PIPELINE, {"version": PIPELINE_VERSION})


def begin_again_by_other_rules(connection: apsw.Connection) -> None:
    """The same if another version of the program split words by other rules."""
    [(version,)] = connection.execute(statements.PIPELINE)
    if version != PIPELINE_VERSION:
        with transaction(connection):
            begin_again(connection)


def _entry(number: int, place: int, said: IndexedText) -> Bindings:
    return {"number": number, "place": place, "words": said.words, "forms": " ".join(said.forms)}


def _short(said: IndexedText) -> IndexedText | None:
    return said if said.bytes <= MAX_ENTRY_BYTES else None
