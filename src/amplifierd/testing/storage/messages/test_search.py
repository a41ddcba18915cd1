"""Search: words, phrases and prefixes; any text that is not empty is a valid query."""

import asyncio
from typing import Literal
from unicodedata import normalize

import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import BatchMessage, Fork, NewMessage, NewMessages, NewSession, Session
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import create_session, records

W = "default"
TEXTS = [
    "The quick brown fox jumps over the lazy dog",
    "A quick, brown-eyed Fox. A quick one!",
    "Résumé naïve ΑΛΦΑ ß",
    "don't panic: C++ & <b>bold</b>",
    "日本語 text",
    "",
    "zero\0byte \x02mark\x03",
]


async def filled(storage: Storage) -> Session:
    """A session with a message for each text."""
    created = await create_session(storage, NewSession(profile="a/b", amplified_dir="x/y"))
    await storage.append_messages(W, created.id, NewMessages([BatchMessage(content=text) for text in TEXTS]))
    return created


@pytest.fixture
async def session(storage: Storage) -> Session:
    return await filled(storage)


async def hits(storage: Storage, query: SearchQuery | str, workspace: str = W) -> list[SearchHit]:
    query = SearchQuery(query) if isinstance(query, str) else query
    return await records(await storage.search_messages(workspace, query), SearchHit)


@pytest.mark.parametrize(
    ("text", "sequences"),
    [
        ("fox", [2, 1]),
        ("FOX", [2, 1]),
        ("quick fox", [2, 1]),
        ("fox quick", [2, 1]),
        ("quick dog", [1]),
        ('"quick brown"', [2, 1]),
        ('"brown fox"', [1]),
        ('"fox brown"', []),
        ('"brown fo"*', [1]),
        ('"brown fo"', []),
        ("jum*", [1]),
        ("jum", []),
        ("jumped", [1]),
        ('"jumped"', []),
        ("resume", [3]),
        ("résumé NAIVE", [3]),
        ("αλφα", [3]),
        ("brown-eyed", [2]),
        ("don't", [4]),
        ("c++", [4]),
        ("bold", [4]),
        ("日本語", [5]),
        ("byte", [7]),
        ("zero byte", [7]),
        ("fox -", [2, 1]),
        ('fox "', [2, 1]),
        ('"quick brown', [2, 1]),
        ("nothing", []),
        ("fox nothing", []),
        # Questions contain these words; the messages that answer them need not.
        ("what is a fox and a dog", [1]),
        ("fox AND dog", [1]),
        ("fox OR 日本", [5, 2, 1]),
        ("", []),
        ('""', []),
        ("*", []),
        ("!?", []),
        ("content:fox", []),
        ("NEAR(fox dog)", []),
        ("^the", [1]),
        ("{fox", [2, 1]),
        ("fox\0dog", [1]),
    ],
)
async def test_search_finds_words_phrases_and_prefixes(
    storage: Storage, session: Session, text: str, sequences: list[int]
) -> None:
    found = await hits(storage, text)
    assert [(hit.session_id, hit.sequence) for hit in found] == [(session.id, sequence) for sequence in sequences]


async def test_score_is_between_0_and_1_and_decreases(storage: Storage, session: Session) -> None:
    assert session.id
    scores = [hit.score for hit in await hits(storage, "quick")]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)


@pytest.mark.parametrize(
    ("text", "matches"),
    [("no", 4), ('"no no"', 3), ('"no no no"', 2), ('"no n"*', 3), ('"no no" no', 7), ('"no yes"', 1), ("y*", 2)],
)
async def test_score_counts_each_place(storage: Storage, text: str, matches: int) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="no no no. No: yes yard"))
    [hit] = await hits(storage, text)
    assert hit.score == pytest.approx((1 + matches / (matches + 1 + 6 / 50)) / 2)


@pytest.mark.parametrize(
    ("text", "snippet"),
    [
        ("fox dog", "The quick brown <mark>fox</mark> jumps over the lazy <mark>dog</mark>"),
        ('"brown eyed"', "A quick, <mark>brown-eyed</mark> Fox. A quick one!"),
        ("bold", "don't panic: C++ &amp; &lt;b&gt;<mark>bold</mark>&lt;/b&gt;"),
        ("mark", "zero byte  <mark>mark</mark>"),
    ],
)
async def test_snippet_is_safe_html(storage: Storage, session: Session, text: str, snippet: str) -> None:
    assert session.id
    [hit] = await hits(storage, text)
    assert hit.snippet == snippet


async def test_snippet_has_no_blanks_at_its_ends(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="\n\thello zebra\n "))
    [hit] = await hits(storage, "zebra")
    assert hit.snippet == "hello <mark>zebra</mark>"


async def test_snippet_is_short(storage: Storage, session: Session) -> None:
    await storage.append_message(W, session.id, NewMessage(content="word " * 5_000 + "needle" + " word" * 5_000))
    [hit] = await hits(storage, "needle")
    assert "<mark>needle</mark>" in hit.snippet
    assert hit.snippet.startswith("…")
    assert len(hit.snippet) < 300


@pytest.mark.parametrize(
    ("content", "text", "snippet"),
    [
        # If the time grew with the square of the matches, it would be hours.
        ("x y z " * 100_000, "x y z", "<mark>x</mark> <mark>y</mark> <mark>z</mark>"),
        ("word " * 5_000 + "one two" + " word" * 5_000, '"one two"', "<mark>one two</mark> word"),
        ("x" * 1_990 + " one two " + "x" * 1_990, '"one two"', "<mark>one two</mark>"),
        ("one" + " word" * 5_000 + " two", "one two", "<mark>one</mark> word"),
        ("one" + " ." * 5_000 + " two", '"one two"', "<mark>one . ."),
        ("word " * 399 + "needlework " + "word " * 1_000 + "needle", "needle", "<mark>needle</mark>"),
        ("日本語" * 2_000 + " 言葉", "言葉", "<mark>言葉</mark>"),
    ],
    ids=["often", "far", "border", "apart", "spread", "cut", "without spaces"],
)
async def test_snippet_of_a_long_message(storage: Storage, content: str, text: str, snippet: str) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content=content))
    [hit] = await hits(storage, text)
    assert snippet in hit.snippet
    assert "needlework" not in hit.snippet.replace("<mark>", "")


async def test_search_omits_other_workspaces(storage: Storage, session: Session) -> None:
    assert await hits(storage, "fox", "other") == []
    assert await hits(storage, SearchQuery("fox", session_id=session.id), "other") == []


async def test_search_does_not_find_deleted_sessions(storage: Storage, session: Session) -> None:
    fork = await storage.fork_session(W, session.id, Fork())
    assert len(await hits(storage, "dog")) == 2
    await storage.delete_session(W, session.id)
    assert [hit.session_id for hit in await hits(storage, "dog")] == [fork.id]


async def test_search_finds_only_the_messages_of_a_session_imported_again(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="before"))
    earlier = await exported(storage)
    await storage.append_message(W, session.id, NewMessage(content="after"))
    assert len(await hits(storage, "after")) == 1
    await storage.delete_session(W, session.id)
    await storage.import_sessions(W, export_of(earlier), "fail")
    assert await hits(storage, "after") == []
    await storage.append_message(W, session.id, NewMessage(content="again"))
    assert [len(await hits(storage, text)) for text in ("before", "after", "again")] == [1, 0, 1]


async def test_message_is_found_once_written(storage: Storage, session: Session, database: str) -> None:
    async with open_storage(database) as other:
        for number in range(50):
            writer, reader = (storage, other) if number % 2 else (other, storage)
            await writer.append_message(W, session.id, NewMessage(content=f"number{number}"))
            assert len(await hits(reader, f"number{number}")) == 1


async def test_concurrent_messages_are_all_found(storage: Storage) -> None:
    sessions = [await storage.create_session(W, NewSession()) for _ in range(3)]
    batch = NewMessages([BatchMessage(content=f"needle {'x' * 2_000}")] * 1_000)
    await asyncio.gather(*(storage.append_messages(W, session.id, batch) for session in sessions))
    assert len(await hits(storage, SearchQuery("needle", limit=1_000))) == 1_000
    for session in sessions:
        listing = await storage.search_messages(W, SearchQuery("needle", session_id=session.id, limit=1_000))
        assert len(await records(listing, SearchHit)) == 1_000
        assert listing.next_cursor is None


async def test_pages_are_consistent_during_writes(storage: Storage, session: Session) -> None:
    for number in range(60):
        await storage.append_message(W, session.id, NewMessage(content="needle " * (number % 5 + 1)))
    found: list[SearchHit] = []
    cursor: str | None = None
    while cursor is not None or not found:
        listing = await storage.search_messages(W, SearchQuery("needle", limit=7, cursor=cursor))
        found += await records(listing, SearchHit)
        cursor = listing.next_cursor
        await storage.append_message(W, session.id, NewMessage(content="needle " * 50))
    assert [hit.sequence for hit in found if hit.sequence <= 67] == [hit.sequence for hit in found]
    assert len({hit.sequence for hit in found}) == len(found) == 60
    order = [(hit.score, hit.sequence) for hit in found]
    assert order == sorted(order, reverse=True)


async def test_equal_hits_are_ordered_by_session_and_message(storage: Storage) -> None:
    sessions = [await storage.create_session(W, NewSession()) for _ in range(3)]
    for session in (sessions[1], sessions[2], sessions[0], sessions[2]):
        await storage.append_message(W, session.id, NewMessage(content="needle"))
        await hits(storage, "needle")
    found = await hits(storage, "needle")
    expected = [(2, 2), (2, 1), (1, 1), (0, 1)]
    assert [(hit.session_id, hit.sequence) for hit in found] == [
        (sessions[number].id, last) for number, last in expected
    ]
    assert {hit.score for hit in found} == {0.7475247383117676}


async def test_any_cursor_is_a_position_in_results(storage: Storage, session: Session) -> None:
    assert session.id
    for cursor in ("A" * 32, "_" * 32, "f_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAA"):
        await hits(storage, SearchQuery("fox", cursor=cursor))


async def test_term_counts_once(storage: Storage, session: Session) -> None:
    assert session.id
    assert await hits(storage, "fox FOX fóx fox") == await hits(storage, "fox")


async def test_first_16_terms_are_used(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    words = [f"word{number}" for number in range(16)]
    await storage.append_message(W, session.id, NewMessage(content=" ".join(words)))
    assert len(await hits(storage, " ".join([*words, "another"]))) == 1
    assert len(await hits(storage, " ".join(["another", *words]))) == 0


async def test_snippet_shows_both_words_if_they_are_close(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    far = f"apple {'of the ' * 11}on pear {'so it is. ' * 40}"
    await storage.append_message(W, session.id, NewMessage(content=f"{far}An apple pear pie. {'so it is. ' * 60}"))
    [hit] = await hits(storage, "apple pear")
    assert "An <mark>apple</mark> <mark>pear</mark> pie." in hit.snippet


async def test_word_is_marked_after_a_dotted_capital_i(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content=f"İstanbul {'word ' * 20_000}needle"))
    [hit] = await hits(storage, "needle")
    assert "<mark>needle</mark>" in hit.snippet


async def test_distant_matches_in_a_long_message_are_not_marked(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content="word " * 10_000 + "needled"))
    await storage.append_message(W, session.id, NewMessage(content="word " * 250_000 + "needle"))
    for hit in await hits(storage, "needle"):
        assert hit.snippet == " ".join(["word"] * 24) + "…"


@pytest.mark.parametrize("far", [10, 1_000, 20_000])
async def test_characters_without_spaces_are_marked_anywhere(storage: Storage, far: int) -> None:
    session = await storage.create_session(W, NewSession())
    text = f"{'的文字' * far}数据库PostgreSQL{'很好' * 300}"
    await storage.append_message(W, session.id, NewMessage(content=text))
    for words in ("数据库", "postgresql"):
        [hit] = await hits(storage, words)
        assert f"<mark>{'PostgreSQL' if words.isascii() else words}</mark>" in hit.snippet


@pytest.mark.parametrize("far", [100, 1_000, 10_000, 100_000])
async def test_exact_word_is_marked_anywhere(storage: Storage, far: int) -> None:
    session = await storage.create_session(W, NewSession())
    text = f"{'word ' * far}Needles of a Needle, {'more ' * 100}"
    await storage.append_message(W, session.id, NewMessage(content=text))
    [hit] = await hits(storage, "needle")
    before, after = hit.snippet.split("<mark>Needle</mark>")
    assert before.startswith("…")
    assert before.endswith("word Needles of a ")
    assert after.startswith(", more")
    assert after.endswith("more…")
    assert len(f"{before}{after}".split()) <= 25


@pytest.mark.parametrize("far", [100, 100_000])
async def test_word_with_accents_is_marked_anywhere(storage: Storage, far: int) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content=f"{'wörd ' * far}Résumé, {'möre ' * 100}"))
    [hit] = await hits(storage, "resume")
    assert "wörd <mark>Résumé</mark>, möre" in hit.snippet


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("far", [100, 15_000])
async def test_word_with_decomposed_accents_is_marked_anywhere(
    storage: Storage, far: int, form: Literal["NFC", "NFD"]
) -> None:
    session = await storage.create_session(W, NewSession())
    # Words that begin or end like the word, as their letters without accents do.
    text = f"{'résumés '}{'wörd ' * far}présumé Résumé, {'möre ' * 100}"
    await storage.append_message(W, session.id, NewMessage(content=normalize(form, text)))
    [hit] = await hits(storage, "resume")
    assert normalize(form, "wörd présumé <mark>Résumé</mark>, möre") in hit.snippet
    [hit] = await hits(storage, '"presume resume"')
    assert normalize(form, "<mark>présumé Résumé</mark>, möre") in hit.snippet
