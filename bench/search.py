"""`python -m bench.search`: recall, precision, size and latency of the search on both databases, and of others.

Runs the queries of `tests/search-cases.json` over their messages among filler messages, whose words follow Zipf's law;
a fifth of the filler is Chinese. It prints a table, and another one for the search by meaning
(bench/search_meaning.py). AMPLIFIERD_TEST_POSTGRES names a PostgreSQL, if there is one; `python tests/postgres.py`
starts one for a command.
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import apsw
import asyncpg
import msgspec

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession

from .corpus import vocabulary
from .report import table
from .search_meaning import meaning_table

_CASES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "tests/search-cases.json").read_text()
)
_KINDS = ("english", "other_scripts", "must_not_find")
_BATCH = 500
_WORDS_OF_A_MESSAGE, _CHARACTERS_OF_A_MESSAGE = 50, 110
_FIFTH = 0.2
_TIMED = {
    "common word": "bababa",
    "rare word": "zusuci",
    "phrase": '"bababa bebaba"',
    "prefix": "baba*",
    "pair of characters": "\u4e00\u4e01",
}
_HEAD = ("search", *(f"{kind} found" for kind in _KINDS), "seconds to index", "index / text", *_TIMED)
_RUNS = 20

_decode = msgspec.json.Decoder(list[SearchHit]).decode
# Runs a query. Returns the numbers of the messages that it finds.
Find = Callable[[str], set[int]]


@dataclass(frozen=True)
class _Texts:
    filling: list[str]
    sought: list[str]

    @property
    def size(self) -> int:
        return sum(len(text.encode()) for text in (*self.filling, *self.sought))


def _texts(number: int) -> _Texts:
    chance = random.Random(1)  # noqa: S311  # it keeps no secret
    words = vocabulary()
    weights = [1 / (rank + 1) for rank in range(len(words))]
    characters = [chr(0x4E00 + rank) for rank in range(3_000)]
    filling = [
        "".join(chance.choices(characters, weights[: len(characters)], k=_CHARACTERS_OF_A_MESSAGE))
        if chance.random() < _FIFTH
        else " ".join(chance.choices(words, weights, k=_WORDS_OF_A_MESSAGE))
        for _ in range(number)
    ]
    return _Texts(filling, [case["message"] for kind in _KINDS for case in _CASES[kind]])


def _row(name: str, find: Find, seconds: float, share: float) -> tuple[str, ...]:
    found: list[str] = []
    first = 1
    for kind in _KINDS:
        queries = [(number, text) for number, case in enumerate(_CASES[kind], first) for text in case["queries"]]
        found.append(f"{sum(number in find(text) for number, text in queries)} of {len(queries)}")
        first += len(_CASES[kind])
    times = [f"{middle:.1f} ms, worst {worst:.1f}" for middle, worst in map(_timed(find), _TIMED.values())]
    return name, *found, f"{seconds:.1f}", f"{share:.2f}", *times


def _timed(find: Find) -> Callable[[str], tuple[float, float]]:
    def run(text: str) -> tuple[float, float]:
        times = []
        for _ in range(_RUNS):
            begun = time.perf_counter()
            find(text)
            times.append((time.perf_counter() - begun) * 1_000)
        return median(times), max(times)

    return run


async def _fill(storage: Storage, texts: _Texts) -> str:
    for number in range(0, len(texts.filling), _BATCH):
        session = await storage.create_session("default", NewSession())
        messages = [BatchMessage(content=text) for text in texts.filling[number : number + _BATCH]]
        await storage.append_messages("default", session.id, NewMessages(messages))
    session = await storage.create_session("default", NewSession())
    await storage.append_messages(
        "default", session.id, NewMessages([BatchMessage(content=each) for each in texts.sought])
    )
    return session.id


def _amplifierd(name: str, url: str, texts: _Texts, size: Callable[[], int]) -> tuple[str, ...]:
    with asyncio.Runner() as runner:
        storage = runner.run(open_storage(url).__aenter__())
        try:
            session_id = runner.run(_fill(storage, texts))

            def find(text: str) -> set[int]:
                listing = runner.run(storage.search_messages("default", SearchQuery(text, limit=50)))
                return {hit.sequence for hit in _decode(b"[%b]" % listing.first) if hit.session_id == session_id}

            begun = time.perf_counter()
            find("x")
            seconds = time.perf_counter() - begun
            return _row(name, find, seconds, size() / texts.size)
        finally:
            runner.run(storage.__aexit__(None, None, None))


def _sqlite(texts: _Texts, folder: str) -> tuple[str, ...]:
    path = f"{folder}/a.db"

    def size() -> int:
        [(blocks,)] = apsw.Connection(path).execute("SELECT SUM(length(block)) FROM search_data")
        return int(blocks)

    return _amplifierd("amplifierd on SQLite", f"sqlite:///{path}", texts, size)


def _postgres(texts: _Texts, url: str) -> tuple[str, ...]:
    def size() -> int:
        async def read() -> int:
            connection = await asyncpg.connect(url)
            bytes_: int = await connection.fetchval("SELECT pg_total_relation_size('amplifierd.search')")
            await connection.close()
            return bytes_

        return asyncio.run(read())

    with_index = _amplifierd("amplifierd on PostgreSQL", url, texts, lambda: 0)
    return *with_index[:5], f"{size() / texts.size:.2f}", *with_index[6:]


def _fts5(name: str, tokenizer: str, texts: _Texts, folder: str) -> tuple[str, ...]:
    connection = apsw.Connection(f"{folder}/{tokenizer.split(maxsplit=1)[0]}.db")
    connection.execute(f"CREATE VIRTUAL TABLE x USING fts5 (content, content = '', tokenize = '{tokenizer}')")
    begun = time.perf_counter()
    with connection:
        connection.executemany("INSERT INTO x (rowid, content) VALUES (?, ?)", enumerate(_ordered(texts), 1))
    seconds = time.perf_counter() - begun
    [(size,)] = connection.execute("SELECT SUM(length(block)) FROM x_data")

    def find(text: str) -> set[int]:
        query = " ".join(f'"{word}"' for word in text.replace('"', "").replace("*", "").split())
        found = connection.execute("SELECT rowid FROM x WHERE x MATCH ? ORDER BY rank LIMIT 50", (query,))
        return {rowid for (rowid,) in found}

    return _row(name, find, seconds, size / texts.size)


def _trigrams(texts: _Texts, url: str) -> tuple[str, ...]:
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        runner.run(connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        runner.run(connection.execute("CREATE TEMPORARY TABLE x (number BIGINT, content TEXT)"))
        begun = time.perf_counter()
        rows = [(number, text) for number, text in enumerate(_ordered(texts), 1)]
        runner.run(connection.copy_records_to_table("x", records=rows))
        runner.run(connection.execute("CREATE INDEX x_trgm ON x USING gin (content gin_trgm_ops)"))
        seconds = time.perf_counter() - begun
        size: int = runner.run(connection.fetchval("SELECT pg_relation_size('x_trgm')"))

        def find(text: str) -> set[int]:
            sought = text.replace('"', "").replace("*", "")
            statement = "SELECT number FROM x WHERE content ILIKE '%' || $1 || '%' LIMIT 50"
            return {row[0] for row in runner.run(connection.fetch(statement, sought))}

        row = _row("pg_trgm, ILIKE", find, seconds, size / texts.size)
        runner.run(connection.close())
        return row


def _ordered(texts: _Texts) -> Iterator[str]:
    yield from texts.sought
    yield from texts.filling


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.search")
    parser.add_argument("--messages", type=int, default=100_000, help="How many filling messages there are.")
    texts = _texts(parser.parse_args(arguments).messages)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            _sqlite(texts, folder),
            _fts5("FTS5 unicode61", "unicode61 remove_diacritics 2", texts, folder),
            _fts5("FTS5 porter", "porter unicode61 remove_diacritics 2", texts, folder),
            _fts5("FTS5 trigram", "trigram remove_diacritics 1", texts, folder),
        ]
    url = os.environ.get("AMPLIFIERD_TEST_POSTGRES")
    if url:
        rows += [_postgres(texts, url), _trigrams(texts, url)]
    print(table(_HEAD, rows))  # noqa: T201  # its output
    print(meaning_table({"SQLite": ""} | ({"PostgreSQL": url} if url else {})))  # noqa: T201  # its output


if __name__ == "__main__":
    main()
