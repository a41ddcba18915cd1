"""Every table, with one damage at a time: a check reports it, or the table below says why it cannot.

A row is deleted, two rows exchange their keys, and each column of a row gets the value of another row. Each text is
replaced with one that is not JSON; on SQLite also with one that is not UTF-8. A new table or
column is in the test as soon as a migration adds it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from msgspec import Raw

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.database_errors import DatabaseUnusable
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
from any_database import REFUSED, AnyDatabase, AnySQLite, Row, any_database, delete, insert, select, update

ALONE = "It is stored once, and nothing else tells what it was."
PASSING = "It is about a request, for a day: without it, a request that is sent again takes effect again."
FOLLOWED = "It is told to those who follow the sessions, and forgotten after a week."
POSITION = "A position in the writes: a wrong one makes work that is done again, or clients that read again."

SKIPPED = "A count of writes that is too high skips numbers."

# What no check can know, with the reason.
EXCEPTIONS = {
    "active_profile deleted": "A workspace may have none.",
    "active_profile.name": ALONE,
    "active_profile.workspace": "A workspace may have none.",
    "api_key deleted": ALONE,
    "api_key swapped": ALONE,
    "api_key.created_at": ALONE,
    "api_key.digest": ALONE,
    "api_key.id": ALONE,
    "api_key.name": ALONE,
    "api_key.scope": ALONE,
    "api_key.workspace": ALONE,
    "collection.name": ALONE,
    "deletion deleted": FOLLOWED,
    "deletion swapped": FOLLOWED,
    "deletion.deleted_at": FOLLOWED,
    "deletion.session_id": FOLLOWED,
    "deletion.workspace": FOLLOWED,
    "directory.created_at": ALONE,
    "directory.default_profile": ALONE,
    "directory.metadata": ALONE,
    "directory.updated_at": ALONE,
    "directory_use swapped": "The counts may be the same.",
    "directory_use.last_used_at": "A deleted session may have been the last that used it.",
    "embedding_model deleted": "The next daemon with an embedder writes it.",
    "embedding_model.holder": "A lease, which ends.",
    "embedding_model.model": "The next daemon with an embedder compares it with its own.",
    "file.created_at": ALONE,
    "file.media": ALONE,
    "idempotency deleted": PASSING,
    "idempotency swapped": PASSING,
    "idempotency.answer": PASSING,
    "idempotency.expires_at": PASSING,
    "idempotency.fingerprint": PASSING,
    "idempotency.key": PASSING,
    "idempotency.session_id": PASSING,
    "idempotency.workspace": PASSING,
    "message.usage": "It is added up when the session is forked: then the check finds that the sums are wrong.",
    "message_row.role": ALONE,
    "message_row.timestamp": ALONE,
    "module.type": ALONE,
    "module_source deleted": ALONE,
    "module_source swapped": ALONE,
    "module_source.module": ALONE,
    "module_source.scope": ALONE,
    "module_source.source": ALONE,
    "module_source.workspace": ALONE,
    "profile.installed": "It is compared with what is installed when the profile is read.",
    "profile.stale": "A profile that is not stale is at most examined again.",
    "search_pipeline deleted": "The next daemon writes the index again.",
    "search_pipeline.session_id": "The next daemon writes the index again.",
    "search_pipeline.workspace": "The next daemon writes the index again.",
    "search_progress deleted": "The next search looks at all sessions again.",
    "session.changed_sequence": POSITION,
    "session.changed_version": POSITION,
    "session.context": ALONE,
    "session.correction_count": "A session that was not corrected since the counts exist has none.",
    "session.created_at": ALONE,
    "session.created_revision": POSITION,
    "session.ended_at": ALONE,
    "session.error_message": ALONE,
    "session.forked_at_sequence": ALONE,
    "session.parent_session_id": "A parent may be deleted before its fork.",
    "session.profile": "An imported session may name a profile that is not here.",
    "session.profile_hash": "A session keeps what its profile was, whatever that is now.",
    "session.revision": POSITION,
    "session.started_at": ALONE,
    "session.status": ALONE,
    "session.version": POSITION,
    "session_detail swapped": ALONE,
    "session_detail.context": ALONE,
    "session_detail.error_details": ALONE,
    "workspace swapped": SKIPPED,
    "workspace.revision": SKIPPED,
}
# Not as tables: the check reads it whole (see tests/storage/test_check.py).
INDEX_OF_WORDS = ("search_config", "search_data", "search_docsize", "search_idx", "search_content")
# A row has no key of its own but this.
KEYS = {"message_row": ["place"]}


class Damage(NamedTuple):
    """What was done to a table, and its statements with their values."""

    name: str
    statements: list[tuple[str, Row]]


async def fill(storage: Storage, workspace: str) -> None:
    """Write two of everything that a workspace has."""
    files = [await create(storage, f"{workspace} {number}".encode() * 100, workspace) for number in range(2)]
    for number in range(2):
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
    rows = await database.run(select(table, names))
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


async def test_check_reports_each_damage(database: str) -> None:
    async with open_storage(database) as storage:
        for workspace in ("default", "other"):
            await fill(storage, workspace)
    maintenance = open_maintenance(database)
    assert [finding async for finding in maintenance.check()] == []
    unnoticed = set()
    opened = await any_database(database)
    tables = [table for table in await opened.tables() if table not in INDEX_OF_WORDS]
    for table in tables:
        async for damage in damages(opened, table):
            try:
                async with damaged(opened, table, damage):
                    if not [finding async for finding in maintenance.check()]:
                        unnoticed.add(damage.name)
            except (*REFUSED, DatabaseUnusable):
                # The database itself keeps this, or no program opens it any more.
                continue
    await opened.close()
    assert [finding async for finding in maintenance.check()] == []
    assert unnoticed - EXCEPTIONS.keys() == set()
