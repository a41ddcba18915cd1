"""Every table, with one damage at a time: with --skip-damaged, an export and a copy carry all that is not damaged.

Each column of a row is damaged in the ways of `damages`, and one bit of each text is flipped at several places. The
rules of the contract decide what is damaged, as for an import: a record that they allow is carried as it is.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import apsw
from msgspec import json

from amplifierd.commands.copy_database import copy
from amplifierd.commands.database_transfer import lines_of_exports
from amplifierd.commands.exports.own_format import all_lines
from amplifierd.contract import LineReader
from amplifierd.storage import open_existing, open_maintenance, open_storage
from amplifierd.storage.model.database_errors import DatabaseUnusable, Skipped
from amplifierd.storage.model.records import Export
from any_database import REFUSED, AnyDatabase, Row, any_database, select, update
from damages import Damage, damaged, damages, fill

WORKSPACES = ("default", "other")
TARGET = "memory://copy-of-a-damaged-database"
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
Run = Callable[[str, LineReader], Awaitable[tuple[Exported, list[str]]]]


async def flips(database: AnyDatabase, table: str, message_step: int = 1) -> AsyncIterator[Damage]:
    """One flipped bit in each text of a table, at some places, or in a message at each `message_step`."""
    names = [name for name, _ in await database.columns(table)]
    rows = await database.run(select(table, names))
    for place, name in enumerate(names):
        column = f"{table}.{name}"
        texts = [row for row in rows if isinstance(row[place], str) and row[place].isascii()]
        # The messages with a file and with usage, if there are any.
        found = [next((row for row in texts if word in row[place]), None) for word in ("/files/", '"usage"')]
        for row in [row for row in found if row is not None] or texts[:1]:
            text = row[place]
            step = message_step if column in MESSAGE_COLUMNS else max(1, len(text) // FLIPS)
            for at in range(0, len(text), step):
                flipped = f"{text[:at]}{chr(ord(text[at]) ^ 1 << at % 7)}{text[at + 1 :]}"
                if "\0" not in flipped:
                    yield Damage(f"{column} {at}", [(update(table, name, names), (flipped, *row))])


async def exported(database: str, lines: LineReader) -> tuple[Exported, list[str]]:
    """The sessions of an export with --skip-damaged, which an import takes, and what the export says."""
    said: list[str] = []
    found: Exported = {}
    async with (
        open_existing(database, Skipped(said.append, lines.read_stored)) as storage,
        open_storage("memory://") as target,
    ):
        for workspace in WORKSPACES:
            text = b"".join([block async for block, _ in all_lines(storage, workspace, files=True)])
            found |= sessions_in(text)
            await target.import_sessions(workspace, _export(lines, text), "fail")
    return found, said


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


async def copied(database: str, lines: LineReader) -> tuple[Exported, list[str]]:
    """The sessions of a copy with --skip-damaged, and what the copy says."""
    said: list[str] = []
    skipped = Skipped(said.append, lines.read_stored)
    try:
        await copy(open_existing(database, skipped), open_storage(TARGET), skipped)
        found, nothing = await exported(TARGET, lines)
    finally:
        async with open_storage(TARGET) as target:
            for workspace in await target.workspace_names():
                await target.delete_workspace(workspace)
    assert nothing == []
    return found, said


def unnamed(before: Exported, after: Exported, said: list[str]) -> Unnamed:
    """The sessions of which nothing is said although they are lost or other ones."""
    named = {each for each in before if any(each in text for text in said)}
    lost = {each for each, it in before.items() if each not in after or after[each].deleted > it.deleted}
    other = {each for each, it in before.items() if each in after and after[each] != it}
    return Unnamed(lost - named, other - lost - named)


async def filled(database: str, lines: LineReader) -> Exported:
    """The sessions of a new database, in which nothing is damaged."""
    async with open_storage(database) as storage:
        for workspace in WORKSPACES:
            await fill(storage, workspace)
    before, nothing = await exported(database, lines)
    assert (len(before), nothing) == (16, [])
    assert await copied(database, lines) == (before, [])
    return before


async def every_damage(database: AnyDatabase) -> AsyncIterator[tuple[str, Damage, Run]]:
    """Each damage with its table, and what is tried with it: both read sessions in the same way."""
    for table in await database.tables():
        async for damage in damages(database, table):
            if damage.name not in EXCHANGED:
                yield table, damage, copied
        if table in READ:
            async for damage in flips(database, table, message_step=6):
                yield table, damage, exported


async def test_all_that_is_not_damaged_is_carried(database: str) -> None:
    lines = lines_of_exports()
    before = await filled(database, lines)
    opened = await any_database(database)
    faults: list[tuple[str, Unnamed, list[str]]] = []
    async for table, damage, run in every_damage(opened):
        # The database itself prevents some damages.
        with suppress(*REFUSED, *([DatabaseUnusable] if table == "schema_version" else [])):
            async with damaged(opened, table, damage):
                after, said = await run(database, lines)
                found = unnamed(before, after, said)
                if found.lost or (len(found.others) > 1 and table not in SHARED):
                    faults.append((damage.name, found, said))
    await opened.close()
    assert faults == []


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
            after, said = await run(f"sqlite:///{path}", lines)
            assert unnamed(before, after, said) == Unnamed(set(), set())
            assert said or name not in TOLD
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
            # An allowed text counts as it is.
            for finding in [finding async for finding in maintenance.check()]:
                await maintenance.repair(finding)
            before = await derived(opened)
    await opened.close()
    assert removed == []
