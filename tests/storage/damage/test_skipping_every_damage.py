"""Every table, with one damage at a time: with --skip-damaged, an export and a copy carry all that is not damaged.

Each column of a row is damaged in the ways of `damages`, and one bit of each text is flipped at several places. The
rules of the contract decide what is damaged, as for an import: a record that they allow is carried as it is.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import apsw
from msgspec import json

from amplifierd.commands.copy_database import copy_opened
from amplifierd.commands.database_transfer import lines_of_exports
from amplifierd.commands.exports.own_format import all_lines
from amplifierd.contract import LineReader
from amplifierd.storage import open_existing, open_maintenance, open_storage
from amplifierd.storage.model.database_errors import DatabaseUnusable, Skipped
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import Export
from amplifierd.storage.model.workspaces import NewKey
from faults.any_database import REFUSED, AnyDatabase, Row, any_database, select, update
from faults.damages import Damage, damaged, damages, fill

# How many of everything each has: two rows of a table are exchanged, or one in each workspace.
WORKSPACES = {"default": 2, "other": 1}
PAGE = 4_096
ROOT_PAGES = """
SELECT name, rootpage
FROM sqlite_schema
WHERE type = 'table'
    AND rootpage > 0
"""
# The number of characters of a text that are damaged.
FLIPS = 2
MESSAGE_COLUMNS = ("message_row.rest", "message.record")
# Each is as valid as the other.
EXCHANGED = ("session swapped", "session_detail swapped")
# Without these there is no message, and no session.
NEEDED = ("session", "message_row", "session_number")
# Others may be read through an index that has all of their columns.
TOLD = ("deletion", "idempotency", "module_source", "search_config", "session_detail", "profile_content", *NEEDED)
# What an export reads.
READ = ("session", "session_detail", "message", "message_row", "profile_content", "file")
# Of these, what is not in messages.
SMALL = ("session", "session_detail", "file")
# Their damages are there before a storage is opened; those of others may happen while it is open.
READ_WHEN_OPENED = (
    "schema_version",
    "embedding_model",
    "search_config",
    "search_pipeline",
    "search_progress",
    "workspace",
)
# Rows that several sessions have in common.
SHARED = ("profile_content", "profile_text", "session_number")


class Session(NamedTuple):
    """An exported session: its line, and those of its profile and its messages."""

    line: bytes
    others: tuple[bytes, ...]

    @property
    def deleted(self) -> int:
        """The number of messages that are deleted, or exported as such."""
        return sum(b'"deletedAt"' in line for line in self.others)


class Unnamed(NamedTuple):
    """Sessions that are lost, whole or in part, and sessions that are others than before."""

    lost: set[str]
    others: set[str]


Exported = dict[str, Session]


class Source(NamedTuple):
    """An open storage that skips damaged records, and what it says about them."""

    storage: Storage
    lines: LineReader
    skipped: Skipped
    said: list[str]


Run = Callable[[Source], Awaitable[Exported]]


@asynccontextmanager
async def skipping(database: str, lines: LineReader) -> AsyncIterator[Source]:
    """Open a database as --skip-damaged does."""
    said: list[str] = []
    skipped = Skipped(said.append, lines.read_stored)
    async with open_existing(database, skipped) as storage:
        yield Source(storage, lines, skipped, said)


async def flips(database: AnyDatabase, table: str, message_step: int = 1, most: int = FLIPS) -> AsyncIterator[Damage]:
    """One flipped bit in each text of a table, at `most` places, or in a message at each `message_step`."""
    names = [name for name, _ in await database.columns(table)]
    rows = await database.run(select(table, names))
    for place, name in enumerate(names):
        column = f"{table}.{name}"
        texts = [row for row in rows if isinstance(row[place], str) and row[place].isascii()]
        # The messages with a file and with usage, if there are any.
        found = [next((row for row in texts if word in row[place]), None) for word in ("/files/", '"usage"')]
        for row in [row for row in found if row is not None] or texts[:1]:
            text = row[place]
            step = message_step if column in MESSAGE_COLUMNS else max(1, len(text) // most)
            for at in range(0, len(text), step):
                flipped = f"{text[:at]}{chr(ord(text[at]) ^ 1 << at % 7)}{text[at + 1 :]}"
                if "\0" not in flipped:
                    yield Damage(f"{column} {at}", [(update(table, name, names), (flipped, *row))])


async def exported(source: Source) -> Exported:
    """The sessions of an export, which an import takes."""
    found: Exported = {}
    async with open_storage("memory://") as target:
        for workspace in WORKSPACES:
            text = await text_of(source.storage, workspace)
            found |= sessions_in(text)
            await target.import_sessions(workspace, _export(source.lines, text), "fail")
    return found


async def text_of(storage: Storage, workspace: str) -> bytes:
    """The export of a workspace with its files."""
    return b"".join([block async for block, _ in all_lines(storage, workspace, files=True)])


def sessions_in(text: bytes) -> Exported:
    """The sessions in an export, by their ids."""
    session_id, found = "", dict[str, list[bytes]]()
    for line in text.splitlines():
        record = json.decode(line)
        session_id = record["session"]["id"] if "session" in record else session_id
        if not {"header", "end", "file", "chunk"} & record.keys():
            found.setdefault(session_id, []).append(line)
    return {each: Session(own[0], tuple(own[1:])) for each, own in found.items()}


def _export(lines: LineReader, text: bytes) -> Export:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield text

    return Export(lines.read(chunks()))


async def copied(source: Source) -> Exported:
    """The sessions of a copy."""
    async with open_storage("memory://") as target:
        # A copy that can read no key needs one there.
        await target.create_key(NewKey("own", "default", "own", "write", "f" * 64))
        await copy_opened(source.storage, target, source.skipped)
        return {
            each: it for workspace in WORKSPACES for each, it in sessions_in(await text_of(target, workspace)).items()
        }


def unnamed(before: Exported, after: Exported, said: list[str]) -> Unnamed:
    """The sessions of which nothing is said although they are lost or other ones."""
    named = {each for each in before if any(each in text for text in said)}
    lost = {each for each, it in before.items() if each not in after or after[each].deleted > it.deleted}
    other = {each for each, it in before.items() if each in after and after[each] != it}
    return Unnamed(lost - named, other - lost - named)


async def filled(database: str, lines: LineReader) -> Exported:
    """The sessions of a new database, in which nothing is damaged."""
    async with open_storage(database) as storage:
        for workspace, count in WORKSPACES.items():
            await fill(storage, workspace, count)
    async with skipping(database, lines) as source:
        before = await exported(source)
        assert (len(before), source.said) == (12, [])
        assert await copied(source) == before
        assert source.said == []
    return before


async def every_damage(database: AnyDatabase, table: str) -> AsyncIterator[tuple[Damage, Run]]:
    """Each damage of a table, and what is tried with it: both read sessions in the same way."""
    async for damage in damages(database, table):
        if damage.name not in EXCHANGED:
            yield damage, copied
    if table in READ:
        async for damage in flips(database, table, message_step=6):
            yield damage, exported


async def test_all_that_is_not_damaged_is_carried(database: str) -> None:
    lines = lines_of_exports()
    before = await filled(database, lines)
    opened = await any_database(database)
    faults: list[tuple[str, Unnamed, list[str]]] = []
    for table in await opened.tables():
        is_read_when_opened = table in READ_WHEN_OPENED
        async with nullcontext() if is_read_when_opened else skipping(database, lines) as kept:
            async for damage, run in every_damage(opened, table):
                # The database itself prevents some damages.
                with suppress(*REFUSED, *([DatabaseUnusable] if table == "schema_version" else [])):
                    async with (
                        damaged(opened, table, damage),
                        skipping(database, lines) if kept is None else nullcontext(kept) as source,
                    ):
                        if not is_read_when_opened:
                            source.said.clear()
                        after = await run(source)
                        found = unnamed(before, after, source.said)
                        if found.lost or (len(found.others) > 1 and table not in SHARED):
                            faults.append((damage.name, found, [*source.said]))
    await opened.close()
    assert faults == []


async def test_check_reports_what_an_export_skips(database: str) -> None:
    lines = lines_of_exports()
    await filled(database, lines)
    opened = await any_database(database)
    maintenance = open_maintenance(database, lines.read_stored)
    assert [finding async for finding in maintenance.check()] == []
    unnoticed: list[tuple[str, list[str]]] = []
    for table in SMALL:
        async with skipping(database, lines) as source:
            async for damage in flips(opened, table, most=8):
                with suppress(*REFUSED):
                    async with damaged(opened, table, damage):
                        source.said.clear()
                        await exported(source)
                        if source.said and not [finding async for finding in maintenance.check()]:
                            unnoticed.append((damage.name, [*source.said]))
    await opened.close()
    assert unnoticed == []


async def test_tables_that_are_not_needed_may_be_unreadable(tmp_path: Path) -> None:
    lines = lines_of_exports()
    path = tmp_path / "a.db"
    before = await filled(f"sqlite:///{path}", lines)
    deleted = {each: it.deleted for each, it in before.items()}
    whole = path.read_bytes()
    with closing(apsw.Connection(str(path))) as connection:
        roots = [(str(name), int(str(page))) for name, page in connection.execute(ROOT_PAGES)]
    for name, page in roots:
        path.write_bytes(whole[: (page - 1) * PAGE] + b"\xff" * PAGE + whole[page * PAGE :])
        for run in (exported, copied):
            async with skipping(f"sqlite:///{path}", lines) as source:
                after = await run(source)
            assert unnamed(before, after, source.said) == Unnamed(set(), set())
            assert source.said or name not in TOLD
            if name not in NEEDED:
                assert {each: it.deleted for each, it in after.items()} == deleted


# What is derived from messages: what of it the sessions have.
DERIVED = {
    "file_reference": ["workspace", "session_id", "sequence", "file_id"],
    "tool_call": ["workspace", "session_id", "sequence", "call", "result_sequence"],
    "correction": ["workspace", "session_id", "sequence", "version"],
    "session": ["id", "message_count", "token_usage", "input_tokens", "output_tokens", "cost", "last_message"],
}


async def derived(database: AnyDatabase) -> dict[str, list[Row]]:
    return {table: sorted(await database.run(select(table, names)), key=repr) for table, names in DERIVED.items()}


async def test_repair_removes_nothing_because_of_a_damaged_message(database: str) -> None:
    lines = lines_of_exports()
    async with open_storage(database) as storage:
        await fill(storage, "default")
    opened = await any_database(database)
    before = await derived(opened)
    table = "message_row" if database.startswith("sqlite") else "message"
    removed: list[str] = []
    maintenance = open_maintenance(database, lines.read_stored)
    async for damage in flips(opened, table, message_step=7):
        if damage.name.partition(" ")[0] in MESSAGE_COLUMNS:
            async with damaged(opened, table, damage):
                findings = [finding async for finding in maintenance.check()]
                for finding in findings:
                    await maintenance.repair(finding)
                after = await derived(opened)
                is_refused = any(finding.fault == "record" for finding in findings)
                if after["file_reference"] != before["file_reference"] or (is_refused and after != before):
                    removed.append(f"{damage.name}: {[finding.text for finding in findings]}")
            if after != before:
                # An allowed text counted as it was.
                for finding in [finding async for finding in maintenance.check()]:
                    await maintenance.repair(finding)
                before = await derived(opened)
    await opened.close()
    assert removed == []
