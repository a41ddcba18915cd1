"""The upgrade of a database of the first version: its sessions are kept, counted, and get a profile."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import apsw
import asyncpg
import msgspec
import pytest
from msgspec import UNSET, Raw, UnsetType

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.backend.storage import TransactionalStorage
from amplifierd.storage.model.database_errors import DatabaseOutOfDate, DatabaseUnusable
from amplifierd.storage.model.errors import SessionProfileUnknown
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import NewMessage, SessionSummary
from amplifierd.storage.postgres import migrations as postgres_migrations
from amplifierd.storage.postgres.pool import connect
from amplifierd.storage.sqlite import migrations as sqlite_migrations
from amplifierd.testing.storage.steps import read, records

W = "default"


def quoted(value: Raw | UnsetType) -> str:
    """The value as an SQL literal."""
    return f"'{bytes(value).decode()}'" if isinstance(value, Raw) else "NULL"


CONTEXTS = [b'{"number":1}', b'{"number":"%s"}' % (b"2" * 300), b'{"number":3}']
DETAILS: list[Raw | UnsetType] = [UNSET, UNSET, Raw(b'{"place":3}')]
IDS = [f"019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a1{number}" for number in range(3)]
SESSIONS = zip(IDS, ["default", "foundation/base", "default"], [".", "projects/atlas", "."], strict=True)
ROWS = "".join(
    f"""
INSERT INTO session (
    workspace, id, status, profile, amplified_dir, created_at, updated_at, message_count, token_usage, version,
    changed_version, changed_sequence, revision, created_revision
)
VALUES (
    'default', '{session_id}', 'created', '{profile}', '{path}', '2025-11-21T19:33:19.192107Z',
    '2025-11-21T19:33:19.192107Z', 1, 0, 1, 1, 0, {number}, {number}
);
INSERT INTO session_detail (workspace, session_id, context, error_details)
VALUES ('default', '{session_id}', '{CONTEXTS[number - 1].decode()}', {quoted(DETAILS[number - 1])});
INSERT INTO message (workspace, session_id, sequence, role, token_count, record)
VALUES (
    'default', '{session_id}', 1, 'user', 0,
    '{{"role":"user","content":"{number}","timestamp":"2025-11-21T19:33:19.192107Z","metadata":{{}},"sequence":1}}'
);
"""  # noqa: S608  # of the texts above
    for number, (session_id, profile, path) in enumerate(SESSIONS, 1)
)


# The content of a profile, that of a session, and one that is unused.
CONTENTS = """
INSERT INTO profile_content (workspace, hash, content)
VALUES
    ('default', '1', '{"name":"a"}'),
    ('default', '2', '{"name":"b"}'),
    ('default', '3', '{"name":"c"}');
INSERT INTO profile (workspace, name, hash, summary, created_at, updated_at)
VALUES ('default', 'a', '1', '{}', '2025-11-21T19:33:19.192107Z', '2025-11-21T19:33:19.192107Z');
INSERT INTO session (
    workspace, id, status, profile, amplified_dir, created_at, updated_at, message_count, token_usage, version,
    changed_version, changed_sequence, revision, created_revision, context, profile_hash
)
VALUES (
    'default', 'x', 'created', 'b', '.', '2025-11-21T19:33:19.192107Z', '2025-11-21T19:33:19.192107Z', 0, 0, 1, 1, 0,
    1, 1, '{}', '2'
);
"""


async def first_version(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the database as the first version of the program did, with sessions."""
    await older_version(database, monkeypatch, 1, ROWS)


async def older_version(database: str, monkeypatch: pytest.MonkeyPatch, version: int, rows: str) -> None:
    """Create the database with an older schema and rows."""
    migrations = sqlite_migrations if database.startswith("sqlite") else postgres_migrations
    scripts = migrations._scripts()  # noqa: SLF001  # what the program of that time had
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_scripts", lambda: scripts[:version])
        if database.startswith("sqlite"):
            path = database.removeprefix("sqlite:///")
            connection = apsw.Connection(path)
            sqlite_migrations.migrate(connection, str(Path(path)), upgrade=True)
            connection.execute(rows)
            connection.close()
            return
        opened = await connect(database)
        assert isinstance(opened, asyncpg.Connection)
        await postgres_migrations.migrate(opened, upgrade=True, create=True)
        await opened.execute(rows)
        await opened.close()


async def test_upgrade_counts_sessions_and_gives_them_profiles(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await first_version(empty_database, monkeypatch)
    async with open_storage(empty_database) as storage:
        assert (await storage.get_directory(W, ".")).session_count == 2
        assert (await storage.session_profile(W, IDS[0])).name == "default"
        with pytest.raises(SessionProfileUnknown, match="was imported without its profile foundation/base"):
            await storage.session_profile(W, IDS[1])
        await storage.delete_session(W, IDS[0])
        assert (await storage.get_directory(W, ".")).session_count == 1


async def test_upgrade_needs_free_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = f"sqlite:///{tmp_path / 'a.db'}"
    await first_version(database, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        with pytest.raises(DatabaseUnusable, match=r"needs \d+ bytes of free disk space, but there are 1000"):
            await open_storage(database).open()
    async with open_storage(database) as storage:
        assert (await storage.get_session(W, IDS[0])).message_count == 1


async def test_upgrade_keeps_everything_of_the_first_version(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await first_version(empty_database, monkeypatch)
    async with open_storage(empty_database) as storage:
        listed = await records(await storage.list_sessions(W, SessionQuery(sort="created_at")), SessionSummary)
        assert [(session.id, session.message_count) for session in listed] == [(each, 1) for each in IDS]
        for number, session_id in enumerate(IDS, 1):
            session = await storage.get_session(W, session_id)
            assert bytes(session.context) == CONTEXTS[number - 1]
            assert session.error_details == DETAILS[number - 1]
            assert [message.content for message in await read(storage, session_id)] == [str(number)]
        # Rows that refer to a session still do, and are deleted with it.
        await storage.delete_session(W, IDS[0])
        await storage.append_message(W, IDS[1], NewMessage(content="more"))
        assert [
            finding.text async for finding in open_maintenance(empty_database).check() if finding.fault == "parts"
        ] == []
        contents = await open_maintenance(empty_database).contents()
        assert (contents.sessions, contents.messages) == (2, 3)


async def test_upgrade_deletes_unused_contents_of_profiles(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older_version(empty_database, monkeypatch, 7, CONTENTS)
    async with open_storage(empty_database) as storage:
        assert isinstance(storage, TransactionalStorage)
        rows = await storage._rows.all("SELECT hash FROM profile_content ORDER BY hash", {})  # noqa: SLF001
        assert [tuple(row) for row in rows] == [("1",), ("2",)]


# As version 1.0 of the API had them first; the text of the problem contains a NUL.
COLLECTION = r"""
INSERT INTO collection (workspace, identifier, name, summary, record)
VALUES (
    'default', 'a', 'a',
    '{"identifier":"a","source":"/a","kind":"folder","status":"synced","createdAt":"x","syncedAt":"x"}',
    '{"identifier":"a","source":"/a","kind":"folder","status":"synced","createdAt":"x","syncedAt":"x",'
    || '"profiles":["a/b"],"agents":[],"context":[],"modules":[],'
    || '"problems":[{"detail":"c:\\u0000"},{"detail":"An invalid \u0000 \"x\",\"problemCount\":3"}]}'
);
"""


async def check_collection(database: str) -> None:
    """Check that the collection is listed with its profiles and problems."""
    async with open_storage(database) as storage:
        listed = msgspec.json.decode(b"[%s]" % (await storage.list_collections(W)).first)
        assert [(each["profiles"], each["problemCount"]) for each in listed] == [(["a/b"], 2)]
        collection = await storage.get_collection(W, "a")
        assert (collection.profiles, collection.problem_count) == (["a/b"], 2)
        assert collection.problems[0].detail == "c:\\u0000"


async def test_upgrade_lists_collections_with_profiles_and_problems(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # PostgreSQL's schema 19 is SQLite's schema 21.
    version = 21 if empty_database.startswith("sqlite") else 19
    await older_version(empty_database, monkeypatch, version, COLLECTION)
    await check_collection(empty_database)


async def test_collection_of_an_older_program_is_listed_with_profiles_and_problems(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older_version(empty_database, monkeypatch, sys.maxsize, COLLECTION)
    await check_collection(empty_database)


async def test_upgrade_requires_permission(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await first_version(empty_database, monkeypatch)
    for _ in range(2):
        with pytest.raises(DatabaseOutOfDate, match=r"has schema 1, this program's is \d+$"):
            await open_and_close(open_storage(empty_database, upgrade=False))
    await open_and_close(open_storage(empty_database))
    await open_and_close(open_storage(empty_database, upgrade=False))


async def open_and_close(storage: Storage) -> None:
    async with storage:
        pass


@pytest.fixture
async def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database file of the first version."""
    await first_version(f"sqlite:///{tmp_path}/a.db", monkeypatch)
    return tmp_path / "a.db"


async def test_file_open_in_another_program_is_not_upgraded(file: Path) -> None:
    database = f"sqlite:///{file}"
    older = apsw.Connection(str(file))
    older.pragma("journal_mode", "wal")
    older.execute("SELECT context FROM session JOIN session_detail").fetchall()
    with pytest.raises(DatabaseUnusable, match=r"has an older schema, and a program has it open; stop the daemon"):
        await open_and_close(open_storage(database))
    assert older.pragma("user_version") == 1
    assert older.execute("SELECT context FROM session JOIN session_detail").fetchall()
    older.close()
    async with open_storage(database) as storage:
        await storage.append_message(W, IDS[0], NewMessage(content="more"))
        # Other programs may open it again.
        await open_and_close(open_storage(database))


async def test_upgrade_keeps_remains_of_a_lost_session(file: Path) -> None:
    database = f"sqlite:///{file}"
    connection = apsw.Connection(str(file))
    connection.execute("DELETE FROM session WHERE id = ?", (IDS[0],))
    connection.close()
    await open_and_close(open_storage(database))
    maintenance = open_maintenance(database)
    async for finding in maintenance.check():
        await maintenance.repair(finding)
    async with open_storage(database) as storage:
        session = await storage.get_session(W, IDS[0])
        assert (session.name, bytes(session.context)) == ("Recovered", CONTEXTS[0])
