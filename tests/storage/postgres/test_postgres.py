"""Specific to PostgreSQL: query plans, settings and notifications."""

import asyncio
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import asyncpg
import pytest
from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import DatabaseUnusable
from amplifierd.storage.model.queries import DeletionQuery, MessageQuery, SessionQuery, SessionSort
from amplifierd.storage.model.records import (
    BatchMessage,
    IdempotentRequest,
    NewMessage,
    NewMessages,
    NewSession,
)
from amplifierd.storage.postgres.binding import bound
from amplifierd.storage.postgres.pool import connect
from amplifierd.storage.postgres.search import statements as search_statements
from amplifierd.storage.postgres.statements import MESSAGES, PostgresStatements
from amplifierd.storage.postgres.store import DIALECT
from amplifierd.storage.sql.statements import files, message_lists, profiles, removals
from amplifierd.storage.sql.statements.session_lists import SessionList, session_list
from conftest import postgres_database

W = "default"


@pytest.fixture
def url(second_postgres: str) -> str:
    return second_postgres


BINDINGS: dict[str, object] = {
    "workspace": W,
    "id": "x",
    "now": "2",
    "revision": 1,
    "sequence": 1,
    "file_id": "x",
    "first": 1,
    "last": 2,
    "most": 1,
    "bytes": 1,
    "key": "k",
    "seen": 1,
    "count": 1,
    "tokens": 1,
    "status": "active",
    "updated_at": "2",
    "ended_at": None,
    "error_message": None,
    "cutoff": "3",
    "horizon": "3",
    "statuses": "failed",
    "at": "2",
    "after_id": "x",
    "last_revision": 1,
    "limit": 10,
    "groups": [0],
    "patterns": [" word7 "],
    "form_groups": [0],
    "forms": [" ~word7 "],
    "excluded": [" word8 "],
    "lexemes": "'word7'",
    "words": ["word7"],
    "queries": ["'word7'"],
    "repeating": [False],
    "score": 2.0,
    "after_sequence": 1,
    "end": 1_001,
    "leads": [" word7 (?=)"],
    "looked_at": 10_000,
    "filtered": 2_000,
    "ranked": 2_000,
    "end_at": "2",
    "end_id": "x",
    "scanned": 10,
    "skipped": 10,
    "role": "tool",
    "hash": "x",
    "call": "call_1",
    "ids": '["7"]',
    "session_ids": ["x"],
    "message_id": "7",
    "last_role": "user",
    "last_time": None,
    "last_content": '"x"',
    "label_key_0": "project",
    "label_value_0": "atlas",
    "label_key_1": "topic",
    "status_0": "failed",
    "status_1": "completed",
    "ids_0": "x",
}


def sessions(**query: Any) -> SessionList:
    """The list for a query, or for a deletion if it has a revision."""
    kind = DeletionQuery if "last_revision" in query else SessionQuery
    return session_list(DIALECT, W, kind(**query))


def in_order(**query: Any) -> str:
    """The statement that lists sessions by an index in the order of the list."""
    listed = sessions(**query)
    return [*listed.in_order(), listed][0].listed(paged=True)


def calls_with_results() -> NewMessages:
    """Tool calls, one in each message, and results for most of them."""
    calls = [f'[{{"type":"tool_call","call":"{number}","name":"x","input":""}}]' for number in range(500)]
    results = ",".join(f'{{"type":"tool_result","call":"{number}"}}' for number in range(495))
    return NewMessages([BatchMessage(parts=Raw(each.encode())) for each in [*calls, f"[{results}]"]])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


async def fill(url: str) -> None:
    """Write sessions, messages, calls, labels and recorded responses, and let PostgreSQL count them."""
    async with open_storage(url) as storage:
        session = await storage.create_session(W, NewSession())
        turn = NewMessages([BatchMessage(content=f"word{number} " * 20, id=str(number)) for number in range(500)])
        await storage.append_messages(W, session.id, turn)
        await storage.append_messages(W, session.id, calls_with_results())
        await asyncio.gather(*(storage.create_session(W, NewSession()) for _ in range(1_000)))
        labelled = [{"a": "b", "c": "d"}, {"a": "e"}]
        await asyncio.gather(*(storage.create_session(W, NewSession(labels=labels)) for labels in labelled * 20))
        for number in range(100):
            await storage.resume_session(W, session.id, once=IdempotentRequest(str(number), sha256()))
    connection = await connect(url)
    await connection.execute("ANALYZE")
    await connection.close()


@pytest.fixture(scope="module")
def filled(postgres: str) -> Iterator[str]:
    """A database with data that tests only read."""
    with postgres_database(postgres) as url:
        asyncio.run(fill(url))
        yield url


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (PostgresStatements.SESSION, "session_pkey"),
        (PostgresStatements.SHORT_SESSIONS, "session_pkey"),
        (PostgresStatements.STATE, "session_pkey"),
        (PostgresStatements.COUNT_MESSAGES, "session_pkey"),
        (PostgresStatements.MESSAGE_COUNT, "session_pkey"),
        (PostgresStatements.SET_STATUS, "session_pkey"),
        (PostgresStatements.DELETE_SESSION, "session_pkey"),
        (PostgresStatements.NEXT_SESSION, "session_pkey"),
        (PostgresStatements.EXPORTED_SESSION, "session_pkey"),
        (files.EXPORTED_FILES, "file_pkey"),
        (files.EXPORTED_FILES_OF_SESSION, "file_reference_pkey"),
        (files.EXPORTED_FILES_OF_SESSION, "file_reference_by_file"),
        (PostgresStatements.TAIL_STATE, "session_pkey"),
        (PostgresStatements.MESSAGE, "message_pkey"),
        (PostgresStatements.TAIL_MESSAGES, "message_pkey"),
        (message_lists.joined_messages(DIALECT, "asc"), "message_pkey"),
        (message_lists.messages(DIALECT, "asc"), "message_pkey"),
        (PostgresStatements.MESSAGES_WITH_IDS, "message_by_id"),
        (message_lists.sequence_of_id(MESSAGES), "message_by_id"),
        (in_order(labels=("a",)), "session_label_by_key"),
        (in_order(labels=("a:b",)), "session_label_by_value"),
        (in_order(labels=("a:b", "c")), "session_label_by_value"),
        (in_order(archived=True), "session_archived"),
        (in_order(pinned=True), "session_pinned"),
        (in_order(status=("failed",)), "session_by_status"),
        (in_order(archived=False), "session_by_update"),
        (in_order(status=("active", "failed")), "session_by_update"),
        (in_order(roots=True), "session_by_update"),
        (PostgresStatements.RECORDED_RESPONSE, "idempotency_pkey"),
        (PostgresStatements.CHILDREN, "session_by_parent"),
        (removals.IS_UNCHANGED, "session_pkey"),
        (in_order(sort="updated_at", last_revision=5), "session_by_update"),
        (PostgresStatements.LAST_UPDATE, "session_by_update"),
        (PostgresStatements.CHANGES, "session_by_revision"),
        (PostgresStatements.CHANGED_SESSIONS, "session_by_revision"),
        *(
            (statement, index)
            for sort, index in [
                ("-updated_at", "session_by_update"),
                ("updated_at", "session_by_update"),
                ("-created_at", "session_by_creation"),
                ("created_at", "session_by_creation"),
                ("name", "session_by_name"),
                ("-name", "session_by_name"),
            ]
            for statement in (sessions(sort=sort, limit=5).listed(paged=True), sessions(sort=sort).end())
        ),
        (message_lists.filtered_messages(DIALECT, MessageQuery(role="user")), "message_pkey"),
        (message_lists.last_of_page(MESSAGES, MessageQuery(role="user", order="desc")), "message_pkey"),
        (message_lists.filtered_messages(DIALECT, MessageQuery(open_calls=True)), "message_pkey"),
        (search_statements.search(frozenset(), "all", by_words=True), "search_by_lexeme"),
        (search_statements.search(frozenset(), "tools", by_words=True), "search_by_lexeme"),
        (search_statements.search(frozenset(), "all", by_words=False), "message_pkey"),
        (search_statements.COUNT_MESSAGES, "search_by_lexeme"),
        (profiles.FORGET_CONTENT, "session_by_profile_content"),
        (profiles.FORGET_CONTENT, "profile_by_content"),
    ],
)
async def test_every_hot_statement_uses_its_index(filled: str, statement: str, index: str) -> None:
    used = await explained_nodes(filled, statement)
    assert index in [node.get("Index Name") for node in used]
    assert not [node for node in used if node["Node Type"] == "Seq Scan"]


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "-name", "name"])
async def test_page_starts_at_its_position_among_equal_keys(filled: str, sort: SessionSort) -> None:
    for statement in (sessions(sort=sort, limit=5).listed(paged=True), sessions(sort=sort).end()):
        [scan] = [node for node in await explained_nodes(filled, statement) if "Index Name" in node]
        assert re.search(r"ROW\(.*, id\) [<>] ROW\(.*ROW\(.*, id\) [<>]= ROW\(", scan["Index Cond"])
        assert "Filter" not in scan


async def explained_nodes(url: str, statement: str) -> list[dict[str, Any]]:
    """The nodes of a statement's plan."""
    connection = await connect(url)
    # Small tables are scanned completely, unless that is made as expensive as for large ones.
    await connection.execute("SET enable_seqscan = off")
    await connection.execute("SET plan_cache_mode = force_custom_plan")
    text, values = bound(statement, BINDINGS)
    explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *values)
    await connection.close()
    return [*nodes(json.loads(explained)[0]["Plan"])]


async def test_reader_does_not_overtake_waiting_readers(url: str) -> None:
    async with open_storage(url) as storage:
        session = await storage.create_session(W, NewSession())
        await storage.append_message(W, session.id, NewMessage("x"))
        done = [0] * 64
        first: list[int] = []

        async def read(reader: int) -> None:
            while done[reader] < 100:
                await storage.get_message(W, session.id, 1)
                done[reader] += 1
            first.append(min(done))

        await asyncio.gather(*(read(reader) for reader in range(len(done))))
    # When the first is done, the last is close behind; it was at 13 when newcomers went first.
    assert first[0] >= 50


async def test_commit_is_synced_despite_the_server_default(url: str) -> None:
    name = url.rpartition("/")[2]
    connection = await asyncpg.connect(url)
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await connection.close()
    async with open_storage(url) as storage:
        pool = storage._pool  # type: ignore[attr-defined]  # noqa: SLF001  # what no other can tell
        async with pool.connection() as lent:
            assert await lent.connection.fetchval("SHOW synchronous_commit") == "on"


async def test_node_stopped_in_a_transaction_is_disconnected(url: str) -> None:
    async with open_storage(url) as storage:
        pool = storage._pool  # type: ignore[attr-defined]  # noqa: SLF001  # what no other can tell
        async with pool.connection() as lent:
            assert await lent.connection.fetchval("SHOW idle_in_transaction_session_timeout") == "10s"
            assert await lent.connection.fetchval("SHOW lock_timeout") == "5s"


async def test_newer_schema_is_refused(url: str) -> None:
    async with open_storage(url):
        pass
    connection = await connect(url)
    await connection.execute("UPDATE schema_version SET version = 99")
    await connection.close()
    with pytest.raises(DatabaseUnusable, match="has schema 99, newer than this program's"):
        await open_storage(url).open()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("postgresql://nobody:secret@127.0.0.1:1/x", "can't be opened: .*Connect call failed.*Check the address"),
        ("{}_not", "does not exist"),
    ],
)
async def test_opening_error_does_not_contain_the_password(url: str, wrong: str, words: str) -> None:
    with pytest.raises(DatabaseUnusable, match=words) as refused:
        await open_storage(wrong.format(url)).open()
    assert "secret" not in str(refused.value)


async def test_words_are_compressed_with_lz4_if_the_server_has_it(url: str) -> None:
    async with open_storage(url) as storage:
        session = await storage.create_session(W, NewSession())
        content = " ".join([f"word{number % 1_000}" for number in range(5_000)])
        await storage.append_message(W, session.id, NewMessage(content=content))
    connection = await connect(url)
    [[methods]] = await connection.fetch("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'")
    [used] = await connection.fetch("SELECT pg_column_compression(words), pg_column_compression(lexemes) FROM search")
    await connection.close()
    # pglz does not compress what would become little shorter.
    assert tuple(used) == (("lz4", "lz4") if "lz4" in methods else ("pglz", None))
