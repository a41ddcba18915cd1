"""A check notices words of SQLite's search index at wrong places, even if the sums of their places are right."""

import asyncio
from pathlib import Path

import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.queries import SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession
from faults.corrupt import vandalise

W = "default"
SIZE = 40

# Pairs of messages and places in them, from 0, where "b" is in the session, and where it is in the index.
Places = frozenset[tuple[int, int]]
EXCHANGED = {
    "between two places": (Places({(1, 2)}), Places({(1, 3)})),
    "between two messages": (Places({(1, 2)}), Places({(4, 2)})),
    "between two places of two messages": (Places({(1, 1), (2, 2)}), Places({(1, 2), (2, 1)})),
    # The sums of the messages, the places, their squares and their products are the same.
    "among three": (Places({(1, 1), (2, 3), (3, 2)}), Places({(1, 2), (2, 1), (3, 3)})),
    # The sums of the numbers and of their squares are the same (https://oeis.org/A010060).
    "among eight messages": (Places((at, 0) for at in (0, 3, 5, 6)), Places((at, 0) for at in (1, 2, 4, 7))),
    "among eight places": (Places((0, at) for at in (0, 3, 5, 6)), Places((0, at) for at in (1, 2, 4, 7))),
}


def words(places: Places, message: int) -> str:
    return " ".join("b" if (message, place) in places else "a" for place in range(SIZE))


def moved(places: Places, by: int) -> Places:
    return Places((message + by, place + by) for message, place in places)


@pytest.mark.parametrize("by", [0, 7, 12, 19, 25])
@pytest.mark.parametrize("exchange", EXCHANGED)
async def test_exchanged_words_are_noticed(tmp_path: Path, exchange: str, by: int) -> None:
    written, indexed = (moved(places, by) for places in EXCHANGED[exchange])
    database = f"sqlite:///{tmp_path}/a.db"
    contents = [BatchMessage(content=words(written, message)) for message in range(SIZE)]
    async with open_storage(database) as storage:
        session = await storage.create_session(W, NewSession())
        await storage.append_messages(W, session.id, NewMessages(contents))
        # All messages are in the index afterwards.
        await storage.search_messages(W, SearchQuery("absent"))
    assert [finding async for finding in open_maintenance(database).check()] == []
    replace = [
        "INSERT OR REPLACE INTO search (rowid, words, forms) "  # noqa: S608  # of the test
        f"SELECT number << 31 | {message + 1}, '{words(indexed, message)}', '' FROM session_number"
        for message in range(SIZE)
    ]
    await asyncio.to_thread(vandalise, database, *replace)
    [finding] = [finding async for finding in open_maintenance(database).check()]
    assert finding.text == (f"Session {session.id} of workspace {W} has search entries that do not match its messages.")
