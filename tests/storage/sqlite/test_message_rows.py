"""Messages in SQLite: a record keeps only what its row lacks, and is read as it was written."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.errors import MessageInvalid, MessageNotFound
from amplifierd.storage.model.queries import MessageQuery
from amplifierd.storage.model.records import Fork, NewMessage, NewSession
from amplifierd.storage.operations.messages import complete, message_of
from amplifierd.storage.sql.ports import Bindings
from amplifierd.storage.sqlite import migrations
from amplifierd.storage.sqlite.message_rows import message_columns
from amplifierd.storage.sqlite.statements import SQLiteStatements
from amplifierd.testing.storage.steps import read
from random_requests.strategies import ONE
from waits import until

W = "default"
# The schema in which messages have complete records.
BEFORE = 23
MANY = 20_000
MOMENT = "2025-11-21T19:33:19.192107Z"
KEY: Bindings = {"workspace": W, "id": "s"}
DAMAGED = '{"role": "user"'
# Records that programs wrote, and records that other software may have written.
RECORDS = [
    r'{"role":"user","content":"a \"b\"\n\u0000é中😀","timestamp":"MOMENT","metadata":{},"sequence":1}',
    r'{"role":"user","content":"","timestamp":"MOMENT","metadata":{"b":1.0,"a":"\u00e9"},"sequence":2}',
    '{"role":"user","content":"x}","timestamp":"MOMENT","metadata":{},"sequence":3,"tokenCount":5,"id":"m3"}',
    r'{"role":"user","content":"\u00e9","timestamp":"MOMENT","metadata":{},"sequence":4}',
    '{"content":"x","role":"user","timestamp":"MOMENT","metadata":{},"sequence":5}',
    '{"role":"user","content":5,"timestamp":"MOMENT","metadata":{},"sequence":6}',
    DAMAGED,
    "",
    '{"role":"user","content":"x","timestamp":"2025-11-21","metadata":{},"sequence":9}',
    '{"role":"user","content":"x","timestamp":"1999-11-21T19:33:19.192107Z","metadata":{},"sequence":10}',
    '{"role":"user","content":"x","timestamp":"1999-11-21T19:33:19.192107Z","metadata":{},"sequence":11,"tokenCount":5,'
    '"usage":{"outputTokens":3}}',
    '{"role":"user","content":"x","timestamp":"MOMENT","metadata":{},"sequence":12,"usage":{"outputTokens":3}}',
]


def tokens_of(record: str) -> int:
    # If a record is damaged, only the column has the number.
    return 5 if "token" in record or record == DAMAGED else 0


def usage_of(record: str) -> str | None:
    return '{"outputTokens":3}' if "usage" in record else None


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = apsw.Connection(str(tmp_path / "a.db"))
    opened.pragma("synchronous", "off")
    migrations.migrate(opened, str(tmp_path / "a.db"), upgrade=True)
    opened.execute(SQLiteStatements.NUMBER_SESSION, KEY)
    yield opened
    opened.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ONE,
    st.integers(1, 2**31 - 1),
    st.sampled_from([MOMENT, "1999-12-31T23:59:59.999999Z", "2100-01-01T00:00:00.000000Z"]),
)
def test_record_is_read_as_it_is_encoded(
    connection: apsw.Connection, new: NewMessage, sequence: int, moment: str
) -> None:
    try:
        message = message_of(complete(new), moment, sequence)
    except MessageInvalid:
        assume(False)
    connection.execute("DELETE FROM message_row")
    connection.execute(SQLiteStatements.INSERT_MESSAGE, KEY | message_columns(message))
    statement = "SELECT CAST(record AS BLOB), role, sequence, token_count, json(usage) FROM message"
    usage = None if message.usage is msgspec.UNSET else msgspec.json.encode(message.usage).decode()
    assert connection.execute(statement).fetchall() == [
        (msgspec.json.encode(message), message.role, sequence, message.token_count or 0, usage)
    ]
    [(stored_bytes,)] = connection.execute(
        "SELECT octet_length(content) + COALESCE(octet_length(rest), 0) FROM message_row"
    )
    assert stored_bytes <= len(msgspec.json.encode(message))


def test_upgrade_keeps_each_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "a.db")
    scripts = migrations._scripts()  # noqa: SLF001  # what the program of that time had
    connection = apsw.Connection(path)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_scripts", lambda: scripts[:BEFORE])
        migrations.migrate(connection, path, upgrade=True)
    records = [record.replace("MOMENT", MOMENT) for record in RECORDS]
    # One of them is in the index, and has a number.
    connection.execute("INSERT INTO search_session VALUES (7, 'default', 'b', 2)")
    for session_id in ("a", "b"):
        for sequence, record in enumerate(records, 1):
            message_id = "m3" if '"id"' in record else None
            values = (session_id, sequence, tokens_of(record), usage_of(record), message_id, record)
            connection.execute("INSERT INTO message VALUES ('default', ?, ?, 'user', ?, ?, ?, ?)", values)
    migrations.migrate(connection, path, upgrade=True)
    statement = """
SELECT record, token_count, usage, role
FROM session_number
CROSS JOIN message
    ON message.place >> 31 = number
WHERE session_id = ?
ORDER BY message.place
"""
    expected = [(record, tokens_of(record), usage_of(record), "user") for record in records]
    for session_id in ("a", "b"):
        assert connection.execute(statement, (session_id,)).fetchall() == expected
    assert connection.execute(
        "SELECT number, indexed_sequence FROM session_number WHERE session_id = 'b'"
    ).fetchall() == [(7, 2)]
    [(whole,)] = connection.execute("SELECT COUNT(*) FROM message_row WHERE timestamp IS NULL")
    assert whole == 2 * 8
    connection.close()


MIGRATE = """
import sys
import apsw
from amplifierd.storage.sqlite import migrations
migrations.migrate(apsw.Connection(sys.argv[1]), sys.argv[1], upgrade=True)
"""


def test_killed_upgrade_is_finished_by_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    scripts = migrations._scripts()  # noqa: SLF001  # what the program of that time had
    connection = apsw.Connection(str(path))
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_scripts", lambda: scripts[:BEFORE])
        migrations.migrate(connection, str(path), upgrade=True)
    record = RECORDS[0].replace("MOMENT", MOMENT).replace("中", "中" * 1_000)
    with connection:
        for sequence in range(1, MANY + 1):
            values = (sequence, record.replace(":1}", f":{sequence}}}"))
            connection.execute("INSERT INTO message VALUES ('default', 'a', ?, 'user', 0, NULL, NULL, ?)", values)
    before = connection.execute("SELECT record FROM message ORDER BY sequence").fetchall()
    connection.close()
    started = path.stat().st_size
    upgrade = subprocess.Popen([sys.executable, "-c", MIGRATE, str(path)])
    # It rewrites each message, into the file or into its log, depending on the journal mode.
    until(lambda: sum(file.stat().st_size for file in tmp_path.iterdir()) > started + started // 4)
    upgrade.kill()
    assert upgrade.wait() == -signal.SIGKILL
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT record FROM message ORDER BY sequence").fetchall() == before
    migrations.migrate(connection, str(path), upgrade=True)
    assert connection.execute("SELECT record FROM message ORDER BY place").fetchall() == before
    connection.close()


async def test_messages_belong_to_their_session(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'a.db'}"
    async with open_storage(database) as storage:
        first, second = [(await storage.create_session(W, NewSession())).id for _ in range(2)]
        for session_id in (first, second):
            await storage.append_message(W, session_id, NewMessage(session_id))
        # A sequence with this number of bits would be in the range of the next session.
        for sequence in (0, 2**31 + 1, 2**53 - 1):
            with pytest.raises(MessageNotFound):
                await storage.get_message(W, first, sequence)
        for query in (MessageQuery(after_sequence=2**31), MessageQuery(after_sequence=2**31, role="user", limit=5)):
            assert (await storage.list_messages(W, first, query)).messages.first == b""
        await storage.delete_session(W, first)
        assert [message.content for message in await read(storage, second)] == [second]
    async for finding in open_maintenance(database).check():
        raise AssertionError(finding)


async def test_fork_copies_a_message_whose_row_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        session = await storage.create_session(W, NewSession())
        for content in ("x", "y"):
            await storage.append_message(W, session.id, NewMessage(content, token_count=5))
        vandal = apsw.Connection(str(path))
        vandal.execute("UPDATE message_row SET rest = '{' WHERE content = 'x'")
        vandal.close()
        assert (await storage.fork_session(W, session.id, Fork())).message_count == 2


async def test_messages_without_the_number_of_their_session_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        lost = await storage.create_session(W, NewSession())
        await storage.append_message(W, lost.id, NewMessage("x"))
        vandal = apsw.Connection(str(path))
        vandal.execute("DELETE FROM session_number")
        vandal.close()
        findings = [finding.text async for finding in open_maintenance(f"sqlite:///{path}").check()]
        assert "Messages of 1 session have lost the rows that name their sessions." in findings
        # None of its messages belongs to another session.
        other = await storage.create_session(W, NewSession())
        await storage.append_message(W, other.id, NewMessage("y"))
        assert [message.content for message in await read(storage, other.id)] == ["y"]


async def test_number_without_messages_restores_no_session(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.create_session(W, NewSession())
        vandal = apsw.Connection(str(path))
        vandal.execute(
            "INSERT INTO session_number (workspace, session_id, indexed_sequence) VALUES ('default', 'x', 1)"
        )
        vandal.close()
    maintenance = open_maintenance(f"sqlite:///{path}")
    assert [finding.fault async for finding in maintenance.check()] == ["search"]
    async for finding in maintenance.check():
        await maintenance.repair(finding)
    assert [finding async for finding in maintenance.check()] == []
    assert (await maintenance.contents()).sessions == 1
