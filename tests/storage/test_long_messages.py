"""Messages of up to 8 MiB in the search: each is found by its words wherever they are, and goes without the others."""

import asyncio
from pathlib import Path

import apsw
import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model import queries
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchIndexNotReady, SearchQuery
from amplifierd.storage.model.records import BatchMessage, Fork, MessagePatch, NewMessages, NewSession
from amplifierd.storage.search import tokenizer
from amplifierd.storage.sqlite.search import indexer, indexing, waiting
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import records

W = "default"


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let messages of some words be long, and be indexed in many pieces and steps."""
    for name, value in {"PIECE_BYTES": 64, "OVERLAP": 2, "_PART_CHARACTERS": 16}.items():
        monkeypatch.setattr(tokenizer, name, value)
    monkeypatch.setattr(waiting, "LONG_BYTES", 300)
    for name, value in {"MAX_ENTRY_BYTES": 128, "BYTES_AT_ONCE": 100, "LONG_BYTES": 300}.items():
        monkeypatch.setattr(indexing, name, value)


async def found(storage: Storage, text: str) -> list[tuple[str, int]]:
    """The places of the messages that a search finds."""
    query = SearchQuery(text, limit=1_000)
    hits = await records(await storage.search_messages(W, query), SearchHit)
    return sorted((hit.session_id, hit.sequence) for hit in hits)


async def sequences(storage: Storage, text: str) -> list[int]:
    """Their sequences."""
    return [sequence for _, sequence in await found(storage, text)]


async def session_with(storage: Storage, *texts: str) -> str:
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in texts]))
    return session.id


def words(kind: str, count: int = 8_000) -> str:
    """A text of different words, of which none has another's forms."""
    return " ".join(f"{kind}{number}" for number in range(count))


LONG = f"{words('alpha')} the-end {words('beta')} 数据库 running {words('gamma')}"


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("alpha1", True),
        ("alpha1 gamma7999", True),
        ("alpha1 beta5 gamma7999", True),
        ("alpha1 delta", False),
        ("delta OR gamma3", True),
        ('"alpha7999 the end beta0"', True),
        ('"alpha7999 beta0"', False),
        ("the-end", True),
        ("gamma12*", True),
        ("run", True),
        ("数据", True),
        ("alpha1 -gamma2", False),
        ("alpha1 -delta", True),
        ("alpha1 ga*", True),
        ("alpha1 in:text", True),
        ("alpha1 in:tools", False),
        ("alpha1 role:tool", False),
        (f'"{words("alpha", 400)}"', True),
        (f'"{words("alpha", 400)} x"', False),
    ],
)
async def test_long_message_is_found_by_its_words(storage: Storage, text: str, is_found: bool) -> None:
    await session_with(storage, "alpha1", LONG, "gamma7999")
    assert (2 in await sequences(storage, text)) == is_found


async def test_adjacent_words_are_found_at_each_place(storage: Storage, short_pieces: None) -> None:
    assert short_pieces is None
    said = [f"w{number}" for number in range(200)]
    await session_with(storage, " ".join(said), "other")
    for place in range(198):
        assert await sequences(storage, f'"{" ".join(said[place : place + 3])}"') == [1]
        assert await sequences(storage, f'"{said[place]} {said[place + 2]}"') == []
    # Longer than what two pieces have in common.
    assert await sequences(storage, f'"{" ".join(said[10:60])}"') == [1]
    assert await sequences(storage, f'"{" ".join(said[10:60])} w1"') == []


async def test_score_is_that_of_the_whole_text(storage: Storage, short_pieces: None) -> None:
    assert short_pieces is None
    await session_with(storage, "one two three " * 100)
    for text, matches in {"two": 100, '"two three"': 100, '"three one"': 99, "two one": 200, "tw*": 100}.items():
        [hit] = await records(await storage.search_messages(W, SearchQuery(text)), SearchHit)
        assert hit.score == pytest.approx((1 + matches / (matches + 1 + 300 / 50)) / 2), text


async def test_what_replaces_or_follows_a_long_message_is_found(storage: Storage, database: str) -> None:
    first = await session_with(storage, "kept one", words("a"), "kept two", words("b"), "kept three")
    second = await session_with(storage, "kept four", words("a"), "kept five")
    kept = [(first, 1), (first, 3), (first, 5), (second, 1), (second, 3)]
    assert await found(storage, "kept") == kept
    assert await found(storage, "a7999") == [(first, 2), (second, 2)]
    await storage.update_message(W, first, 2, MessagePatch(content=words("c")))
    assert (await found(storage, "a7999"), await found(storage, "c7999")) == ([(second, 2)], [(first, 2)])
    await storage.update_message(W, first, 2, MessagePatch(content="short"))
    assert (await found(storage, "c7999"), await found(storage, "short")) == ([], [(first, 2)])
    await storage.update_message(W, first, 2, MessagePatch(content=words("d")))
    await storage.delete_message(W, first, 4)
    assert (await found(storage, "d7999"), await found(storage, "b7999")) == ([(first, 2)], [])
    assert await found(storage, "kept") == kept
    fork = await storage.fork_session(W, first, Fork())
    assert await found(storage, "d7999") == sorted([(first, 2), (fork.id, 2)])
    await storage.delete_session(W, first)
    assert await found(storage, "d7999") == [(fork.id, 2)]
    assert await found(storage, "a7999") == [(second, 2)]
    assert await found(storage, "kept") == sorted([(fork.id, 1), (fork.id, 3), (fork.id, 5), (second, 1), (second, 3)])
    assert await faults(database) == []


async def faults(database: str) -> list[str]:
    """What a check finds."""
    return [finding.text async for finding in open_maintenance(database).check()]


async def test_session_that_comes_back_is_found_as_it_is(storage: Storage, database: str) -> None:
    session_id = await session_with(storage, words("a"), "x")
    earlier = await exported(storage)
    await storage.update_message(W, session_id, 1, MessagePatch(content=words("b")))
    assert await sequences(storage, "b7999") == [1]
    await storage.delete_session(W, session_id)
    await storage.import_sessions(W, export_of(earlier), "fail")
    assert (await sequences(storage, "a7999"), await sequences(storage, "b7999")) == ([1], [])
    assert await faults(database) == []


async def test_corrections_and_deletions_meanwhile_leave_no_word(
    storage: Storage, database: str, short_pieces: None
) -> None:
    """Words that were told apart before a correction are not indexed after it."""
    assert short_pieces is None
    ids = [await session_with(storage, "x", f"{words('old', 100)}", "y") for _ in range(8)]

    async def change(number: int, session_id: str) -> None:
        for _ in range(number):
            await asyncio.sleep(0.003)
        if number % 4 == 0:
            await storage.update_message(W, session_id, 2, MessagePatch(content=words("new", 100)))
        elif number % 4 == 1:
            await storage.update_message(W, session_id, 2, MessagePatch(content="new99"))
        elif number % 4 == 2:
            await storage.delete_message(W, session_id, 2)
        else:
            await storage.delete_session(W, session_id)

    searches = [found(storage, "old99") for _ in range(4)]
    await asyncio.gather(*searches, *(change(number, session_id) for number, session_id in enumerate(ids)))
    assert await found(storage, "old99") == await found(storage, "old1") == []
    assert len(await found(storage, "new99")) == 4
    assert len(await found(storage, "x")) == len(await found(storage, "y")) == 6
    await storage.close()
    assert await faults(database) == []
    await storage.open()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_search_that_would_wait_long_is_refused(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = await session_with(storage, "one", "two")
    assert await sequences(storage, "two") == [2]
    monkeypatch.setattr(queries, "MAX_WAITING", 3)
    monkeypatch.setattr(indexer, "IDLE_SECONDS", 60)
    monkeypatch.setattr(indexer, "BUSY_SECONDS", 60)
    await storage.append_messages(W, session_id, NewMessages([BatchMessage(content="more")] * 3))
    assert await sequences(storage, "more") == [3, 4, 5]
    monkeypatch.setattr(indexer, "URGENT_SECONDS", 0)
    await storage.append_messages(W, session_id, NewMessages([BatchMessage(content="most")] * 4))
    with pytest.raises(SearchIndexNotReady, match=r"5 of 9 messages are indexed"):
        await storage.search_messages(W, SearchQuery("one"))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_a_killed_program_left_is_indexed_by_the_next(
    storage: Storage, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that is killed leaves some of the pieces of a message: it may be killed after any commit."""
    monkeypatch.setattr(waiting, "LONG_BYTES", 1_000)
    monkeypatch.setattr(indexing, "BYTES_AT_ONCE", 1)
    session_id = await session_with(storage, "before", words("a", 20_000), "after")
    path = Path(database.removeprefix("sqlite:///"))
    copies: list[Path] = []
    searching = asyncio.create_task(found(storage, "a19999"))
    while not searching.done():
        copy = path.with_name(f"copy-{len(copies)}.db")
        await asyncio.to_thread(copy_file, path, copy)
        copies.append(copy)
    assert await searching == [(session_id, 2)]
    copies = copies[:: max(1, len(copies) // 4)]
    for copy in copies:
        async with open_storage(f"sqlite:///{copy}") as other:
            assert await found(other, "a19999") == await found(other, "a0") == [(session_id, 2)]
            assert await found(other, "before OR after") == [(session_id, 1), (session_id, 3)]
        assert await faults(f"sqlite:///{copy}") == []


def copy_file(path: Path, copy: Path) -> None:
    """Copy a database as of one moment."""
    source, target = apsw.Connection(str(path)), apsw.Connection(str(copy))
    with target.backup("main", source, "main") as backup:
        backup.step()
    source.close()
    target.close()
