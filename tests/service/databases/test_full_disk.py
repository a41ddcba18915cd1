"""A daemon on a full disk: it reports the failure, continues to read, recovers, and loses or duplicates nothing."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from daemon import Daemon
from faults.load import Load
from faults.small_disk import MEBIBYTES, SmallDisk, limit_files, unlimit_files
from samples.collection_folders import commit, profile
from samples.transferred import END_OF_ONE_SESSION, HEADER, session_line
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
            # The daemon frees its log.
            self._disk.keep_full()
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
        # Even if the log is never empty.
        reserve = ["test", "-s", str(disk.directory / "a.db-reserve")]
        until(lambda: subprocess.run([*disk.within, *reserve], check=False).returncode == 0)
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


def test_full_disk_accepts_deletions(disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As docs/backup.md describes."""
    skip_without_mount(disk)
    database = f"sqlite:///{disk.directory}/a.db"
    backup = tmp_path_factory.mktemp("other") / "backup.db"
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
        ids = conversations(client, 40)
        messages = f"/sessions/{ids[3]}/messages"
        file = client.post("/files", content=b"x" * 100_000).json()["id"]
        until(lambda: size_of(disk, "a.db-wal") == 0)
        full = size_of(disk, "a.db")
        disk.fill()
        refused = [client.post(messages, json={"content": "x" * 100_000}) for _ in range(3)]
        assert_disk_is_full(refused[-1])
        assert client.get("/health").status_code == 503
        assert run(disk, "backup", str(backup), "--database", database).startswith(f"{backup} has ")
        assert client.delete(f"/sessions/{ids[1]}").status_code == 204
        assert client.delete(f"{messages}/1").status_code == 200
        assert client.delete(f"/files/{file}").status_code == 204
        key = {"Idempotency-Key": "a-key"}
        named = {"filter": {"label": ["kind:even"]}, "dry_run": False}
        deleted = [client.post("/sessions/delete", json=named, headers=key).json() for _ in range(2)]
        assert [report["sessions"] for report in deleted] == [20, 20], "A second request is answered from the first."
        assert_disk_is_full(client.post("/sessions", json={"context": {"note": "x" * 7_000_000}}))
        assert client.get("/health").status_code == 503
        cleaned_up = run(disk, "cleanup", "--older-than-days", "0", "--no-dry-run", "--database", database)
        assert cleaned_up == "Deleted 1 session with 5 messages.\n"
        assert len(client.get("/sessions").json()) == 40 - 1 - 20 - 1
        [tombstone] = [message for message in client.get(messages).json()["messages"] if "deletedAt" in message]
        assert tombstone["content"] == ""
        until(lambda: size_of(disk, "a.db-wal") == 0)
        run(disk, "compact", "--database", database)
        assert size_of(disk, "a.db") < full * 3 // 4
        until(lambda: client.get("/health").status_code == 200)
        assert client.post(messages, json={"content": "there is space again"}).status_code == 201
        until(lambda: size_of(disk, "a.db-reserve") >= size_of(disk, "a.db"))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("size", [500_000, 20_000])
def test_disk_that_appends_fill_accepts_deletions(disk: SmallDisk, workers: str, size: int) -> None:
    skip_without_mount(disk)
    database = f"sqlite:///{disk.directory}/a.db"
    with (
        Daemon(database, "--workers", workers, check_responses=False, within=disk.within) as daemon,
        daemon.client() as client,
        ThreadPoolExecutor(4) as threads,
    ):
        ids = [client.post("/sessions").json()["id"] for _ in range(12)]

        def append(number: int) -> int:
            accepted = 0
            # Some may fit again when the log has been moved.
            for attempt in range(2_000):
                text = os.urandom(size // 2).hex()
                response = client.post(f"/sessions/{ids[(number + attempt) % 12]}/messages", json={"content": text})
                if response.is_success:
                    accepted += 1
                elif attempt - accepted > 20:
                    break
            assert_disk_is_full(response)
            return accepted

        accepted = sum(threads.map(append, range(4)))
        assert accepted * size > MEBIBYTES * 1_000_000 // 3
        counts = [client.get(f"/sessions/{session_id}").json()["messageCount"] for session_id in ids]
        assert sum(counts) == accepted
        for session_id in ids[:6]:
            assert client.delete(f"/sessions/{session_id}").status_code == 204
        run(disk, "compact", "--database", database)
        assert size_of(disk, "a.db") < MEBIBYTES * 1_000_000 * 3 // 4
        until(lambda: client.get("/health").status_code == 200)
        assert client.post(f"/sessions/{ids[6]}/messages", json={"content": "there is space"}).status_code == 201
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
        assert len(client.get("/sessions").json()) == 6
        assert client.delete(f"/sessions/{ids[6]}").status_code == 204


def test_compact_waits_for_other_writers_on_a_full_disk(disk: SmallDisk) -> None:
    skip_without_mount(disk)
    database = f"sqlite:///{disk.directory}/a.db"
    with (
        Daemon(database, "--workers", "2", check_responses=False, within=disk.within) as daemon,
        daemon.client() as client,
        ThreadPoolExecutor(4) as threads,
    ):
        ids = conversations(client, 120)
        until(lambda: size_of(disk, "a.db-wal") == 0)
        disk.fill()
        for session_id in ids[:40]:
            assert client.delete(f"/sessions/{session_id}").status_code == 204
        ended = threading.Event()

        def write(number: int) -> None:
            for session_id in ids[40 + number : 120 : 4]:
                client.post(f"/sessions/{session_id}/messages", json={"content": "x" * 1_000})
                client.delete(f"/sessions/{session_id}/messages/1")
                if ended.is_set():
                    return

        writes = [threads.submit(write, number) for number in range(4)]
        run(disk, "compact", "--database", database)
        ended.set()
        for each in writes:
            each.result()


def test_deletions_are_committed_in_one_group_with_refused_appends(disk: SmallDisk) -> None:
    skip_without_mount(disk)
    database = f"sqlite:///{disk.directory}/a.db"
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client, ThreadPoolExecutor(8) as threads:
        ids = conversations(client, 40)
        until(lambda: size_of(disk, "a.db-wal") == 0)
        disk.fill()

        def append(number: int) -> int:
            return client.post(f"/sessions/{ids[number % 8]}/messages", json={"content": "x" * 50_000}).status_code

        def delete(number: int) -> int:
            return client.delete(f"/sessions/{ids[8 + number]}").status_code

        appends = [threads.submit(append, number) for number in range(32)]
        deletions = [threads.submit(delete, number) for number in range(32)]
        assert {each.result() for each in deletions} == {204}
        assert 503 in {each.result() for each in appends}
        accepted = [each.result() for each in appends].count(201)
        stored = [client.get(f"/sessions/{session_id}").json()["messageCount"] for session_id in ids[:8]]
        assert sum(stored) == 5 * 8 + accepted
        disk.free()
        assert append(0) == 201


def test_stopped_database_on_a_full_disk_can_be_opened(disk: SmallDisk) -> None:
    skip_without_mount(disk)
    database = f"sqlite:///{disk.directory}/a.db"
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
        ids = conversations(client, 40)
        until(lambda: size_of(disk, "a.db-wal") == 0)
    disk.fill()
    assert run(disk, "check", "--database", database) == "Nothing is wrong in 40 sessions with 200 messages.\n"
    for number in range(1, 7):
        with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
            assert client.delete(f"/sessions/{ids[number]}").status_code == 204
            # More than the log of the deletion had.
            assert_disk_is_full(client.post("/sessions", json={"context": {"note": "x" * 1_000_000}}))
            assert len(client.get("/sessions").json()) == 40 - number
            if number % 2:
                # The space is given back, and the deletion is only in the log.
                daemon.kill()
    disk.free()
    with Daemon(database, within=disk.within) as daemon, daemon.client() as client:
        assert client.post("/sessions").status_code == 201
        until(lambda: client.get("/health").status_code == 200)
        assert size_of(disk, "a.db-reserve") >= 512 * 1024


def skip_without_mount(disk: SmallDisk) -> None:
    """Skip a test of deletions: a limit on the size of files refuses them as well."""
    if not disk.is_mounted:
        pytest.skip("mounting a file system is not allowed here")


def conversations(client: httpx.Client, count: int) -> list[str]:
    """Create sessions of 75 KB; half have the label `kind:even`, and the last one is completed. Returns their ids."""
    ids: list[str] = []
    for number in range(count):
        labels = {"kind": "odd" if number % 2 else "even"}
        ids.append(client.post("/sessions", json={"labels": labels}).json()["id"])
        messages = [{"content": f"{number} word " * 1_500} for _ in range(5)]
        client.post(f"/sessions/{ids[-1]}/messages/batch", json={"messages": messages}).raise_for_status()
    client.post(f"/sessions/{ids[-1]}/complete").raise_for_status()
    client.get("/search", params={"q": "word"}).raise_for_status()
    return ids


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
