"""What only SQLite can be asked: its plans, its log, its files."""

import asyncio
from pathlib import Path

import apsw
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.records import NewMessage, NewSession
from amplifierd.storage.sqlite import statements

W = "default"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def files_open(path: Path) -> int:
    """How often this process has the database open."""
    links = Path("/proc/self/fd").iterdir()
    return sum(link.resolve().name.startswith(path.name) for link in links)


async def test_a_list_that_fails_leaves_no_connection_behind(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.create_session(W, NewSession())
        vandal = apsw.Connection(str(path))
        vandal.execute("ALTER TABLE session RENAME TO hidden")
        with pytest.raises(apsw.SQLError):
            await storage.list_sessions(W, limit=None, cursor=None)
        before = files_open(path)
        for _ in range(10):
            with pytest.raises(apsw.SQLError):
                await storage.list_sessions(W, limit=None, cursor=None)
        assert files_open(path) == before
        vandal.close()


@pytest.mark.parametrize(
    ("statement", "plan"),
    [
        ("SESSION", ["SEARCH session USING PRIMARY KEY (workspace=? AND id=?)"]),
        ("SESSIONS", ["SEARCH session USING INDEX session_by_update (workspace=? AND updated_at<?)"]),
        ("COUNT_MESSAGE", ["SEARCH session USING PRIMARY KEY (workspace=? AND id=?)"]),
        ("MESSAGE_COUNT", ["SEARCH session USING PRIMARY KEY (workspace=? AND id=?)"]),
        ("RESUME_SESSION", ["SEARCH session USING PRIMARY KEY (workspace=? AND id=?)"]),
        ("DELETE_SESSION", ["SEARCH session USING PRIMARY KEY (workspace=? AND id=?)"]),
        (
            "MESSAGES",
            ["SEARCH message USING PRIMARY KEY (workspace=? AND session_id=? AND sequence>? AND sequence<?)"],
        ),
    ],
)
async def test_every_hot_statement_uses_its_index(path: Path, statement: str, plan: list[str]) -> None:
    async with open_storage(f"sqlite:///{path}"):
        connection = apsw.Connection(str(path))
        text = getattr(statements, statement)
        names = ("workspace", "id", "updated_at", "limit", "now", "first", "last")
        rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", dict.fromkeys(names)).fetchall()
        details = [str(detail) for *_, detail in rows]
        assert details[: len(plan)] == plan
        assert not [detail for detail in details if "SCAN" in detail or "TEMP B-TREE" in detail]
        connection.close()


async def test_the_log_stays_bounded_under_load(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        session = await storage.create_session(W, NewSession())

        async def append() -> None:
            for _ in range(150):
                await storage.append_message(W, session.id, NewMessage(content="x" * 50_000))

        await asyncio.gather(*(append() for _ in range(16)))
        log = path.with_name(path.name + "-wal").stat().st_size
    # The bound of 64 MiB is looked at after each group of commits, and a group here may be 16 times 50 kB.
    assert log < 100 * 1024 * 1024


async def test_a_commit_is_synced(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.create_session(W, NewSession())
        connection = storage._writer._connection  # type: ignore[attr-defined]  # noqa: SLF001  # what no other can tell
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2
        assert connection.pragma("foreign_keys") == 1
