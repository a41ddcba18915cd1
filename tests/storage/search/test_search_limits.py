"""Limits of searches: the messages they examine and rank, the text of a page, and the time they wait."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType

import msgspec
import pytest
from hypothesis import given, settings
from msgspec import Raw
from msgspec.structs import replace

from amplifierd.storage import open_storage
from amplifierd.storage.backend import concurrency_limit
from amplifierd.storage.model.errors import StorageUnavailable
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessage, NewMessages, NewSession, Role, Session
from amplifierd.storage.search import results
from amplifierd.storage.search.query_parser import parse_query
from amplifierd.storage.search.tokenizer import Tokenizer
from amplifierd.testing.storage.messages.test_search import filled, hits
from amplifierd.testing.storage.steps import records
from random_requests.search_terms import Term, words_of
from random_requests.strategies import ANY_TEXT

W = "default"


# The terms of texts.
TERMS = {
    "t*": [("t", True)],
    "x*": [("x", True)],
    '"x t"*': [("x t", True)],
    "n* é*": [("n", True), ("e", True)],
    "résumé na*": [("resume", False), ("na", True)],
}


@pytest.fixture
async def session(storage: Storage) -> Session:
    return await filled(storage)


def test_any_text_is_a_query(database: str) -> None:
    # One loop and one storage for all texts.
    with asyncio.Runner() as runner:
        storage = runner.run(open_storage(database).__aenter__())

        @settings(max_examples=200, deadline=None)
        @given(ANY_TEXT)
        def search(text: str) -> None:
            runner.run(hits(storage, text))

        try:
            search()
        finally:
            runner.run(storage.__aexit__(None, None, None))


@pytest.mark.parametrize(
    ("text", "sequences"),
    [
        ("needle", [11, 12]),
        ("needle tool", [10, 12]),
        ("need*", [11, 12]),
        ("needle t*", [12]),
        ("u*", [11]),
        ('"needle tool"', [12, 10]),
        ('"needle needle"', [11]),
    ],
)
async def test_filters_choose_among_the_latest_messages_with_the_words(
    storage: Storage, session: Session, monkeypatch: pytest.MonkeyPatch, text: str, sequences: list[int]
) -> None:
    roles: list[Role] = ["tool", "tool", "tool", "user", "tool"]
    for number, role in enumerate(roles):
        await storage.append_message(W, session.id, NewMessage(content="needle " * (5 - number) + role, role=role))
    monkeypatch.setattr(results, "MAX_LOOKED_AT", 2)
    assert [hit.sequence for hit in await hits(storage, text)] == sequences
    for filters in (SearchQuery(text, role="system"), SearchQuery(text, profile="nobody")):
        assert await hits(storage, filters) == []
    of_role = await hits(storage, SearchQuery(text, role="tool"))
    assert [hit.sequence for hit in of_role] == [sequence for sequence in sequences if sequence != 11]


@pytest.mark.parametrize("text", ["needle", "need*", "needle ne*", '"needle needle"'])
async def test_results_do_not_depend_on_other_workspaces(
    storage: Storage, session: Session, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for number in range(5):
        await storage.append_message(W, session.id, NewMessage(content="needle " * (5 - number)))
    for name, most in (("MAX_LOOKED_AT", 3), ("MAX_RANKED", 2)):
        monkeypatch.setattr(results, name, most)
    found = await hits(storage, text)
    other = await storage.create_session("other", NewSession())
    messages = [BatchMessage(content=f"needle needle needle{number} {number}") for number in range(400)]
    await storage.append_messages("other", other.id, NewMessages(messages))
    assert await hits(storage, text) == found


@pytest.mark.parametrize(("text", "sequences"), [("needle", [11, 12]), ("need*", [11, 12]), ("needle ne*", [11, 12])])
async def test_examined_messages_are_limited_in_bytes(
    storage: Storage, session: Session, monkeypatch: pytest.MonkeyPatch, text: str, sequences: list[int]
) -> None:
    for number in range(5):
        await storage.append_message(W, session.id, NewMessage(content="needle " * (5 - number)))
    monkeypatch.setattr(results, "MAX_BYTES", 150)
    assert [hit.sequence for hit in await hits(storage, text)] == sequences


@pytest.mark.parametrize("text", ["no", '"no no"', '"no no no"', "n*", '"no n"*', "no yes"])
async def test_counted_matches_are_limited(storage: Storage, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="no " * 19 + "yes"))
    monkeypatch.setattr(results, "MAX_MATCHES", 4)
    [hit] = await hits(storage, text)
    assert hit.score == pytest.approx((1 + 4 / (4 + 1 + 20 / 50)) / 2)


@pytest.mark.parametrize("text", ["t*", "x*", '"x t"*', "n* é*", "résumé na*"])
async def test_prefix_matches_the_beginning_of_words(storage: Storage, text: str) -> None:
    session = await storage.create_session(W, NewSession())
    texts = ["at xt", "A T_x", "x-T", "(t)x", "9t x", "ex t\u0301", "naïve resume", "na\u00efve Résumé", "x\nt"]
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=each) for each in texts]))
    sought = [Term(*term) for term in TERMS[text]]
    expected = [
        number for number, content in enumerate(texts, 1) if all(term.count(words_of(content)) for term in sought)
    ]
    assert sorted(hit.sequence for hit in await hits(storage, text)) == expected


async def test_first_words_of_a_long_term_are_used(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    words = [f"w{number}" for number in range(100)]
    texts = ["数据库" * 30, "数据库" * 20, "㌖" * 30, " ".join(words), " ".join(words[:63])]
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=each) for each in texts]))
    for text, sequences in (
        ("数据库" * 333, [1]),
        ("㌖" * 1_000, [3]),
        ('"' + " ".join([*words, "other"]) + '"', [4]),
        ("w1 -" + "-".join([*words, "other"]), [5]),
        ("w* " + "数据库" * 300, []),
        ("数* " + "数据库" * 300, [1]),
    ):
        assert [hit.sequence for hit in await hits(storage, text)] == sequences, text
        assert [hit.sequence for hit in await hits(storage, SearchQuery(text, scope="text"))] == sequences, text


async def test_first_words_of_the_name_of_a_tool_are_used(storage: Storage) -> None:
    name = "数据" * 256
    session = await storage.create_session(W, NewSession())
    parts = Raw(msgspec.json.encode([{"type": "tool_call", "call": "c", "name": name, "input": "{}"}]))
    await storage.append_message(W, session.id, NewMessage(parts=parts, role="assistant"))
    [by_text] = await hits(storage, name)
    [by_tool] = await hits(storage, SearchQuery("", tool=name))
    assert by_tool == by_text


async def test_latest_of_many_hits_are_ranked(
    storage: Storage, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await storage.append_message(W, session.id, NewMessage(content="needle " * (5 - number)))
    monkeypatch.setattr(results, "MAX_RANKED", 3)
    assert [hit.sequence for hit in await hits(storage, "needle")] == [10, 11, 12]


async def test_page_text_is_limited(storage: Storage, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        await storage.append_message(W, session.id, NewMessage(content="needle " * 20))
    monkeypatch.setattr(results, "MAX_PAGE_BYTES", 300)
    pages: list[list[int]] = []
    query = SearchQuery("needle", limit=4)
    while query.cursor is not None or not pages:
        listing = await storage.search_messages(W, query)
        pages.append([hit.sequence for hit in await records(listing, SearchHit)])
        query = replace(query, cursor=listing.next_cursor)
    assert pages == [[12, 11], [10, 9], [8]]


async def test_texts_are_split_outside_the_event_loop(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    texts = [f"indexed word{number} other{number}" for number in range(1_000)]
    with functions_called_here() as called:
        await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in texts]))
        [hit] = await hits(storage, "word7")
    assert hit.sequence == 8
    assert hits.__code__ in called
    assert not called & {Tokenizer.indexed_texts.__code__, parse_query.__code__}


@contextmanager
def functions_called_here() -> Iterator[set[CodeType]]:
    """The Python functions that this thread calls during a `with`."""
    called = set[CodeType]()
    before = sys.getprofile()
    sys.setprofile(lambda frame, _event, _argument: called.add(frame.f_code))
    try:
        yield called
    finally:
        sys.setprofile(before)


async def test_search_that_times_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = concurrency_limit.ConcurrencyLimit(1, "searches")
    async with limit.slot():
        monkeypatch.setattr(concurrency_limit, "WAIT_SECONDS", 0.01)
        with pytest.raises(StorageUnavailable, match="searches are running already"):
            async with limit.slot():
                pass
    async with limit.slot():
        pass


def test_page_without_a_readable_message_has_no_next_page() -> None:
    query = SearchQuery("word", limit=1)
    parsed = parse_query(query, Tokenizer().sought)
    assert parsed is not None
    identity = "00000000-0000-4000-8000-000000000000"
    found = [results.Result((score, identity, 1), score, identity, 1, "user") for score in (0.5, 0.4)]
    assert results.listing(found, query, [], parsed[0]).next_cursor is None
