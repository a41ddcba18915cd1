"""A long transaction of another program makes SQLite's log grow, which is reported; the log shrinks afterwards."""

import asyncio
import logging
from pathlib import Path

import apsw
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.storage.sqlite import checkpointer

W = "default"
WAIT_SECONDS = 60


async def test_log_kept_by_a_reader_is_reported_and_shrinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpointer, "MAX_LOG_PAGES", 100)
    monkeypatch.setattr(checkpointer, "WARNED_LOG_PAGES", 200)
    caplog.set_level(logging.WARNING)
    file, log = tmp_path / "a.db", tmp_path / "a.db-wal"
    async with open_storage(f"sqlite:///{file}") as storage:
        session = await storage.create_session(W, NewSession())
        reader = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM session").fetchall()
        for _ in range(20):
            await storage.append_message(W, session.id, NewMessage(content="x" * 100_000))
        warnings = [record.getMessage() for record in caplog.records if "write-ahead log" in record.getMessage()]
        # Once, and again when the log has twice as many pages: not with each commit.
        assert 1 <= len(warnings) <= 4
        assert f"{log} has grown to " in warnings[0]
        assert "End that program" in warnings[0]
        assert log.stat().st_size > 200 * 4_096
        reader.execute("COMMIT")
        reader.close()
        async with asyncio.timeout(WAIT_SECONDS):
            while log.stat().st_size > 100 * 4_096:  # noqa: ASYNC110  # a thread of the storage does it
                await asyncio.sleep(0.05)
