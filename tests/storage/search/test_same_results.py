"""Databases with an index find what the search without an index finds: the same messages, scores and snippets."""

import json
import random

from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import NewMessage, NewSession, Role
from amplifierd.storage.values.uuid7 import new_session_id
from amplifierd.testing.storage.steps import records

W = "default"
SESSIONS = 6
MESSAGES = 10
QUERIES = 200
WORDS = "deploy the read_file 2026-04-01T10:00:00Z 10:30am happier leaves drove de file foo.bar"
LABELS = [{}, {"team": "maps"}, {"team": "roads"}]
TIMES = ["2001-02-03T04:05:06Z", "2026-04-01T00:00:00Z"]
ROLES: list[Role] = ["user", "assistant", "tool"]
TERMS = """
deploy de* d* r* -deploy -d* OR 10:30 2026-04-01 Apr happy leaf drive file foo_bar role:tool -role:user -role:nobody
tool:write -tool:read_file label:team -label:team:maps in:text -in:text -in:tools after:2020 -after:2020-01
before:2001-02-03T04:05:06Z -before:2001-02-03T04:05:06Z
"""
PHRASES = ['"deploy the"', '-"read file"', '"10:00 de"*']


def message(chosen: random.Random) -> NewMessage:
    """A message of some words, which may call a tool."""
    text = " ".join(chosen.choices(WORDS.split(), k=chosen.randint(1, 5)))
    parts: list[object] = [{"type": "text", "text": text}]
    if chosen.random() < 0.5:
        values = json.dumps({"x": chosen.choice(WORDS.split())})
        name = chosen.choice(["read_file", "write"])
        parts.append({"type": "tool_call", "call": "c", "name": name, "input": values})
    return NewMessage(role=chosen.choice(ROLES), content=text, parts=Raw(json.dumps(parts).encode()))


async def hits(storage: Storage, text: str) -> list[SearchHit]:
    return await records(await storage.search_messages(W, SearchQuery(text, limit=1_000)), SearchHit)


async def test_results_are_those_of_a_search_without_an_index(storage: Storage) -> None:
    chosen = random.Random(1)  # noqa: S311  # of a test, the same each time
    async with open_storage("memory://") as in_memory:
        for _ in range(SESSIONS):
            created_at = chosen.choice(TIMES)
            new = NewSession(id=new_session_id(created_at), labels=chosen.choice(LABELS), created_at=created_at)
            messages = [message(chosen) for _ in range(MESSAGES)]
            for each in (storage, in_memory):
                session = await each.create_session(W, new)
                for said in messages:
                    await each.append_message(W, session.id, said)
        terms = [*TERMS.split(), *PHRASES]
        found = 0
        for _ in range(QUERIES):
            text = " ".join(chosen.choices(terms, k=chosen.randint(1, 4)))
            expected = await hits(in_memory, text)
            assert (text, await hits(storage, text)) == (text, expected)
            found += bool(expected)
        assert found > QUERIES / 3
