"""What a rolled-back write leaves in the write-ahead log is given back, and nothing else."""

import shutil
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from amplifierd.storage.sqlite.connection import connect_writer, switch_to_wal
from amplifierd.storage.sqlite.files.database_files import log_bytes, log_of
from amplifierd.storage.sqlite.log_space import cut_log

INSERT = "INSERT INTO message (content) VALUES (zeroblob(100000))"


@pytest.mark.parametrize("page_size", [512, 4_096, 16_384])
def test_cut_log_keeps_every_commit(tmp_path: Path, page_size: int) -> None:
    path, copy = tmp_path / "a.db", tmp_path / "b.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}; CREATE TABLE message (content BLOB)")
    with closing(connect_writer(str(path))) as writer:
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
        cut_log(writer, str(path))
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
