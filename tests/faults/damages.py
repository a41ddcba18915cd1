"""Two of everything that a workspace has, and damages of each table, one at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from msgspec import Raw

from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import NewModuleSource
from amplifierd.storage.model.part_records import NewUsage
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.queries import SearchQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    Failure,
    Fork,
    MessagePatch,
    NewMessages,
    NewSession,
    SessionPatch,
)
from amplifierd.storage.model.workspaces import NewKey
from amplifierd.testing.storage.messages.test_files import create
from amplifierd.testing.storage.messages.test_parts import call, parts, result
from amplifierd.testing.storage.requests.test_retries import once
from amplifierd.testing.storage.workspaces import test_collections as collections
from faults.any_database import AnyDatabase, AnySQLite, Row, delete, insert, select, update

# The only key of a row.
KEYS = {"message_row": ["place"]}


class Damage(NamedTuple):
    """What was done to a table, and its statements with their values."""

    name: str
    statements: list[tuple[str, Row]]


async def fill(storage: Storage, workspace: str, count: int = 2) -> None:
    """Write `count` of everything that a workspace has."""
    files = [await create(storage, f"{workspace} {number}".encode() * 100, workspace) for number in range(count)]
    for number in range(count):
        await storage.create_profile(workspace, NewProfile(name=f"own{number}", description=str(number)))
        await storage.create_directory(workspace, NewDirectory(f"a{number}", f"own{number}", Raw(b'{"a":%d}' % number)))
        modules = [collections.module(f"collection{number}/tool/{name}") for name in ("bash", "look")]
        read = collections.content(NewProfile(f"p{number}"), identifier=f"collection{number}")
        read = replace(read, modules=modules)
        await collections.create(storage, read, workspace)
        source = NewModuleSource(f"/srv/{number}", "user")
        await storage.create_module_source(workspace, f"collection{number}/tool/bash", source)
        new = NewSession(
            profile=f"own{number}",
            context=Raw(b'{"text":"%s"}' % (b"%d" % number * 1_000)),
            amplified_dir=f"a{number}",
            name=f"Session {number}",
            labels={"project": f"p{number}", "kind": "test"},
        )
        session = await storage.create_session(workspace, new, once=once(f"k{number}"))
        usage = NewUsage(number + 1, number + 2, number + 3, number + 4, f"0.{number + 1}", "EUR" if number else "USD")
        file_part = {"type": "file", "url": f"/files/{files[number].id}", "media": "text/plain"}
        messages = [
            BatchMessage(content=f"first of {number}", token_count=number + 1, usage=usage, id=f"own-{number}"),
            BatchMessage(role="assistant", parts=parts(call(f"c{number}"), call("open"))),
            BatchMessage(role="tool", parts=parts(result(f"c{number}"))),
            BatchMessage(parts=parts({"type": "text", "text": f"see {number}"}, file_part)),
            BatchMessage(content=f"last of {number}", metadata=Raw(b'{"n":%d}' % number)),
        ]
        await storage.append_messages(workspace, session.id, NewMessages(messages), once=once(f"m{number}"))
        corrected = await storage.create_session(workspace, NewSession())
        texts = NewMessages([BatchMessage(content=f"text {place} of {number}") for place in range(4)])
        await storage.append_messages(workspace, corrected.id, texts)
        await storage.update_message(workspace, corrected.id, 1, MessagePatch(content=f"better {number}"))
        await storage.delete_message(workspace, corrected.id, 2)
        await storage.fork_session(workspace, session.id, Fork())
        failed = await storage.create_session(workspace, NewSession())
        await storage.append_messages(workspace, failed.id, NewMessages([BatchMessage(content=f"fails {number}")]))
        await storage.fail_session(workspace, failed.id, Failure(f"Error {number}", Raw(b'{"e":%d}' % number)))
        await storage.delete_session(workspace, (await storage.create_session(workspace, NewSession())).id)
        if workspace == "other":
            await storage.update_session(workspace, failed.id, SessionPatch(name="more writes than in the first one"))
        await storage.create_key(NewKey(f"{workspace}{number}", workspace, f"key {number}", "write", f"{number}" * 64))
    await storage.activate_profile(workspace, "own0")
    await found(storage, workspace)


async def found(storage: Storage, workspace: str) -> None:
    """Search, which indexes everything."""
    assert (await storage.search_messages(workspace, SearchQuery("first"))).first


async def damages(database: AnyDatabase, table: str) -> AsyncIterator[Damage]:
    """Each damage of a table that has rows."""
    columns = await database.columns(table)
    names = [name for name, _ in columns]
    # PostgreSQL returns rows in the order of their places, which changes with the time at which it reuses one.
    rows = sorted(await database.run(select(table, names)), key=repr)
    if not rows:
        return
    yield Damage(f"{table} deleted", [(delete(table, names), rows[0])])
    keys = KEYS.get(table, [name for name, is_key in columns if is_key])
    is_key = [name in keys for name in names]
    for first, second in pairs(rows):
        swapped = [exchanged(first, second, is_key), exchanged(second, first, is_key)]
        if {first, second} != {*swapped}:
            deleted = [(delete(table, names), row) for row in (first, second)]
            yield Damage(f"{table} swapped", [*deleted, *((insert(table, names), row) for row in swapped)])
            break
    for place, name in enumerate(names):
        for first, second in pairs(rows):
            if first[place] != second[place]:
                yield Damage(f"{table}.{name}", [(update(table, name, names), (second[place], *first))])
                break
        for row in rows:
            if isinstance(row[place], str):
                set_text = update(table, name, names)
                yield Damage(f"{table}.{name}", [(set_text, ("{[", *row))])
                if isinstance(database, AnySQLite):
                    set_text = set_text.replace("= $1", "= CAST(x'22FF' AS TEXT)", 1)
                    yield Damage(f"{table}.{name}", [(set_text, (None, *row))])
                break


def exchanged(row: Row, other: Row, is_key: list[bool]) -> Row:
    """A row with the key of another one."""
    return tuple(theirs if key else own for own, theirs, key in zip(row, other, is_key, strict=True))


def pairs(rows: list[Row]) -> list[tuple[Row, Row]]:
    """Two rows each, those of the same workspace first."""
    every = [(first, second) for first in rows[:20] for second in rows if first is not second]
    return sorted(every, key=lambda pair: pair[0][0] != pair[1][0])


@asynccontextmanager
async def damaged(database: AnyDatabase, table: str, damage: Damage) -> AsyncIterator[None]:
    """The damage is undone in the end."""
    names = [name for name, _ in await database.columns(table)]
    await database.run(f"CREATE TEMPORARY TABLE kept AS {select(table, names)}")
    try:
        for statement, values in damage.statements:
            await database.run(statement, *values)
        yield
    finally:
        await database.run(delete(table, []))
        await database.run(insert(table, names, "kept"))
        await database.run("DROP TABLE kept")
