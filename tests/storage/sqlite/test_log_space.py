"""The write-ahead log stays so small that the disk can take it, and loses nothing when its end is given back."""

import os
import shutil
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest

from amplifierd.storage.sqlite.connection import connect_writer, switch_to_wal
from amplifierd.storage.sqlite.files.database_files import log_bytes, log_of
from amplifierd.storage.sqlite.log_space import SCARCE_BYTES, LogSpace, cut_log

INSERT = "INSERT INTO message (content) VALUES (zeroblob(100000))"


@pytest.mark.parametrize("page_size", [512, 4_096, 16_384])
def test_cut_log_keeps_every_commit(tmp_path: Path, page_size: int) -> None:
    path, copy = tmp_path / "a.db", tmp_path / "b.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}; CREATE TABLE message (content BLOB)")
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with closing(connect_writer(str(link))) as writer:
        switch_to_wal(writer)
        writer.wal_autocheckpoint(0)
        for _ in range(10):
            writer.execute(INSERT)
        committed = log_bytes(path)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(INSERT)
        writer.cache_flush()
        writer.execute("ROLLBACK")
        assert log_bytes(path) > committed
        cut_log(writer, str(link))
        assert log_bytes(path) == committed
        # As after a crash: without the index of the log.
        shutil.copy(path, copy)
        shutil.copy(log_of(path), log_of(copy))
        writer.execute(INSERT)
    for database, count in ((path, 11), (copy, 10)):
        with closing(apsw.Connection(str(database))) as connection:
            assert connection.pragma("page_size") == page_size
            assert connection.execute("SELECT count(*) FROM message").get == count
            assert connection.pragma("integrity_check") == "ok"


def test_large_transaction_is_measured_before_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, block = tmp_path / "a.db", 4_096
    size = SCARCE_BYTES // 2 + 20_000_000

    def free_space(_path: object) -> SimpleNamespace:
        """A disk that has enough for one transaction in the log, but not also in the database."""
        return SimpleNamespace(f_frsize=block, f_bavail=(SCARCE_BYTES + 10_000_000 - log_bytes(path)) // block)

    monkeypatch.setattr(os, "statvfs", free_space)
    with closing(connect_writer(str(path))) as writer:
        switch_to_wal(writer)
        writer.wal_autocheckpoint(0)
        writer.execute("CREATE TABLE message (content BLOB)")
        space = LogSpace(writer, str(path))
        space.check(1)
        for is_refused in (False, True):
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("INSERT INTO message (content) VALUES (zeroblob(?))", (size if is_refused else 1_000_000,))
            if is_refused:
                with pytest.raises(apsw.FullError):
                    space.check(1)
            else:
                space.check(1)
            writer.execute("ROLLBACK")
