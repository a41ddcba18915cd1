"""A check finds damage and reports no false faults; a repair fixes what can be fixed."""

import asyncio
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from msgspec import UNSET, Raw

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.errors import SessionProfileUnknown
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.maintenance import Fault, Finding
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    Failure,
    Fork,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionPatch,
)
from amplifierd.testing.storage.steps import read, records
from amplifierd.testing.storage.workspaces import test_collections as collections
from faults.corrupt import of_messages, vandalise, without_messages

W = "default"
TURN = NewMessages([BatchMessage(content=f"wörd{number} is said", token_count=number) for number in range(1, 6)])


# Stored separately from its session.
LONG = Raw(b'{"a":"%s"}' % (b"x" * 1_000))


async def check(database: str) -> list[Finding]:
    return [finding async for finding in open_maintenance(database).check()]


async def repair(database: str) -> dict[Fault, str | None]:
    """Check and repair. Returns what was done, by fault."""
    maintenance = open_maintenance(database)
    return {finding.fault: await maintenance.repair(finding) async for finding in maintenance.check()}


async def search(storage: Storage, text: str) -> list[int]:
    """The sequences of the messages that a search finds."""
    hits = await records(await storage.search_messages(W, SearchQuery(text)), SearchHit)
    return [hit.sequence for hit in hits]


@pytest.fixture
async def session(storage: Storage) -> Session:
    """A session of five messages among others, all of which are indexed."""
    opened = await storage.create_session(W, NewSession(context=LONG))
    await storage.append_messages(W, opened.id, TURN)
    await storage.fork_session(W, opened.id, Fork(at_sequence=2))
    await storage.create_session("another", NewSession())
    await storage.append_message(W, (await storage.create_session(W, NewSession())).id, NewMessage(content="- a\0b"))
    assert await search(storage, "wörd4") == [4]
    return await storage.get_session(W, opened.id)


async def test_sound_database_has_no_faults(storage: Storage, database: str, session: Session) -> None:
    assert await check(database) == []
    await storage.delete_session(W, session.id)
    await storage.append_message(W, (await storage.create_session(W, NewSession())).id, NewMessage(content="more"))
    assert await check(database) == []
    contents = await open_maintenance(database).contents()
    assert (contents.sessions, contents.messages) == (4, 4)


async def test_new_database_has_no_faults(storage: Storage, database: str) -> None:
    assert await storage.count_sessions(W) == 0
    assert await check(database) == []


# Returns the statement that damages a session in a database.
Damage = Callable[[str, str], str]


def sql(statement: str) -> Damage:
    return lambda _, session_id: statement.format(session_id)


def lost(sequences: str) -> Damage:
    return lambda database, session_id: without_messages(database, session_id, sequences)


def changed(sequence: int, change: str, in_sqlite: str) -> Damage:
    """A change of a message; in SQLite, of a message that is stored as a complete record."""

    def statement(database: str, session_id: str) -> str:
        table, _, condition = of_messages(database, session_id, f"= {sequence}").partition(" ")
        values = f"timestamp = NULL, {in_sqlite}" if database.startswith("sqlite") else change
        return f"UPDATE {table} SET {values} {condition}"  # noqa: S608  # of the test

    return statement


CASES: list[tuple[Damage, set[Fault], set[Fault], str]] = [
    # The damage, the faults that a check finds, those that cannot be repaired, and a part of the finding's sentence.
    (
        lost("IN (2, 3)"),
        {"gap", "counts", "search"},
        {"gap"},
        "has lost 2 messages: 2 to 3, which cannot be recovered",
    ),
    (
        lost("> 3"),
        {"gap", "counts", "search"},
        {"gap"},
        "counts 5 messages, but has none after 3",
    ),
    (sql("UPDATE session SET message_count = 4 WHERE id = '{}'"), {"counts"}, set(), "counts 4 messages"),
    (sql("UPDATE session SET token_usage = 1 WHERE id = '{}'"), {"counts"}, set(), "with 15 tokens in total"),
    (sql("UPDATE session SET changed_version = 9 WHERE id = '{}'"), {"counts"}, set(), "last changed at 9"),
    (
        changed(5, "record = '{\"role\": 1'", "content = '{\"role\": 1'"),
        {"record"},
        {"record"},
        "has damaged content in message 5",
    ),
    (
        changed(
            4,
            "role = 'tool'",
            "role = 4, content = (SELECT record FROM message WHERE message.place = message_row.place)",
        ),
        {"record"},
        {"record"},
        "has damaged content in message 4",
    ),
    (sql("DELETE FROM session_detail WHERE session_id = '{}'"), {"parts"}, set(), "has lost its context"),
]


@pytest.mark.parametrize(("damage", "faults", "lasting", "words"), CASES)
async def test_damage_is_found_and_repaired(
    storage: Storage,
    database: str,
    session: Session,
    damage: Damage,
    faults: set[Fault],
    lasting: set[Fault],
    words: str,
) -> None:
    await asyncio.to_thread(vandalise, database, damage(database, session.id))
    findings = await check(database)
    # The search index has its own faults if messages are missing.
    assert {finding.fault for finding in findings} - {"search"} == faults - {"search"}
    assert {finding.session_id for finding in findings if finding.fault != "search"} == {session.id}
    [text] = {finding.text for finding in findings if words in finding.text}
    assert text.startswith(f"Session {session.id} of workspace default ")
    repaired = await repair(database)
    assert {fault for fault, sentence in repaired.items() if sentence is None} == lasting
    assert {finding.fault for finding in await check(database)} <= lasting
    appended = await storage.append_message(W, session.id, NewMessage(content="afterwards"))
    after = await storage.get_session(W, session.id)
    assert after.message_count == appended.sequence
    assert after.version > session.version
    assert await search(storage, "afterwards") == [appended.sequence]


async def test_session_is_rebuilt_from_its_remains(storage: Storage, database: str, session: Session) -> None:
    before = await read(storage, session.id)
    await asyncio.to_thread(vandalise, database, "DELETE FROM session WHERE token_usage = 15")
    [lost] = [finding for finding in await check(database) if finding.fault == "parts"]
    assert lost == Finding.of(W, session.id, "parts", "is lost except for a part.")
    await repair(database)
    assert await check(database) == []
    again = await storage.get_session(W, session.id)
    assert (again.name, again.status, again.message_count, again.token_usage) == ("Recovered", "active", 5, 15)
    assert again.context == session.context
    assert await read(storage, session.id) == before
    assert await search(storage, "wörd4") == [4]


async def test_failed_session_is_repaired_without_error_details(storage: Storage, database: str) -> None:
    session = await storage.create_session(W, NewSession(context=Raw(b'{"a":1}')))
    await storage.append_messages(W, session.id, TURN)
    await storage.fail_session(W, session.id, Failure("It broke.", Raw(b'{"b":1}')))
    await asyncio.to_thread(vandalise, database, "DELETE FROM session")
    await repair(database)
    again = await storage.get_session(W, session.id)
    assert (again.status, bytes(again.context), again.error_details) == ("active", b'{"a":1}', UNSET)


async def test_leftover_details_do_not_prevent_repair(storage: Storage, database: str) -> None:
    session = await storage.create_session(W, NewSession(context=Raw(b'{"a":1}')))
    leftover = "INSERT INTO session_detail (workspace, session_id, context) VALUES ('default', '{}', '{{}}')"
    await asyncio.to_thread(vandalise, database, leftover.format(session.id))
    patched = await storage.update_session(W, session.id, SessionPatch(context=LONG))
    assert patched.context == LONG


async def test_short_context_is_lost_with_its_session(storage: Storage, database: str) -> None:
    session = await storage.create_session(W, NewSession(context=Raw(b'{"a":1}')))
    await storage.append_messages(W, session.id, TURN)
    before = await read(storage, session.id)
    await asyncio.to_thread(vandalise, database, "DELETE FROM session")
    await repair(database)
    assert await check(database) == []
    assert bytes((await storage.get_session(W, session.id)).context) == b"{}"
    assert await read(storage, session.id) == before


async def test_faults_of_a_session_are_limited(storage: Storage, database: str) -> None:
    opened = await storage.create_session(W, NewSession())
    await storage.append_messages(W, opened.id, NewMessages([BatchMessage(content="x")] * 100))
    await asyncio.to_thread(vandalise, database, lost("% 2 = 1")(database, opened.id))
    [text] = [finding.text for finding in await check(database) if finding.fault == "gap"]
    assert "has lost 50 messages: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19 …, which" in text


async def test_search_index_is_checked_word_for_word(storage: Storage, database: str, session: Session) -> None:
    statements = {
        "sqlite": "INSERT OR REPLACE INTO search (rowid, words, forms)"
        " SELECT number << 31 | 4, 'word4 said is', 'word 4'"
        " FROM session_number WHERE session_id = '{}'",
        "postgresql": "UPDATE search SET words = ' word4  said  is ' WHERE session_id = '{}' AND sequence = 4",
    }
    await asyncio.to_thread(vandalise, database, statements[storage.kind].format(session.id))
    # The same words in another order.
    assert await search(storage, '"wörd4 is"') == []
    findings = await check(database)
    assert [(finding.fault, finding.session_id) for finding in findings] == [("search", session.id)]
    assert list((await repair(database)).values()) != [None]
    assert await check(database) == []
    assert await search(storage, '"wörd4 is"') == [4]


async def test_corrected_messages_have_no_faults(storage: Storage, database: str, session: Session) -> None:
    parts = b'[{"type":"tool_call","call":"c","name":"look","input":"{}"}]'
    patches = [
        MessagePatch(content="no parts", parts=Raw(b"[]")),
        MessagePatch(content="", parts=Raw(parts)),
        MessagePatch(parts=Raw(b"[]")),
        MessagePatch(content="a text"),
    ]
    for sequence, patch in enumerate(patches, 1):
        await storage.update_message(W, session.id, sequence, patch)
        assert await check(database) == []
    await storage.update_message(W, session.id, 2, MessagePatch(content="parts no longer", parts=Raw(b"[]")))
    assert await check(database) == []


async def test_words_longer_than_an_index_keeps_are_no_fault(storage: Storage, database: str) -> None:
    session = await storage.create_session(W, NewSession())
    for content in ("ab12" * 8_193, "中" * 11_000, "xя" * 20_000):
        await storage.append_message(W, session.id, NewMessage(content=content))
    await storage.append_message(W, session.id, NewMessage(content="indexed"))
    assert await search(storage, "indexed") == [4]
    assert await check(database) == []


async def test_message_missing_from_the_index_is_named(storage: Storage, database: str, session: Session) -> None:
    statements = {
        "sqlite": "DELETE FROM search WHERE rowid IN ("
        "SELECT number << 31 | 4 FROM session_number WHERE session_id = '{}')",
        "postgresql": "DELETE FROM search WHERE session_id = '{}' AND sequence = 4",
    }
    await asyncio.to_thread(vandalise, database, statements[storage.kind].format(session.id))
    texts = [finding.text for finding in await check(database)]
    assert f"Session {session.id} of workspace default has wrong entries in the search index for message 4." in texts
    await repair(database)
    assert await check(database) == []
    assert await search(storage, "wörd4") == [4]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_index_ahead_of_messages_is_found(storage: Storage, database: str, session: Session) -> None:
    # The other workspace may already be indexed.
    ahead = "UPDATE search_progress SET revision = revision + 2 WHERE workspace = 'default'"
    await asyncio.to_thread(vandalise, database, ahead)
    assert await search(storage, "wörd4") == [4]
    assert [finding.text for finding in await check(database)] == [
        "The search index of workspace default is ahead of its messages."
    ]
    await repair(database)
    await storage.append_message(W, session.id, NewMessage(content="afterwards"))
    assert await search(storage, "afterwards") == [6]
    assert await check(database) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_indexed_words_without_a_message_are_found(storage: Storage, database: str, session: Session) -> None:
    assert await storage.get_session(W, session.id) == session
    await asyncio.to_thread(vandalise, database, "INSERT INTO search (rowid, words) VALUES (99 << 31 | 1, 'stray')")
    assert [finding.text for finding in await check(database)] == ["The search index has words of missing messages."]
    await repair(database)
    assert await check(database) == []


async def test_lost_profile_of_a_session_is_found_and_cleared(storage: Storage, database: str) -> None:
    await storage.create_profile(W, NewProfile(name="base"))
    intact, lost = [await storage.create_session(W, NewSession(profile="base")) for _ in range(2)]
    damage = "UPDATE session SET profile_hash = 'gone' WHERE id = '{}'"
    await asyncio.to_thread(vandalise, database, damage.format(lost.id))
    [finding] = await check(database)
    text = f"Session {lost.id} of workspace {W} has lost its profile."
    assert finding == Finding("profile", text, W, lost.id)
    assert await repair(database) == {"profile": "Its profile is now recorded as unknown."}
    assert await check(database) == []
    with pytest.raises(SessionProfileUnknown):
        await storage.session_profile(W, lost.id)
    assert (await storage.session_profile(W, intact.id)).name == "base"
    assert (await storage.get_session(W, lost.id)).version > lost.version


async def test_profile_contents_are_checked(storage: Storage, database: str) -> None:
    for name in ("base", "other"):
        await storage.create_profile(W, NewProfile(name=name))
    done = [
        "UPDATE profile SET hash = 'gone' WHERE name = 'base'",
        "UPDATE profile_content SET content = replace(content, 'other', 'ether')",
    ]
    await asyncio.to_thread(vandalise, database, *done)
    findings = await check(database)
    assert {finding.fault for finding in findings} == {"profile"}
    lost, altered = sorted(finding.text for finding in findings)
    assert re.fullmatch(
        "Profile content [0-9a-f]{64} of workspace default is damaged and cannot be recovered.", altered
    )
    assert lost == "Profile base of workspace default has lost its content, which cannot be recovered."
    assert await repair(database) == {"profile": None}


async def test_directory_counts_are_checked(storage: Storage, database: str, session: Session) -> None:
    assert session.amplified_dir == "."
    done = [
        "UPDATE directory_use SET session_count = 9 WHERE workspace = 'default'",
        "DELETE FROM directory_use WHERE workspace = 'another'",
        "UPDATE directory_total SET total = 7 WHERE workspace = 'default'",
    ]
    await storage.create_directory(W, NewDirectory("a/b"))
    await asyncio.to_thread(vandalise, database, *done)
    found = [finding.text for finding in await check(database)]
    assert sorted(found) == [
        "Directory . of workspace another counts 0 sessions; there are 1.",
        "Directory . of workspace default counts 9 sessions; there are 3.",
        "Workspace default counts 7 directories; there are 1.",
    ]
    await repair(database)
    assert await check(database) == []


async def test_check_names_profiles_without_their_collection(storage: Storage, database: str) -> None:
    await collections.create(storage, collections.content(NewProfile("a")))
    assert [finding async for finding in open_maintenance(database).check()] == []
    await asyncio.to_thread(vandalise, database, "DELETE FROM collection")
    assert [finding.text async for finding in open_maintenance(database).check()] == [
        "Profile foundation/a of workspace default belongs to collection foundation, which is lost.",
        "Module foundation/tool/bash of workspace default belongs to collection foundation, which is lost.",
    ]
    # Adding the collection again repairs it.
    await collections.create(storage, collections.content(NewProfile("a")))
    assert [finding async for finding in open_maintenance(database).check()] == []


async def test_indexes_of_a_file_are_rebuilt_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.create_session(W, NewSession())
    with closing(apsw.Connection(str(path))) as connection:
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_session_1'")
    with path.open("r+b") as file:
        file.seek((int(str(page)) - 1) * 4_096)
        file.write(bytes(4_096))
    maintenance = open_maintenance(f"sqlite:///{path}")
    damage = [finding async for finding in maintenance.check() if finding.fault == "damage"]
    assert "***" not in damage[0].text
    sentence = "The indexes of the tables were rebuilt, and SQLite finds no more faults."
    assert await maintenance.repair(damage[0]) == sentence
    written_at = path.stat().st_mtime_ns
    assert [await maintenance.repair(finding) for finding in damage] == [sentence] * len(damage)
    assert path.stat().st_mtime_ns == written_at, "The second repair writes nothing."
