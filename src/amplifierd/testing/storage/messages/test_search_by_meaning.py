"""Search by meaning, with an embedder that knows a few topics, and without an embedder."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import EmbedderMissing, EmbedderUnavailable
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import Embedder, SearchHit, SearchQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    Fork,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
)
from amplifierd.testing.storage.steps import create_session, found_by_meaning, records, until, until_found_by_meaning

W = "default"
TOPICS = {
    "animals": "dog cat puppy kitten pet",
    "money": "bank invoice money refund payment",
    "weather": "rain sun storm snow umbrella",
}
TEXTS = ["The puppy sleeps", "An invoice for the bank", "It will rain", "", "Nothing of these"]
# An empty message has no meaning.
WITH_VECTORS = 4


class Topics(Embedder):
    """A model whose vectors count the words of each topic, and other words."""

    model = "topics"
    is_away = False

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        if self.is_away:
            raise EmbedderUnavailable("it sleeps")
        assert 0 < len(texts) <= 32
        assert all(0 < len(text) <= 2_000 for text in texts)
        return [_vector(text.lower().split()) for text in texts]

    async def close(self) -> None:
        return


def _vector(words: list[str]) -> list[float]:
    counts = [sum(word in topic.split() for word in words) for topic in TOPICS.values()]
    # Each topic has three numbers, whose signs alone identify it.
    return [number for count in counts for number in (count - 0.5, count - 0.25, 0.1)]


class OtherOrder(Topics):
    """Another model, with the same numbers in another order."""

    model = "other order"

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        return [[*vector[3:], *vector[:3]] for vector in await super().embed(texts)]


@pytest.fixture
def embedder() -> Topics:
    return Topics()


@pytest.fixture
async def storage(database: str, embedder: Topics) -> AsyncIterator[Storage]:
    """An open storage with an embedder."""
    async with open_storage(database, embedder=embedder) as opened:
        yield opened


@pytest.fixture
async def session(storage: Storage) -> Session:
    """A session with a message for each text, the vectors of which are written."""
    created = await create_session(storage, NewSession(profile="a/b", labels={"team": "maps"}))
    await storage.append_messages(W, created.id, NewMessages([BatchMessage(content=text) for text in TEXTS]))
    await until_found_by_meaning(storage, WITH_VECTORS)
    return created


async def hits(storage: Storage, text: str, **changes: Any) -> list[SearchHit]:
    query = replace(SearchQuery(text, mode="hybrid"), **changes)
    return await records(await storage.search_messages(W, query), SearchHit)


async def append(storage: Storage, session_id: str, *texts: str) -> None:
    before = await found_by_meaning(storage)
    await storage.append_messages(W, session_id, NewMessages([BatchMessage(content=text) for text in texts]))
    await until_found_by_meaning(storage, before + sum(map(bool, texts)))


async def test_hybrid_search_without_embedder_is_refused(database: str) -> None:
    async with open_storage(database) as storage:
        assert await storage.waiting_vectors() is None
        with pytest.raises(EmbedderMissing):
            await hits(storage, "kitten")
        assert await hits(storage, "kitten", mode="words") == []


@pytest.mark.parametrize(("text", "sequence"), [("kitten", 1), ("refund my payment", 2), ("umbrella", 3)])
async def test_nearest_meaning_is_first(storage: Storage, session: Session, text: str, sequence: int) -> None:
    found = await hits(storage, text)
    assert (found[0].session_id, found[0].sequence, found[0].snippet) == (session.id, sequence, TEXTS[sequence - 1])
    assert sorted(hit.sequence for hit in found) == [1, 2, 3, 5]
    assert all(0 < hit.score <= 1 for hit in found)
    assert await hits(storage, text, mode="words") == []


async def test_words_and_meaning_together_rank_first(storage: Storage, session: Session) -> None:
    await append(storage, session.id, "A storm")
    found = await hits(storage, "rain")
    assert [hit.sequence for hit in found[:2]] == [3, 6]
    assert found[0].snippet == "It will <mark>rain</mark>"
    # The first is found by its words, the second by its meaning: the later message is equally near.
    assert found[0].score == pytest.approx((1 + 61 / 62) / 2)


async def test_filters_apply_to_meaning(storage: Storage, session: Session) -> None:
    other = await storage.create_session(W, NewSession())
    await append(storage, other.id, "My cat")
    assert [hit.session_id for hit in await hits(storage, "kitten")][:2] == [other.id, session.id]
    for filters in ({"session_id": session.id}, {"profile": "a/b"}, {"labels": ("team:maps",)}):
        found = await hits(storage, "kitten", **filters)
        assert [(hit.session_id, hit.sequence) for hit in found][:1] == [(session.id, 1)]
        assert {hit.session_id for hit in found} == {session.id}
    assert await hits(storage, "kitten", role="system") == []
    assert await hits(storage, "kitten role:system") == []
    assert await hits(storage, "kitten", scope="tools") == []
    assert await hits(storage, "kitten in:tools") == []
    assert await hits(storage, "kitten -in:text") == []
    assert await hits(storage, "kitten", tool="none") == []


async def test_excluded_words_exclude_similar_meanings(storage: Storage, session: Session) -> None:
    assert session.id
    assert 1 not in [hit.sequence for hit in await hits(storage, "kitten -puppy")]
    assert 1 in [hit.sequence for hit in await hits(storage, "kitten -bank")]


async def test_tool_call_is_found_by_meaning(storage: Storage, session: Session) -> None:
    call = {"type": "tool_call", "call": "c", "name": "look", "input": "{}"}
    parts = msgspec.Raw(msgspec.json.encode([{"type": "text", "text": "My cat"}, call]))
    await storage.append_message(W, session.id, NewMessage(role="assistant", parts=parts))
    await until_found_by_meaning(storage, WITH_VECTORS + 1)
    assert [hit.sequence for hit in await hits(storage, "kitten tool:look")] == [6]
    for query in ("kitten -tool:look", "kitten -role:assistant", "kitten -label:other -tool:look"):
        assert sorted(hit.sequence for hit in await hits(storage, query)) == [1, 2, 3, 5]
    assert await hits(storage, "kitten -label:team") == []


async def test_pages_continue_at_the_cursor(storage: Storage, session: Session) -> None:
    assert session.id
    whole = await hits(storage, "rain")
    found: list[SearchHit] = []
    cursor: str | None = None
    while True:
        query = SearchQuery("rain", limit=1, cursor=cursor, mode="hybrid")
        page = await storage.search_messages(W, query)
        found += await records(page, SearchHit)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == whole
    grouped = await hits(storage, "rain", group="session")
    assert [hit.sequence for hit in grouped] == sorted(hit.sequence for hit in whole)


async def test_corrected_message_is_found_by_its_new_meaning(storage: Storage, session: Session) -> None:
    await storage.update_message(W, session.id, 1, MessagePatch(content="An umbrella"))
    await storage.delete_message(W, session.id, 3)

    async def is_found() -> bool:
        return [hit.sequence for hit in await hits(storage, "snow")][:1] == [1]

    await until(is_found)
    found = await hits(storage, "snow")
    assert [hit.sequence for hit in found][:1] == [1]
    assert 3 not in [hit.sequence for hit in found]
    assert (await hits(storage, "kitten"))[0].sequence != 1


async def test_deleted_session_is_not_found(storage: Storage, session: Session) -> None:
    assert await hits(storage, "kitten")
    await storage.delete_session(W, session.id)
    assert await hits(storage, "kitten") == []


async def test_fork_is_found_by_its_meaning(storage: Storage, session: Session) -> None:
    fork = await storage.fork_session(W, session.id, Fork(at_sequence=1))
    await until_found_by_meaning(storage, WITH_VECTORS + 1)
    assert [hit.session_id for hit in await hits(storage, "kitten")][:2] == [fork.id, session.id]


async def test_results_do_not_depend_on_other_workspaces(storage: Storage, session: Session) -> None:
    assert session.id
    query = SearchQuery("kitten", mode="hybrid")
    assert await records(await storage.search_messages("other", query), SearchHit) == []


async def test_unavailable_embedder_stops_nothing_else(storage: Storage, embedder: Topics, session: Session) -> None:
    embedder.is_away = True
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="A kitten")]))
    assert [hit.sequence for hit in await hits(storage, "kitten", mode="words")] == [6]
    with pytest.raises(EmbedderUnavailable, match="The embedder is not available: it sleeps"):
        await hits(storage, "kitten")
    embedder.is_away = False
    await until_found_by_meaning(storage, WITH_VECTORS + 1)
    assert {hit.sequence for hit in (await hits(storage, "pet"))[:2]} == {1, 6}


async def test_vectors_are_rebuilt_for_another_model(database: str) -> None:
    for embedder in (Topics(), OtherOrder()):
        async with open_storage(database, embedder=embedder) as storage:
            if not await storage.count_sessions(W):
                created = await storage.create_session(W, NewSession())
                await append(storage, created.id, *TEXTS)
            await until_found_by_meaning(storage, WITH_VECTORS)
            assert [hit.sequence for hit in await hits(storage, "kitten")][:1] == [1]
