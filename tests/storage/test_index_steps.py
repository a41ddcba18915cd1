"""The writer indexes in short steps, whatever waits, so that other writes wait for one of them only."""

from pathlib import Path

import apsw

from amplifierd.storage import open_storage
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession
from amplifierd.storage.search.tokenizer import PIECE_BYTES, IndexedText, Tokenizer
from amplifierd.storage.sqlite.connection import connect_writer, transaction
from amplifierd.storage.sqlite.search.indexing import (
    BYTES_AT_ONCE,
    ENTRIES_AT_ONCE,
    begin_again,
    next_pieces,
    steps,
    write_step,
)
from amplifierd.storage.sqlite.search.waiting import MAX_SESSIONS, next_batches, plan

W = "default"
# Two of them are more than a step takes.
HALF = "x " * (BYTES_AT_ONCE // 5)


async def sessions_of(path: Path, *texts: list[str]) -> apsw.Connection:
    """A connection to a database with a session of each of these, none of which is indexed."""
    async with open_storage(f"sqlite:///{path}") as storage:
        for said in texts:
            session = await storage.create_session(W, NewSession())
            await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in said]))
    connection = connect_writer(str(path))
    with transaction(connection):
        begin_again(connection)
    return connection


def indexed_by_each_step(connection: apsw.Connection) -> list[list[IndexedText]]:
    """What is written in each transaction until nothing waits."""
    spans = plan(connection, W, MAX_SESSIONS).spans[::-1]
    written = []
    while spans:
        for step in steps(next_batches(connection, W, spans), Tokenizer()):
            with transaction(connection):
                assert write_step(connection, W, step)
            written.append([said for new in step for _, said in new.entries if said is not None])
    connection.close()
    return written


async def test_index_step_takes_a_bounded_size_of_many_sessions(tmp_path: Path) -> None:
    connection = await sessions_of(tmp_path / "a.db", [HALF], [HALF], [HALF], ["x", HALF, HALF])
    written = indexed_by_each_step(connection)
    assert sum(map(len, written)) == 6
    for step in written:
        assert sum(said.bytes for said in step[:-1]) < BYTES_AT_ONCE
        assert len(step) < 4


async def test_index_step_takes_a_bounded_number_of_messages(tmp_path: Path) -> None:
    connection = await sessions_of(tmp_path / "a.db", ["x"] * 1_000, *(["y"] for _ in range(3)), ["z"] * 600)
    written = indexed_by_each_step(connection)
    assert sum(map(len, written)) == 1_603
    assert max(map(len, written)) == ENTRIES_AT_ONCE


def test_index_step_takes_a_bounded_size_of_a_long_message() -> None:
    pieces = Tokenizer().pieces(" ".join(f"word{number}" for number in range(200_000)))
    following: IndexedText | None = next(pieces)
    taken = []
    while following is not None:
        some, following = next_pieces(following, pieces)
        taken.append(some)
    assert len(taken) > 10
    for some in taken:
        assert sum(said.bytes for said in some[:-1]) < BYTES_AT_ONCE
        assert some[-1].bytes < 4 * PIECE_BYTES
