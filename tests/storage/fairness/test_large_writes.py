"""Large patches and appends do not keep other writes waiting until all of them are done."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import msgspec
import pytest
from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.backend import concurrency_limit
from amplifierd.storage.backend.transactions import LARGE_WRITE
from amplifierd.storage.model.errors import WriteCancelled
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    Fork,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    SessionPatch,
)
from amplifierd.storage.operations.patches import object_patch
from amplifierd.storage.operations.patches.object_patch import MAX_UNPREPARED_BYTES, patch_object
from amplifierd.storage.postgres.pool import Pool
from amplifierd.storage.sql.ports import Bindings, Row
from amplifierd.storage.sqlite.checkpointer import Checkpointer
from amplifierd.storage.sqlite.connection import WriteTransaction, connect_writer
from amplifierd.storage.sqlite.files.reserve import Reserve
from amplifierd.storage.sqlite.group_commit import MAX_RESULTS_BYTES, Writer
from amplifierd.storage.sqlite.store import MAX_UNSIZED
from amplifierd.storage.values.merge_patch import merge_patch
from amplifierd.testing.storage.messages.test_messages import opened
from amplifierd.testing.storage.sessions.test_patches import raw
from amplifierd.testing.storage.steps import until

W = "default"
SECONDS = 60
LARGE = Raw(b'{"text":"%s"}' % (b"x" * LARGE_WRITE))


@pytest.mark.parametrize("depth", [3, 4, 5, 90])
def test_deep_patch_is_merged(depth: int) -> None:
    def around(inner: str) -> str:
        return '{"a":' * depth + inner + "}" * depth

    target = around('{"keep":[1.0,{"x":null}],"go":1,"as_text":1,"-":-0}')
    patch = around('{"go":null,"as_text":{"new":1E5,"gone":null},"list":[null,12345678901234567890123]}')
    expected = around('{"keep":[1.0,{"x":null}],"as_text":{"new":1E5},"-":-0,"list":[null,12345678901234567890123]}')
    assert merge_patch(target, patch) == expected


async def test_large_patches_are_merged_before_their_transactions(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"text": "x" * MAX_UNPREPARED_BYTES})))
    sizes: list[int] = []

    def measured(too_large: object_patch.TooLarge, before: str, patch: Raw) -> object_patch.PatchedObject:
        sizes.append(len(before) + len(bytes(patch)))
        return patch_object(too_large, before, patch)

    # Transactions call the function by this name.
    monkeypatch.setattr(object_patch, "patch_object", measured)
    for number in range(3):
        await storage.update_session(W, session.id, SessionPatch(context=raw({str(number): number})))
    small = await storage.update_session(W, session.id, SessionPatch(context=raw({"text": None})))
    assert sizes == []
    assert json.loads(bytes(small.context)) == {"0": 0, "1": 1, "2": 2}
    await storage.update_session(W, session.id, SessionPatch(context=raw({"3": 3})))
    assert len(sizes) == 1


async def test_short_append_waits_for_one_large_append_at_most(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eight large writes may take longer than a write waits for its turn.
    monkeypatch.setattr(concurrency_limit, "WAIT_SECONDS", 120)
    session_id, other_id = await opened(storage), await opened(storage)
    ended: list[str] = []

    async def append(name: str, session_id: str, new: NewMessages) -> None:
        await storage.append_messages(W, session_id, new)
        ended.append(name)

    calls = [{"type": "tool_call", "call": str(number), "name": "x", "input": ""} for number in range(900)]
    message = BatchMessage(role="assistant", parts=Raw(msgspec.json.encode(calls)))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(append("large", session_id, NewMessages([message] * 8)))
        # The first is running, the others are waiting.
        await asyncio.sleep(0)
        tasks.create_task(append("short", other_id, NewMessages([BatchMessage("hello")])))
    assert ended.index("short") <= 2


Write = Callable[[Storage, str], Awaitable[object]]

# If many arrive at once, the last ones are refused because they wait too long.
MANY = 12

LARGE_RESULTS: dict[str, Write] = {
    "update": lambda storage, session_id: storage.update_session(W, session_id, SessionPatch(name="x")),
    "resume": lambda storage, session_id: storage.resume_session(W, session_id),
    "fork": lambda storage, session_id: storage.fork_session(W, session_id, Fork()),
    "correction": lambda storage, session_id: storage.update_message(W, session_id, 1, MessagePatch(metadata=raw({}))),
    "creation": lambda storage, _: storage.create_session(W, NewSession(context=LARGE)),
}


# PostgreSQL's writes wait for each other in the server, in an unknown order.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("write", LARGE_RESULTS.values(), ids=LARGE_RESULTS)
async def test_short_append_waits_for_few_writes_with_large_results(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    monkeypatch.setattr(concurrency_limit, "WAIT_SECONDS", 120)
    session = await storage.create_session(W, NewSession(context=LARGE))
    await storage.append_message(W, session.id, NewMessage(content="x" * LARGE_WRITE, metadata=LARGE))
    other_id = await opened(storage)
    ended: list[str] = []

    async def end(name: str, written: Awaitable[object]) -> None:
        await written
        ended.append(name)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(MANY):
            tasks.create_task(end("large", write(storage, session.id)))
        await asyncio.sleep(0)
        tasks.create_task(end("short", storage.append_message(W, other_id, NewMessage(content="hello"))))
    assert ended.index("short") <= MAX_UNSIZED + 2


async def test_large_writes_of_one_workspace_wait_for_no_other_workspace(second_postgres: str) -> None:
    large = NewMessage(content="x" * 2 * LARGE_WRITE)
    patch = SessionPatch(context=raw({"text": "x" * 2 * MAX_UNPREPARED_BYTES}))
    async with open_storage(second_postgres) as storage:
        names = ["a", "b", "c", "free"]
        ids = {name: (await storage.create_session(name, NewSession(context=LARGE))).id for name in names}

        def writes(name: str) -> list[Coroutine[Any, Any, object]]:
            return [
                storage.create_session(name, NewSession(context=LARGE)),
                storage.create_session(name, NewSession(id="own-id", context=LARGE)),
                storage.append_message(name, ids[name], large),
                storage.update_session(name, ids[name], patch),
                storage.fork_session(name, ids[name], Fork()),
            ]

        connection = await asyncpg.connect(second_postgres)
        blocked: list[asyncio.Task[object]] = []
        async with asyncio.timeout(SECONDS):
            async with connection.transaction():
                await connection.execute("SELECT * FROM amplifierd.workspace WHERE workspace <> 'free' FOR UPDATE")
                blocked += [asyncio.create_task(write) for name in names[:3] for write in writes(name)]
                await until(lambda: _are_waiting(second_postgres, 6))
                await asyncio.gather(*writes("free"))
                assert not any(task.done() for task in blocked)
            await asyncio.gather(*blocked)
        await connection.close()


async def _are_waiting(url: str, count: int) -> bool:
    """Whether at least this number of statements wait for a lock."""
    connection = await asyncpg.connect(url)
    waiting: int = await connection.fetchval(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    await connection.close()
    return waiting >= count


async def test_changes_on_postgresql_read_no_sizes(second_postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    row = Pool.row

    async def counted(pool: Pool, statement: str, bindings: Bindings) -> Row | None:
        reads.append(statement)
        return await row(pool, statement, bindings)

    async with open_storage(second_postgres) as storage:
        sessions = [await storage.create_session(W, NewSession()) for _ in range(8)]
        monkeypatch.setattr(Pool, "row", counted)
        await asyncio.gather(*(storage.update_session(W, each.id, SessionPatch(name="x")) for each in sessions * 4))
        monkeypatch.undo()
    assert [statement for statement in reads if "session" in statement] == []


async def test_change_waits_for_few_large_changes_of_another_session(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrency_limit, "WAIT_SECONDS", 120)
    session = await storage.create_session(W, NewSession(context=LARGE))
    other = await storage.create_session(W, NewSession())
    ended: list[str] = []

    async def change(name: str, session_id: str) -> None:
        await storage.update_session(W, session_id, SessionPatch(name=name))
        ended.append(name)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(MANY):
            tasks.create_task(change("large", session.id))
        await asyncio.sleep(0)
        tasks.create_task(change("short", other.id))
    assert ended.index("short") <= MAX_UNSIZED + 2


async def test_deferred_write_can_be_withdrawn(tmp_path: Path) -> None:
    sizes = [0, MAX_RESULTS_BYTES + 1]
    calls: list[None] = []
    all_wait, is_held, may_end = threading.Event(), threading.Event(), threading.Event()
    path = tmp_path / "a.db"
    connection, reserve = connect_writer(str(path)), Reserve(path)
    log = Checkpointer(connection, str(path), reserve)
    connection.execute("CREATE TABLE written (number)")
    writer = Writer(
        connection,
        asyncio.get_running_loop(),
        committed=lambda: None,
        refused=lambda _: None,
        idle=lambda _: None,
        transaction=WriteTransaction(connection),
        reserve=reserve,
        log=log,
    )

    def grow(_: apsw.Connection) -> bytes:
        all_wait.wait(SECONDS)
        return b"x" * sizes.pop(0)

    def hold(_: apsw.Connection) -> None:
        calls.append(None)
        if len(calls) > 1:
            is_held.set()
            may_end.wait(SECONDS)

    def write(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO written VALUES (1)")

    def fail(connection: apsw.Connection) -> None:
        write(connection)
        raise ValueError("after a write")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.write(grow))
        tasks.create_task(writer.write(hold))
        deferred = asyncio.create_task(writer.write(write))
        tasks.create_task(_refusal(writer.write(fail)))
        await asyncio.sleep(0)
        all_wait.set()
        try:
            assert await asyncio.to_thread(is_held.wait, SECONDS)
            deferred.cancel()
            with pytest.raises(WriteCancelled):
                await deferred
        finally:
            may_end.set()
    assert await writer.write(lambda connection: connection.execute("SELECT * FROM written").fetchall()) == []
    await writer.close()
    log.close()


async def test_group_of_writes_ends_when_its_results_are_large(tmp_path: Path) -> None:
    groups: list[int] = []
    ended: list[int] = []
    all_wait = threading.Event()
    path = tmp_path / "a.db"
    connection, reserve = connect_writer(str(path)), Reserve(path)
    log = Checkpointer(connection, str(path), reserve)
    writer = Writer(
        connection,
        asyncio.get_running_loop(),
        committed=lambda: groups.append(len(ended)),
        refused=lambda _: None,
        idle=lambda _: None,
        transaction=WriteTransaction(connection),
        reserve=reserve,
        log=log,
    )

    def write(connection: apsw.Connection, number: int) -> bytes:
        all_wait.wait(SECONDS)
        connection.execute("CREATE TABLE written (number)") if number == 0 else None
        connection.execute("INSERT INTO written VALUES (?)", [number])
        return b"x" * (MAX_RESULTS_BYTES // 4)

    def fail(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO written VALUES (-1)")
        raise ValueError("after a write")

    async def end(number: int) -> None:
        await writer.write(write, number)
        ended.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(50):
            tasks.create_task(end(number))
        await asyncio.sleep(0)
        failing = tasks.create_task(_refusal(writer.write(fail)))
        all_wait.set()
    assert (await failing).args == ("after a write",)
    assert ended == [*range(50)]
    # The results of five exceed the limit.
    assert len(groups) >= 10
    rows = await writer.write(lambda connection: connection.execute("SELECT number FROM written").fetchall())
    assert rows == [(number,) for number in range(50)]
    await writer.close()
    log.close()


async def _refusal(write: Awaitable[object]) -> ValueError:
    with pytest.raises(ValueError, match="after") as refused:
        await write
    return refused.value
