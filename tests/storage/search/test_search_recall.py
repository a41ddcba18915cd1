"""Searches find what their users meant: recall and precision over files of cases, on both databases."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession
from amplifierd.testing.storage.steps import records, until
from faults.corrupt import vandalise

W = "default"
Cases = dict[str, Any]
FILES = ("search-cases.json", "search-cases-by-kind.json")
# The share of the expected messages that are found.
LEAST_RECALL = 0.95
COLUMNS = 3


async def _found(storage: Storage, session_id: str, text: str) -> set[int]:
    query = SearchQuery(text, session_id=session_id, limit=1_000)
    return {hit.sequence for hit in await records(await storage.search_messages(W, query), SearchHit)}


async def _session_of(storage: Storage, messages: list[str]) -> str:
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=text) for text in messages]))
    return session.id


async def _wait_until_found(storage: Storage, session_id: str, text: str, expected: set[int]) -> None:
    async def is_found() -> bool:
        return await _found(storage, session_id, text) == expected

    await until(is_found)


@pytest.fixture(params=FILES)
def cases(request: pytest.FixtureRequest) -> Cases:
    read: Cases = json.loads((Path(__file__).parents[2] / str(request.param)).read_text())
    return read


@pytest.mark.parametrize("kind", ["english", "other_scripts"])
async def test_recall(storage: Storage, cases: Cases, kind: str) -> None:
    session_id = await _session_of(storage, [case["message"] for case in cases[kind]])
    queries = [(number, text) for number, case in enumerate(cases[kind], 1) for text in case["queries"]]
    missed = [text for number, text in queries if number not in await _found(storage, session_id, text)]
    assert len(missed) <= (1 - LEAST_RECALL) * len(queries), missed


async def test_precision(storage: Storage, cases: Cases) -> None:
    found_by_none = cases["must_not_find"]
    session_id = await _session_of(storage, [case["message"] for case in found_by_none])
    queries = [(number, text) for number, case in enumerate(found_by_none, 1) for text in case["queries"]]
    assert [text for number, text in queries if number in await _found(storage, session_id, text)] == []


async def test_index_is_written_again_by_new_rules(database: str) -> None:
    async with open_storage(database) as storage:
        session_id = await _session_of(storage, ["Two deployments", "\N{THUMBS UP SIGN}"])
        assert await _found(storage, session_id, "deployment") == {1}
    older = {
        "sqlite": "INSERT OR REPLACE INTO search (rowid, words) SELECT id, 'older' FROM search_docsize",
        "postgres": "UPDATE search SET words = ' older ', lexemes = 'older'; DELETE FROM search WHERE sequence = 2",
    }
    [statement] = [older[kind] for kind in older if database.startswith(kind)]
    await asyncio.to_thread(vandalise, database, statement, "UPDATE search_pipeline SET version = 0")
    async with open_storage(database) as storage:
        await _wait_until_found(storage, session_id, "deployment", {1})
        await _wait_until_found(storage, session_id, "\N{THUMBS UP SIGN}", {2})
    assert [finding async for finding in open_maintenance(database).check()] == []


def _quoted(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


async def test_examples_of_the_page(storage: Storage) -> None:
    page = (Path(__file__).parents[3] / "docs/search.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.count(" | ") == COLUMNS - 1]
    examples = [(message, _quoted(found), _quoted(missed)) for message, found, missed in rows[1:]]
    assert len(examples) > COLUMNS
    session_id = await _session_of(storage, [message for message, *_ in examples])
    for number, (message, found, missed) in enumerate(examples, 1):
        assert [text for text in found if number not in await _found(storage, session_id, text)] == [], message
        assert [text for text in missed if number in await _found(storage, session_id, text)] == [], message
