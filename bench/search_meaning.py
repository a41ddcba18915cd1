"""Compares searches by words and by meaning, with queries that share no word with the message.

The messages and queries are those of `tests/meaning-cases.json`, among the paragraphs of this project's documentation.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchMode, SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession
from amplifierd.storage.search.embedders.entry_point import EmbedderOptions
from amplifierd.storage.search.embedders.wordllama import WordLlamaEmbedder

from .report import table

_ROOT = Path(__file__).parents[1]
_CASES: dict[str, list[dict[str, str]]] = json.loads((_ROOT / "tests/meaning-cases.json").read_text())
_LEAST_CHARACTERS = 60
_AT_ONCE = 500
_PLACES = (1, 5, 10)
_LIMIT = max(_PLACES)
_MODES: tuple[SearchMode, ...] = ("words", "hybrid")

_decode = msgspec.json.Decoder(list[SearchHit]).decode


def meaning_table(urls: dict[str, str]) -> str:
    """The table of results in the databases, by name; a database without a URL is a new SQLite file."""
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, url in urls.items():
            rows += asyncio.run(_rows(name, url or f"sqlite:///{folder}/a.db"))
    places = [f"{kind} among the first {place}" for kind in _CASES for place in _PLACES]
    return table(("search", *(heading.replace("_", " ") for heading in places)), rows)


async def _rows(name: str, url: str) -> list[tuple[str, ...]]:
    async with open_storage(url, embedder=WordLlamaEmbedder(EmbedderOptions())) as storage:
        session = await storage.create_session("meaning", NewSession())
        cases = [(kind, case) for kind in _CASES for case in _CASES[kind]]
        contents = [*(case["message"] for _, case in cases), *_paragraphs()]
        for first in range(0, len(contents), _AT_ONCE):
            some = [BatchMessage(content=text) for text in contents[first : first + _AT_ONCE]]
            await storage.append_messages("meaning", session.id, NewMessages(some))
        waiting: int | None = None
        # It is None if the database is busy.
        while waiting != 0:
            # A count may be a second old.
            await asyncio.sleep(1.1)
            waiting = await storage.waiting_vectors()
        return [(f"{name}, {mode}", *await _found(storage, cases, mode)) for mode in _MODES]


async def _found(storage: Storage, cases: list[tuple[str, dict[str, str]]], mode: SearchMode) -> list[str]:
    """For each kind of cases and each rank, the number of messages that are found up to this rank."""
    ranks: dict[str, list[int]] = {kind: [] for kind in _CASES}
    for sequence, (kind, case) in enumerate(cases, 1):
        listing = await storage.search_messages("meaning", SearchQuery(case["query"], limit=_LIMIT, mode=mode))
        sequences = [hit.sequence for hit in _decode(b"[%b]" % listing.first)]
        ranks[kind].append(sequences.index(sequence) + 1 if sequence in sequences else _LIMIT + 1)
    return [
        f"{sum(rank <= place for rank in of_kind)} of {len(of_kind)}" for of_kind in ranks.values() for place in _PLACES
    ]


def _paragraphs() -> Iterator[str]:
    for page in [_ROOT / "README.md", _ROOT / "CHANGELOG.md", *sorted((_ROOT / "docs").glob("*.md"))]:
        for paragraph in re.split(r"\n\s*\n|\n(?=[-|] ?)", page.read_text()):
            if len(paragraph) >= _LEAST_CHARACTERS:
                yield paragraph
