"""A daemon on a full disk: it reports the failure, continues to read, recovers, and loses or duplicates nothing."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from collection_folders import commit, profile
from daemon import Daemon
from load import Load
from small_disk import SmallDisk, limit_files, unlimit_files
from transferred import END_OF_ONE_SESSION, HEADER, session_line
from waits import until


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path) as mounted:
        yield mounted


class Shortage:
    """A full disk for a daemon; or a limit on the size of its files, on request or if no disk can be mounted."""

    def __init__(self, disk: SmallDisk, daemon: Daemon, *, of_space: bool) -> None:
        self._disk = disk
        self._process = daemon.process.pid
        self._of_space = of_space and disk.is_mounted

    def begin(self) -> None:
        if self._of_space:
            self._disk.fill()
        else:
            limit_files(self._process)

    def end(self) -> None:
        if self._of_space:
            self._disk.free()
        else:
            unlimit_files(self._process)


@pytest.mark.parametrize("of_space", [True, False], ids=["no space", "no growth of files"])
def test_refused_request_leaves_nothing_and_others_are_kept(disk: SmallDisk, *, of_space: bool) -> None:
    database = f"sqlite:///{disk.directory}/a.db"
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client, Load([daemon.api]) as load:
        session_id = client.post("/sessions").json()["id"]
        messages = f"/sessions/{session_id}/messages"
        before = client.post(messages, json={"content": "before"}).json()
        # More than the server keeps in memory while it sends.
        long = f"/sessions/{client.post('/sessions').json()['id']}/messages"
        for _ in range(4):
            client.post(long, json={"content": "x" * 1_000_000})
        load.wait_for_more(50)
        shortage = Shortage(disk, daemon, of_space=of_space)
        shortage.begin()
        load.wait_for_refusals(len(load.sessions))
        # Without a key, so that nothing is sent again. A small write may still fit into a log that restarts.
        appended = until_refused(lambda number: client.post(messages, json={"content": str(number)}))
        renamed = until_refused(lambda number: client.patch(f"/sessions/{session_id}", json={"name": str(number)}))
        assert_disk_is_full(
            client.post("/import", content=an_export(), headers={"Content-Type": "application/x-ndjson"})
        )
        first, *others = client.get(messages).json()["messages"]
        assert (first, [message["content"] for message in others]) == (before, appended)
        assert len(client.get("/sessions").json()) == len(load.sessions) + 2
        if disk.is_mounted and of_space:
            assert len(client.get(long).json()["messages"]) == 4
        else:
            # The response waits in a file for its reader, and the file cannot grow either.
            assert_disk_is_full(client.get(long))
        assert client.get("/health").status_code == 503
        shortage.end()
        load.wait_for_more(50)
        load.stop()
        load.check(daemon.api)
        assert len(client.get(long).json()["messages"]) == 4
        daemon.kill()
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
        load.check(daemon.api)
        assert client.get(messages).json()["messages"] == [first, *others]
        assert client.get(f"/sessions/{session_id}").json().get("name") == (renamed[-1] if renamed else None)
        [hit] = client.get("/search", params={"q": "before"}).json()
        assert hit["sessionId"] == session_id


def test_deletions_and_compaction_need_little_space(disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As docs/backup.md describes."""
    database = f"sqlite:///{disk.directory}/a.db"
    backup = tmp_path_factory.mktemp("other") / "backup.db"
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
        ids = [client.post("/sessions").json()["id"] for _ in range(12)]
        for session_id in ids:
            messages = [{"content": "word " * 3_000} for _ in range(5)]
            client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
        client.get("/search", params={"q": "word"}).raise_for_status()
        until(lambda: size_of(disk, "a.db-wal") == 0)
        shortage = Shortage(disk, daemon, of_space=True)
        shortage.begin()
        assert_disk_is_full(client.delete(f"/sessions/{ids[1]}"))
        assert run(disk, "backup", str(backup), "--database", database).startswith(f"{backup} has ")
        if disk.is_mounted:
            disk.free_some(1024)
        else:
            shortage.end()
        for session_id in ids[1:]:
            while not client.delete(f"/sessions/{session_id}").is_success:
                # The log is emptied after a second without a write.
                until(lambda: size_of(disk, "a.db-wal") == 0)
        before, after = map(int, re.findall(r"\d+", run(disk, "compact", "--database", database)))
        assert after < before // 2
        assert client.post("/sessions").status_code == 201


def size_of(disk: SmallDisk, name: str) -> int:
    """The number of bytes of a file on a disk."""
    command = [*disk.within, "stat", "--format=%s", str(disk.directory / name)]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


def run(disk: SmallDisk, *arguments: str) -> str:
    """Run a command of amplifierd beside the daemon. Returns its output."""
    command = [*disk.within, sys.executable, "-m", "amplifierd", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("of_database", [True, False], ids=["of the database", "of temporary files"])
def test_full_disk_leaves_a_collection_unchanged(
    disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, *, of_database: bool
) -> None:
    root = tmp_path_factory.mktemp("collections")
    (root / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(root / "temporary" if of_database else disk.directory))
    database = f"sqlite:///{disk.directory if of_database else root}/a.db"
    commit(root / "c", {"a.md": profile("a", "1.0.0")})
    options = ["--collections-path", str(root)]
    with Daemon(database, *options, within=disk.within) as daemon, daemon.client() as client:
        body = {"identifier": "foundation", "source": f"git+file://{root}/c"}
        client.post("/collections", json=body).raise_for_status()
        commit(root / "c", {"a.md": profile("a", "2.0.0"), "b.md": profile("b") + "x" * 200_000})
        shortage = Shortage(disk, daemon, of_space=True)
        shortage.begin()
        synced = client.post("/collections/foundation/sync")
        if of_database or not disk.is_mounted:
            assert_disk_is_full(synced)
        else:
            assert (synced.status_code, synced.json()["status"]) == (200, "failed")
            [problem] = synced.json()["problems"]
            assert "No space left on device" in problem["detail"]
        assert client.get("/profiles/foundation/a").json()["version"] == "1.0.0"
        assert client.get("/profiles/foundation/b").status_code == 404
        shortage.end()
        until(lambda: client.get("/health").status_code == 200)
        synced = client.post("/collections/foundation/sync")
        assert (synced.status_code, synced.json()["profiles"]) == (200, ["foundation/a", "foundation/b"])
        assert client.get("/profiles/foundation/a").json()["version"] == "2.0.0"


def an_export() -> str:
    """An export of one session, which is too long to wait in memory."""
    return HEADER + session_line(context={"note": "x" * 100_000}) + END_OF_ONE_SESSION


def until_refused(send: Callable[[int], httpx.Response]) -> list[str]:
    """The numbers that were sent and accepted before one was refused."""
    accepted: list[str] = []
    while (response := send(len(accepted))).is_success:
        accepted.append(str(len(accepted)))
        assert len(accepted) < 1_000, "Nothing is refused."
    assert_disk_is_full(response)
    return accepted


def assert_disk_is_full(response: httpx.Response) -> None:
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["type"] == "urn:amplifierd:problem:storage-unavailable"
    assert "The storage is not available: " in response.json()["detail"]


def test_read_only_disk_refuses_a_database(disk: SmallDisk) -> None:
    database = f"sqlite:///{disk.directory}/a.db"
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
        client.post("/sessions")
    if disk.is_mounted:
        disk.make_read_only()
    else:
        # Root may write to any directory, but not to one that does not exist.
        database = "sqlite:////proc/self/fd/a.db"
    command = [*disk.within, sys.executable, "-m", "amplifierd", "serve", "--port", "0", "--database", database]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert outcome.returncode == 1
    assert "can't be opened for writing" in outcome.stderr
    assert "Traceback" not in outcome.stderr
