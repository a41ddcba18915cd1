"""Phrases in SQLite, in messages that have their words very often."""

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.storage.sqlite.search import find, statements
from amplifierd.testing.storage.messages.test_search import hits

W = "default"
MIB = 1024 * 1024
WORDS = 256 * 1024
# Longer texts are not searched for all words of the query again when a snippet is made.
FILLER = " filler" * 10_000

QUERIES = [
    "one",
    "one OR other",
    "ones",
    '"one one"',
    '"one one" two OR "two one"',
    '"one one one one one"',
    '"two on"*',
    '"one one two" other OR "one two"',
    'two -"one two three one two"',
    '"one two" -"one one one one one"',
    '"one two" -"two three two three two"',
    '"one two one two three"',
]


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty SQLite database."""
    async with open_storage(f"sqlite:///{tmp_path}/a.db") as storage:
        yield storage


async def append(storage: Storage, *texts: str) -> None:
    """Append each text as a message of one session."""
    session = await storage.create_session(W, NewSession())
    for text in texts:
        await storage.append_message(W, session.id, NewMessage(content=text))


@pytest.mark.parametrize(
    "text",
    [
        f'"{"a " * 499}"',
        " ".join(f'"{"a " * words}"' for words in range(23, 39)),
        " ".join(f'"a a" OR "b b{number}"' for number in range(8)) + ' "a a a a a"',
        f'"a" -"{"a " * 400}b"',
    ],
    ids=["one phrase", "16 phrases", "alternatives", "excluded phrase"],
)
async def test_phrase_of_a_repeated_word_needs_little_memory(
    sqlite: Storage, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(find, "MAX_COMPARED", find.MAX_COMPARED // 4)
    await append(sqlite, "a " * WORDS, "a " * WORDS + "b")
    await hits(sqlite, "a")
    used = apsw.memory_used()
    apsw.memory_high_water(reset=True)
    found = await hits(sqlite, text)
    assert apsw.memory_high_water() - used < 16 * MIB
    # An excluded phrase is shortened as well, and then excludes both messages.
    assert len(found) == (0 if "-" in text else 2)


@pytest.mark.parametrize("text", QUERIES)
async def test_matches_of_a_long_message_are_counted_alike(
    sqlite: Storage, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    await append(
        sqlite, "one " * 9 + "two", "one two " * 5, "one one two one two three ones", "other one two three one two"
    )
    expected = await hits(sqlite, text)
    monkeypatch.setattr(find, "MAX_LISTED_WORDS", 0)
    assert await hits(sqlite, text) == expected
    assert expected


@pytest.mark.parametrize(
    ("text", "comparisons", "sequences"),
    [
        # Each message has each of the five words once; one place more is always counted.
        ('"one two three four five"', 16 * 5, [1]),
        ('"one two three four five"', 16 * 3 - 1, [2, 1]),
        ('"one two three four five"', 0, [3, 2, 1]),
        ('"one two three" "four five"', 16 * 6, [1]),
        ('"one two three" "five four three"', 16 * 4, [2]),
        # Words that must be found are counted again if there are excluded phrases.
        ('"five" -"one two three four five"', 22 * 5, [3, 2]),
        ('"five" -"one two three four five"', 22 * 2, [3]),
    ],
)
async def test_first_words_of_phrases_are_compared_if_there_are_too_many_places(
    sqlite: Storage, monkeypatch: pytest.MonkeyPatch, text: str, comparisons: int, sequences: list[int]
) -> None:
    orders = ("one two three four five", "one two five four three", "five four three two one")
    await append(sqlite, *(order + FILLER for order in orders))
    monkeypatch.setattr(find, "MAX_COMPARED", comparisons)
    assert [hit.sequence for hit in await hits(sqlite, text)] == sequences


@pytest.mark.parametrize(
    ("statement", "plan"),
    [
        # The plan of FTS5: a query (M), and the limits of rows.
        (statements.matches([]), "SCAN search VIRTUAL TABLE INDEX 192:M2>"),
        (statements.matches(["id"]), "SCAN search VIRTUAL TABLE INDEX 192:M2><"),
        (statements.MATCHES_OF_MESSAGE, "SCAN search VIRTUAL TABLE INDEX 0:=M2"),
    ],
)
async def test_counts_use_the_index(tmp_path: Path, statement: str, plan: str) -> None:
    async with open_storage(f"sqlite:///{tmp_path}/a.db"):
        connection = apsw.Connection(f"{tmp_path}/a.db")
        find.register_functions(connection)
        names = ("words", "oldest", "workspace", "id", "term", "entry")
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", dict.fromkeys(names)).fetchall()
        details = [str(detail) for *_, detail in rows]
        assert details[0] == plan
        assert not [detail for detail in details[1:] if "SCAN" in detail or "TEMP B-TREE" in detail]
        connection.close()
