"""What is stored beside sessions and messages: a check says what of it is lost, and a repair writes it again."""

import asyncio
from pathlib import Path

import pytest
from msgspec import json

from amplifierd.commands.copy_database import copy
from amplifierd.storage import open_existing, open_maintenance, open_storage
from amplifierd.storage.model.database_errors import Skipped
from amplifierd.storage.model.errors import FileNotFound
from amplifierd.storage.model.files import UNKNOWN_MEDIA
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.maintenance import Fault
from amplifierd.storage.model.part_records import NewUsage
from amplifierd.storage.model.records import BatchMessage, Fork, MessagePatch, NewMessages, NewSession, Session
from amplifierd.testing.storage.messages.test_files import content_of, create
from amplifierd.testing.storage.messages.test_following import following
from amplifierd.testing.storage.messages.test_parts import call, parts, result
from amplifierd.testing.storage.steps import read
from faults.any_database import any_database
from faults.corrupt import of_messages, vandalise

W = "default"


async def check(database: str) -> list[str]:
    return [finding.text async for finding in open_maintenance(database).check()]


async def repair(database: str) -> list[tuple[Fault, str | None]]:
    maintenance = open_maintenance(database)
    return [(finding.fault, await maintenance.repair(finding)) async for finding in maintenance.check()]


async def filled(storage: Storage, text: str) -> str:
    """A session with every kind of derived row."""
    session = await storage.create_session(W, NewSession(name=text, labels={"project": text}))
    file = await create(storage, text.encode() * 1_000)
    messages = [
        BatchMessage(content=text, token_count=1, usage=NewUsage(1, 2, 3, 4, "0.5", "EUR")),
        BatchMessage(role="assistant", parts=parts(call("c1"), call("c2"))),
        BatchMessage(role="tool", parts=parts(result("c1"))),
        BatchMessage(parts=parts({"type": "file", "url": file.url, "media": "text/plain"})),
    ]
    await storage.append_messages(W, session.id, NewMessages(messages))
    corrected = await storage.create_session(W, NewSession())
    await storage.append_messages(W, corrected.id, NewMessages([BatchMessage(content=f"{text} {n}") for n in range(3)]))
    await storage.update_message(W, corrected.id, 1, MessagePatch(content="better"))
    return session.id


# A statement that damages the derived rows of a session, and words of the finding's sentence.
BESIDE = {
    "reference": ("DELETE FROM file_reference", "has lost or wrong references to files of message 4"),
    "call": ("DELETE FROM tool_call WHERE call = 'c2'", "has lost or wrong rows of tool calls of message 2"),
    "result": ("UPDATE tool_call SET result_sequence = NULL", "has lost or wrong rows of tool calls."),
    "label": ("DELETE FROM session_label", "is not found by its labels"),
    "name": ("UPDATE session SET folded_name = 'x' WHERE name IS NOT NULL", "is not found by its name"),
    "correction": ("DELETE FROM correction", "counts 1 corrected messages and has 0 corrections"),
    "mark": ("UPDATE correction SET is_deleted = NOT is_deleted", "has 1 corrections, wrong ones of message 1"),
    "usage": ("UPDATE session SET input_tokens = 7 WHERE name IS NOT NULL", "has sums of usage"),
}


@pytest.mark.parametrize("name", BESIDE)
async def test_derived_rows_are_checked_and_rewritten(storage: Storage, database: str, name: str) -> None:
    session_id = await filled(storage, "first")
    before = await storage.get_session(W, session_id), await read(storage, session_id)
    assert await check(database) == []
    statement, words = BESIDE[name]
    await asyncio.to_thread(vandalise, database, statement)
    [text] = await check(database)
    assert words in text
    assert None not in [done for _, done in await repair(database)]
    assert await check(database) == []
    after = await storage.get_session(W, session_id)
    assert (after.usage, after.labels, await read(storage, session_id)) == (
        before[0].usage,
        before[0].labels,
        before[1],
    )


async def test_followers_get_lost_corrections_again(storage: Storage, database: str) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=str(n)) for n in range(3)]))
    await storage.update_message(W, session.id, 2, MessagePatch(content="better"))
    await storage.delete_message(W, session.id, 3)
    await asyncio.to_thread(vandalise, database, "DELETE FROM correction WHERE sequence = 2")
    await repair(database)
    assert await check(database) == []
    async with following(storage, session.id, "3") as follower:
        events = [await follower.next() for _ in range(2)]
    assert [(event.kind, json.decode(event.data)["sequence"]) for event in events] == [
        ("message_updated", 2),
        ("message_deleted", 3),
    ]


async def test_lost_file_is_restored_from_its_bytes(storage: Storage, database: str) -> None:
    await filled(storage, "first")
    await asyncio.to_thread(vandalise, database, "DELETE FROM file")
    [text] = await check(database)
    assert text.endswith("of workspace default has lost its type and name, but messages refer to it.")
    file_id = text.split()[1]
    assert await repair(database) == [("file", f"It was restored as {UNKNOWN_MEDIA}, without a name.")]
    assert await check(database) == []
    assert await content_of(storage, file_id) == b"first" * 1_000
    assert (await storage.read_file(W, file_id)).file.expires_at is not None


LOST = "DELETE FROM session_number WHERE session_id = '{0}'"
# Statements with the ids of two sessions.
NUMBERS = {
    "lost": [LOST],
    "both lost": [LOST, LOST.replace("0", "1")],
    "exchanged": [
        "CREATE TEMPORARY TABLE kept AS SELECT * FROM session_number WHERE session_id IN ('{0}', '{1}')",
        "DELETE FROM session_number WHERE number IN (SELECT number FROM kept)",
        "INSERT INTO session_number SELECT number, workspace, iif(session_id = '{0}', '{1}', '{0}'), indexed_sequence"
        " FROM kept",
    ],
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", NUMBERS)
async def test_transcripts_are_reattached_to_their_sessions(storage: Storage, database: str, how: str) -> None:
    ids = [await filled(storage, text) for text in ("first", "second")]
    before = [(await storage.get_session(W, each), await read(storage, each)) for each in ids]
    await asyncio.to_thread(vandalise, database, *(each.format(*ids) for each in NUMBERS[how]))
    assert [await read(storage, each) for each in ids] != [transcript for _, transcript in before]
    texts = await check(database)
    if how == "exchanged":
        assert sum("its messages may belong to another session" in text for text in texts) == len(ids)
    else:
        assert any("have lost the rows that name their sessions" in text for text in texts)
    assert None not in [done for _, done in await repair(database)]
    assert await check(database) == []
    assert [await read(storage, each) for each in ids] == [transcript for _, transcript in before]
    after = [await storage.get_session(W, each) for each in ids]
    assert [each.message_count for each in after] == [session.message_count for session, _ in before]
    appended = await storage.append_messages(W, ids[0], NewMessages([BatchMessage(content="more")]))
    assert appended.messages[0].sequence == before[0][0].message_count + 1


def unreadable(database: str, session_id: str, sequence: int) -> str:
    """The statement that makes a message unreadable."""
    table, _, condition = of_messages(database, session_id, f"= {sequence}").partition(" ")
    change = """content = content || '"'""" if table == "message_row" else "record = '{' || record"
    return f"UPDATE {table} SET {change} {condition}"  # noqa: S608  # of the test


async def test_repair_keeps_derived_rows_of_unreadable_messages(storage: Storage, database: str) -> None:
    session_id = await filled(storage, "first")
    opened = await any_database(database)
    queries = [
        f"SELECT file_id FROM file_reference WHERE session_id = '{session_id}'",  # noqa: S608
        f"SELECT last_message, token_usage, input_tokens, cost FROM session WHERE id = '{session_id}'",  # noqa: S608
        f"SELECT sequence, call, result_sequence FROM tool_call WHERE session_id = '{session_id}' ORDER BY call",  # noqa: S608
    ]
    before = [await opened.run(statement) for statement in queries]
    await asyncio.to_thread(
        vandalise,
        database,
        *(unreadable(database, session_id, sequence) for sequence in (1, 3, 4)),
        "DELETE FROM session_label",
        "DELETE FROM tool_call WHERE call = 'c2'",
        "DELETE FROM correction",
        "UPDATE session SET changed_version = version + 1, profile_hash = 'x' WHERE name = 'first'",
    )
    done = dict(await repair(database))
    after = [await opened.run(statement) for statement in queries]
    await opened.close()
    assert after == before
    assert [fault for fault, text in done.items() if text is None] == ["record"]
    assert done.keys() >= {"labels", "rows", "corrections", "counts", "profile"}
    assert {finding.fault async for finding in open_maintenance(database).check()} - {"search"} == {"record"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_repair_empties_no_session_whose_transcript_may_be_stored(storage: Storage, database: str) -> None:
    first = await filled(storage, "first")
    fork = await storage.fork_session(W, first, Fork())
    opened = await any_database(database)
    queries = [f"SELECT * FROM {table}" for table in ("session", "file_reference", "tool_call", "message_row")]  # noqa: S608
    before = [await opened.run(statement) for statement in queries]
    numbers = await opened.run("SELECT number, workspace, session_id, indexed_sequence FROM session_number")
    await asyncio.to_thread(vandalise, database, *(LOST.format(each) for each in (first, fork.id)))
    assert {done for _, done in await repair(database)} <= {None, "The search index was rebuilt from all messages."}
    assert [await opened.run(statement) for statement in queries] == before
    await opened.run("DELETE FROM session_number")
    for row in numbers:
        await opened.run("INSERT INTO session_number VALUES ($1, $2, $3, $4)", *row)
    await opened.close()
    await repair(database)
    assert await check(database) == []
    assert [message.content for message in await read(storage, first)] == ["first", "", "", ""]


async def test_finding_names_a_message_with_two_wrong_rows_once(storage: Storage, database: str) -> None:
    await filled(storage, "first")
    await asyncio.to_thread(vandalise, database, "UPDATE tool_call SET sequence = 9")
    [text] = await check(database)
    assert text.endswith("has lost or wrong rows of tool calls of 2 messages: 2, 9.")


async def test_old_corrections_are_counted_with_the_next_one(storage: Storage, database: str) -> None:
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content=str(n)) for n in range(3)]))
    await storage.update_message(W, session.id, 1, MessagePatch(content="better"))
    await asyncio.to_thread(vandalise, database, "UPDATE session SET correction_count = NULL")
    assert await check(database) == []
    await storage.update_message(W, session.id, 2, MessagePatch(content="better"))
    assert await check(database) == []
    await asyncio.to_thread(vandalise, database, "DELETE FROM correction WHERE sequence = 1")
    [text] = await check(database)
    assert "counts 2 corrected messages and has 1 corrections" in text


async def skipping(database: str) -> tuple[list[str | None], list[str]]:
    """The names of the sessions in an export that goes on past damage, and what it says."""
    warnings: list[str] = []
    async with open_existing(database, Skipped(warnings.append)) as storage:
        export = await storage.export_sessions(W)
        lines = [line async for batch in export.batches for line in batch]
    return [line.session.name or None for line in lines if isinstance(line.session, Session)], warnings


async def test_export_skips_damaged_labels_and_names(storage: Storage, database: str) -> None:
    ids = [await filled(storage, text) for text in ("first", "second")]
    await asyncio.to_thread(vandalise, database, "UPDATE session SET labels = '{' WHERE name = 'first'")
    names, warnings = await skipping(database)
    assert (names, warnings) == (["first", None, "second", None], [f"The labels of session {ids[0]} can't be read."])
    [text] = await check(database)
    assert text.endswith("has labels that can't be read.")
    if database.startswith("sqlite"):
        await asyncio.to_thread(
            vandalise, database, "UPDATE session SET name = CAST(x'ff' AS TEXT) WHERE name = 'first'"
        )
        names, warnings = await skipping(database)
        assert (names, warnings) == ([None, "second", None], [f"Session {ids[0]} can't be read."])


async def test_check_reports_parts_of_the_wrong_shape(storage: Storage, database: str) -> None:
    session_id = await filled(storage, "first")
    table, _, condition = of_messages(database, session_id, "= 4").partition(" ")
    wrong = "replace(record, '[{', '[3,{')"
    values = f"record = {wrong}"
    if table == "message_row":
        record = f"SELECT {wrong} FROM message WHERE message.place = message_row.place"  # noqa: S608  # of the test
        values = f"timestamp = NULL, content = ({record})"
    change = f"UPDATE {table} SET {values} {condition}"  # noqa: S608  # of the test
    await asyncio.to_thread(vandalise, database, change)
    texts = await check(database)
    assert any("has damaged content in message 4" in text for text in texts)


async def test_copy_of_an_altered_file_keeps_the_file_with_those_bytes(
    storage: Storage, database: str, tmp_path: Path
) -> None:
    await storage.create_session(W, NewSession())
    files = [(await create(storage, text * 1_000)).id for text in (b"a", b"b")]
    for altered, good in (files, files[::-1]):
        bytes_of = "(SELECT content_id FROM file WHERE id = '{}')"
        await asyncio.to_thread(
            vandalise,
            database,
            "CREATE TABLE kept AS SELECT * FROM file_chunk",
            f"UPDATE file_chunk SET bytes = (SELECT bytes FROM kept WHERE content_id = {bytes_of.format(good)})"  # noqa: S608
            f" WHERE content_id = {bytes_of.format(altered)}",
        )
        warnings: list[str] = []
        copied = open_storage(f"sqlite:///{tmp_path}/{altered}.db")
        skipped = Skipped(warnings.append)
        await copy(open_existing(database, skipped), copied, skipped)
        async with open_storage(f"sqlite:///{tmp_path}/{altered}.db") as target:
            assert await content_of(target, good) is not None
            with pytest.raises(FileNotFound):
                await target.read_file(W, altered)
        await asyncio.to_thread(
            vandalise,
            database,
            "UPDATE file_chunk SET bytes = (SELECT bytes FROM kept WHERE kept.content_id = file_chunk.content_id)",
            "DROP TABLE kept",
        )
        assert any(f"File {altered} can't be read." in text for text in warnings)
