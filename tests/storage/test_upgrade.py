"""A database of the first version, brought up to date: its sessions are there, counted, and have a profile."""

from pathlib import Path

import apsw
import asyncpg
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.errors import SessionProfileUnknown
from amplifierd.storage.postgres import migrations as postgres_migrations
from amplifierd.storage.postgres.pool import connect
from amplifierd.storage.sqlite import migrations as sqlite_migrations

W = "default"
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
    '2025-11-21T19:33:19.192107Z', 0, 0, 1, 1, 0, {number}, {number}
);
INSERT INTO session_detail (workspace, session_id, context)
VALUES ('default', '{session_id}', '{{}}');
"""  # noqa: S608  # of the texts above
    for number, (session_id, profile, path) in enumerate(SESSIONS, 1)
)


async def first_version(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the database as the first version of the program made it, with sessions in it."""
    migrations = sqlite_migrations if database.startswith("sqlite") else postgres_migrations
    scripts = migrations._scripts()  # noqa: SLF001  # what the program of that time had
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_scripts", lambda: scripts[:1])
        if database.startswith("sqlite"):
            path = database.removeprefix("sqlite:///")
            connection = apsw.Connection(path)
            sqlite_migrations.migrate(connection, str(Path(path)))
            connection.execute(ROWS)
            connection.close()
            return
        opened = await connect(database)
        assert isinstance(opened, asyncpg.Connection)
        await postgres_migrations.migrate(opened)
        await opened.execute(ROWS)
        await opened.close()


async def test_sessions_of_the_first_version_are_counted_and_have_a_profile(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await first_version(database, monkeypatch)
    async with open_storage(database) as storage:
        assert (await storage.get_directory(W, ".")).session_count == 2
        assert (await storage.session_profile(W, IDS[0])).name == "default"
        with pytest.raises(SessionProfileUnknown, match="came without its profile foundation/base"):
            await storage.session_profile(W, IDS[1])
        await storage.delete_session(W, IDS[0])
        assert (await storage.get_directory(W, ".")).session_count == 1
