"""`python -m bench.search_latency`: measures searches in a large database, by kind of query.

It fills a SQLite file, and the PostgreSQL that AMPLIFIERD_TEST_POSTGRES names, if it is set (`python tests/postgres.py`
starts one for a command), with the messages of bench/corpus.py, or with messages of one length. Then it sends 1,000
different queries of each kind, one after another, and prints the median and the worst time.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import SearchIndexNotReady
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession

from .corpus import texts, texts_of, vocabulary
from .report import log, table

# The goals for a median at 1,000,000 messages of the corpus, in milliseconds.
_GOALS = {"common word": 60, "rare word": 10, "phrase": 100, "prefix": 100, "pair of characters": 60, "one label": 100}
_MESSAGES_OF_A_SESSION = 50
_SESSIONS_OF_A_LABEL = 20
_SEED = 7
_COMMON, _RARE = slice(0, 200), slice(40_000, 50_000)
_FIRST_CHARACTER, _CHARACTERS = 0x4E00, 200
_LABEL = {"bench": "one"}


def _queries(kind: str, contents: Sequence[str], number: int) -> Iterator[SearchQuery]:
    chance = random.Random(_SEED)  # noqa: S311  # it keeps no secret
    words = vocabulary()
    makers: dict[str, Callable[[], str]] = {
        "common word": lambda: chance.choice(words[_COMMON]),
        "rare word": lambda: chance.choice(words[_RARE]),
        "phrase": lambda: f'"{_adjacent(chance, contents)}"',
        "prefix": lambda: f"{chance.choice(words)[:4]}*",
        "pair of characters": lambda: "".join(chr(_FIRST_CHARACTER + chance.randrange(_CHARACTERS)) for _ in range(2)),
        "one label": lambda: chance.choice(words[_COMMON]),
    }
    labels = ("bench:one",) if kind == "one label" else ()
    return (SearchQuery(makers[kind](), labels=labels) for _ in range(number))


def _adjacent(chance: random.Random, contents: Sequence[str]) -> str:
    """Two adjacent words of a message."""
    while True:
        words = [word for word in chance.choice(contents).split() if word.isalpha()]
        if len(words) > 1:
            first = chance.randrange(len(words) - 1)
            return " ".join(words[first : first + 2])


async def _fill(storage: Storage, contents: Sequence[str], number: int) -> None:
    begun = time.perf_counter()
    for session, first in enumerate(range(0, number, _MESSAGES_OF_A_SESSION)):
        labels = _LABEL if session % _SESSIONS_OF_A_LABEL == 0 else {}
        created = await storage.create_session("default", NewSession(labels=labels))
        some = [contents[place % len(contents)] for place in range(first, min(first + _MESSAGES_OF_A_SESSION, number))]
        messages = NewMessages([BatchMessage(content=text) for text in some])
        await storage.append_messages("default", created.id, messages)
    log(f"filled in {time.perf_counter() - begun:.0f} s")


async def _index(storage: Storage) -> None:
    begun = time.perf_counter()
    # It is None if the database is busy.
    while await storage.waiting_messages() != 0:
        try:
            await storage.search_messages("default", SearchQuery("x"))
        except SearchIndexNotReady:
            await asyncio.sleep(1)
    log(f"indexed after {time.perf_counter() - begun:.0f} s more")


async def _time(storage: Storage, queries: Iterator[SearchQuery]) -> list[float]:
    times = []
    for query in queries:
        begun = time.perf_counter()
        await storage.search_messages("default", query)
        times.append((time.perf_counter() - begun) * 1_000)
    return times


def _urls(folder: str, only: str | None) -> dict[str, str]:
    urls = {"SQLite": f"sqlite:///{folder}/a.db"}
    if url := os.environ.get("AMPLIFIERD_TEST_POSTGRES"):
        urls["PostgreSQL"] = url
    return {name: url for name, url in urls.items() if only in (None, name)}


async def _measure(contents: Sequence[str], number: int, count: int, folder: str, only: str | None) -> None:
    rows: dict[str, list[str]] = {kind: [kind, f"{goal} ms"] for kind, goal in _GOALS.items()}
    urls = _urls(folder, only)
    for name, url in urls.items():
        async with open_storage(url) as storage:
            if not await storage.count_sessions("default"):
                await _fill(storage, contents, number)
            await _index(storage)
            for kind in _GOALS:
                times = await _time(storage, _queries(kind, contents, count))
                rows[kind] += [f"{median(times):.1f} ms", f"{max(times):.0f} ms"]
                log(f"{name}: {' | '.join(rows[kind])}")
    head = ["query", "goal", *(f"{name}, {figure}" for name in urls for figure in ("median", "worst"))]
    print(table(head, list(rows.values())))  # noqa: T201  # its output


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.search_latency", description="Measure searches.")
    parser.add_argument("--messages", type=int, default=100_000, help="how many messages there are")
    parser.add_argument("--length", type=int, help="the length of each message in place of those of the corpus")
    parser.add_argument("--queries", type=int, default=1_000, help="how many queries of each kind there are")
    parser.add_argument("--folder", type=Path, help="where the file of SQLite stays; it is filled if it is empty")
    parser.add_argument("--only", choices=("SQLite", "PostgreSQL"), help="measure only this database")
    chosen = parser.parse_args(arguments)
    number = chosen.messages
    distinct = min(number, 20_000)
    contents = texts(distinct) if chosen.length is None else texts_of(chosen.length, distinct)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(contents, number, chosen.queries, str(chosen.folder or folder), chosen.only))


if __name__ == "__main__":
    main()
