"""The model that the extra installs finds messages by queries that share no word with them."""

import json
import re
from pathlib import Path

import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.queries import SearchHit, SearchMode, SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession
from amplifierd.storage.search.embedders.entry_point import EmbedderOptions
from amplifierd.storage.search.embedders.wordllama import WordLlamaEmbedder
from amplifierd.testing.storage.steps import records, until_found_by_meaning

CASES: dict[str, list[dict[str, str]]] = json.loads((Path(__file__).parents[2] / "meaning-cases.json").read_text())
W = "default"
FIRST = 5


@pytest.mark.parametrize("kind", CASES)
def test_queries_share_no_word_with_their_messages(kind: str) -> None:
    for case in CASES[kind]:
        message, query = (set(re.findall(r"\w+", case[field].lower())) for field in ("message", "query"))
        assert not message & query


async def test_meaning_finds_messages_that_words_miss(database: str) -> None:
    async with open_storage(database, embedder=WordLlamaEmbedder(EmbedderOptions())) as storage:
        session = await storage.create_session(W, NewSession())
        messages = [BatchMessage(content=case["message"]) for kind in CASES for case in CASES[kind]]
        await storage.append_messages(W, session.id, NewMessages(messages))
        await until_found_by_meaning(storage, len(messages))

        async def found(number: int, query: str, mode: SearchMode) -> bool:
            listing = await storage.search_messages(W, SearchQuery(query, limit=FIRST, mode=mode))
            return number in [hit.sequence for hit in await records(listing, SearchHit)]

        queries = [(number, case["query"]) for number, case in enumerate(CASES["english"], 1)]
        assert sum([await found(number, query, "words") for number, query in queries]) == 0
        assert sum([await found(number, query, "hybrid") for number, query in queries]) >= 36
