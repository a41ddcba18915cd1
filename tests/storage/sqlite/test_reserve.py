"""The file that keeps disk space for deletions: programs share it, and it harms no other file."""

import logging
from collections.abc import Callable
from fcntl import LOCK_EX, flock
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from amplifierd.server.ephemeral import MEMORY
from amplifierd.storage import open_storage
from amplifierd.storage.model.errors import StorageUnavailable
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.storage.sqlite.files.reserve import Reserve

W = "default"
NOTES = b"my notes, which are longer than the first bytes of a reserve, and are not to be lost\n"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    path.write_bytes(b"x" * 3_000_000)
    return path


def file_of(database: Path) -> Path:
    return database.with_name("a.db-reserve")


def test_released_space_is_not_taken_by_another_program(database: Path) -> None:
    one, other = Reserve(database), Reserve(database)
    assert one.fill()
    assert other.fill()
    size = file_of(database).stat().st_size
    with one.released(), other.released():
        # A checkpoint in the space that a deletion has.
        with one.released():
            pass
        for each in (one, other):
            assert not each.is_whole()
            assert not each.fill()
        assert file_of(database).stat().st_size == 0
    assert other.is_whole()
    assert file_of(database).stat().st_size == size
    assert one.is_whole()


@pytest.fixture
def reserved(tmp_path: Path) -> Path:
    """A new database that has an empty reserve."""
    (tmp_path / "a.db-reserve").touch()
    return tmp_path / "a.db"


async def test_other_writes_are_refused_while_a_deletion_has_the_space(reserved: Path) -> None:
    # With the file, the reserve is filled when a storage is opened.
    async with open_storage(f"sqlite:///{reserved}") as one, open_storage(f"sqlite:///{reserved}") as other:
        kept, deleted = [await one.create_session(W, NewSession()) for _ in range(2)]
        with Reserve(reserved).released():
            for each in (one, other):
                with pytest.raises(StorageUnavailable, match="its disk is full"):
                    await each.append_message(W, kept.id, NewMessage(content="x"))
            await one.delete_session(W, deleted.id)
        for each in (one, other):
            await each.append_message(W, kept.id, NewMessage(content="x"))


def test_nobody_waits_for_another_program_that_fills_the_file(database: Path) -> None:
    reserve = Reserve(database)
    with file_of(database).open("wb") as file:
        flock(file, LOCK_EX)
        assert not reserve.fill()
        assert reserve.is_whole(), "Writes are not refused before the first fill."
    assert reserve.fill()


def test_whole_file_is_not_written_again(database: Path) -> None:
    reserve = Reserve(database)
    assert reserve.fill()
    before = file_of(database).stat()
    assert reserve.fill()
    assert Reserve(database).fill()
    assert file_of(database).stat() == before


def test_passing_error_is_reported_once(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    reserve = Reserve(database)
    moved = database.rename(database.with_name("moved.db"))
    for _ in range(2):
        assert reserve.fill()
        assert reserve.is_whole()
    assert not file_of(database).exists()
    moved.rename(database)
    assert reserve.fill()
    assert file_of(database).stat().st_size > 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def _write(path: Path) -> None:
    path.write_bytes(NOTES)


def _link(path: Path) -> None:
    target = path.with_name("notes")
    target.write_bytes(NOTES)
    target.chmod(0o644)
    path.symlink_to(target)


@pytest.mark.parametrize("make", [_write, _link, Path.mkdir], ids=["file", "link", "folder"])
def test_file_of_another_program_is_left_alone(
    database: Path, caplog: pytest.LogCaptureFixture, make: Callable[[Path], None]
) -> None:
    file = file_of(database)
    make(file)
    database.chmod(0o600)
    before = file.stat()
    reserve = Reserve(database)
    for _ in range(2):
        assert reserve.fill()
        with reserve.released():
            assert reserve.is_whole()
    reserve.close()
    assert (file.stat().st_mode, file.stat().st_size) == (before.st_mode, before.st_size)
    assert file.is_dir() or file.read_bytes() == NOTES
    assert f"Without {file}, nothing can be deleted on a full disk" in caplog.text


def test_reader_makes_no_file_but_gives_back_the_space(database: Path) -> None:
    reader = Reserve(database, kept=False)
    assert reader.fill()
    reader.close()
    assert not file_of(database).exists()
    assert Reserve(database).fill()
    size = file_of(database).stat().st_size
    with reader.released():
        pass
    assert reader.fill()
    reader.close()
    assert file_of(database).stat().st_size == size


def test_loop_of_links_has_no_reserve(tmp_path: Path) -> None:
    loop = tmp_path / "a.db"
    loop.symlink_to(loop)
    reserve = Reserve(loop)
    assert reserve.fill()
    reserve.close()
    assert not file_of(loop).exists()


@pytest.mark.skipif(not MEMORY.is_dir(), reason="this system has no file system in memory")
def test_database_in_memory_has_no_reserve() -> None:
    with TemporaryDirectory(prefix="amplifierd-", dir=MEMORY) as folder:
        database = Path(folder, "a.db")
        database.write_bytes(b"x")
        assert Reserve(database).fill()
        assert not file_of(database).exists()
