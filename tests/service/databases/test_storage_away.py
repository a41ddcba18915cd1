"""An unavailable or failing storage: every operation reports it, nothing is written, and the daemon recovers."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT
from daemon import Daemon
from faults.corrupt import vandalise
from operations import OPERATIONS, send
from waits import until

ROOT = Path(__file__).parents[3]

# The bytes of the shared memory that SQLite locks for writes and recovery: https://www.sqlite.org/walformat.html#wal_locks
LOCKS_AT, LOCKS = 120, 3


# The values of the parameters in the operations' paths.
PARAMETERS = {
    "{}": "{session_id}",
    "/1": "/{sequence}",
    "profiles/a/b": "profiles/{name}",
    "collections/x": "collections/{identifier}",
    "modules/a/tool/b": "modules/{module_id}",
    "directories/a/b": "directories/{relative_path}",
    "0" * 64: "{file_id}",
}


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """Another process holds the recovery lock of the database's log within the `with` block."""
    with path.with_name(path.name + "-shm").open("r+b", buffering=0) as memory:
        fcntl.lockf(memory, fcntl.LOCK_EX, LOCKS, LOCKS_AT)
        memory.write(b"\0" * 48)
        yield


def test_operations_cover_every_use_of_the_storage() -> None:
    declared = {(method.upper(), path) for path, method, _ in load_document(CONTRACT).operations()}
    tried = {
        (method, re.sub("|".join(PARAMETERS), lambda found: PARAMETERS[found[0]], path.partition("?")[0]))
        for method, path, _ in OPERATIONS
    }
    assert declared - tried == {("GET", "/status"), ("GET", "/live")}


def test_operation_is_503_while_the_database_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    # Each read waits five seconds for the lock, and some reads wait for earlier ones.
    with Daemon(f"sqlite:///{path}", "--request-timeout", "60") as daemon, daemon.client() as client:
        session = client.post("/sessions").json()

        def ask(operation: tuple[str, str, object]) -> httpx.Response:
            return send(client, operation, session["id"])

        with held_by_another(path), ThreadPoolExecutor(len(OPERATIONS)) as threads:
            for response in threads.map(ask, OPERATIONS):
                assert response.status_code == 503, response.request
                assert response.headers["retry-after"] == "1"
                assert response.json()["type"] == "urn:amplifierd:problem:storage-unavailable"
                assert "The storage is not available: " in response.json()["detail"]
            assert client.get("/status").status_code == client.get("/live").status_code == 200
        assert client.get("/sessions").json() == [{k: v for k, v in session.items() if k != "context"}]
        assert client.post(f"/sessions/{session['id']}/messages", json={"content": "x"}).json()["sequence"] == 1


def test_defect_is_500_without_internals(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        tables = ["session", "profile", "collection", "module", "active_profile", "directory", "file"]
        tables += [] if database.startswith("sqlite") else ["search", "workspace"]
        for table in tables:
            vandalise(database, f"ALTER TABLE {table} RENAME TO hidden_{table}")
        problems = []
        try:
            for operation in OPERATIONS:
                response = send(client, operation, session_id)
                assert response.status_code == 500, operation
                problems.append(response.json())
                assert problems[-1]["type"] == "about:blank"
                assert problems[-1]["detail"].startswith("The server failed on this request; see its log")
                assert "table" not in response.text
        finally:
            # Other tests share the database.
            for table in tables:
                vandalise(database, f"ALTER TABLE hidden_{table} RENAME TO {table}")
        assert client.get("/health").status_code == 200
        daemon.stop()
    assert all(f"Request {problem['requestId']} failed" in daemon.log for problem in problems)
    assert len(re.findall("no such table|UndefinedTableError", daemon.log)) >= len(problems)


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_moved_database_refuses_writes(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}") as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        if how == "deleted":
            path.unlink()
        else:
            path.rename(tmp_path / "b.db")
        if how == "replaced":
            path.write_bytes((tmp_path / "b.db").read_bytes())
        for response in (client.post("/sessions"), client.delete(f"/sessions/{session_id}"), client.get("/health")):
            assert response.status_code == 503
            assert "its file was moved, deleted or replaced; put it back" in response.json()["detail"]
        if how == "moved":
            (tmp_path / "b.db").rename(path)
            assert client.post("/sessions").status_code == 201
            assert client.get("/health").status_code == 200


def test_new_worker_does_not_replace_a_deleted_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}", "--workers", "2") as daemon, daemon.client() as client:
        assert client.post("/sessions").status_code == 201
        until(lambda: len(daemon.workers) == 2)
        path.unlink()
        os.kill(daemon.workers[0], signal.SIGKILL)
        daemon.wait_for_log("A worker exits, and another will retry")
        assert not path.exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Only Linux has this folder.")
@pytest.mark.parametrize("deleted", [("a.db",), ("a.db", "a.db-wal", "a.db-shm")])
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_deleted_database_can_be_copied_as_documented(
    tmp_path: Path, options: tuple[str, ...], deleted: tuple[str, ...]
) -> None:
    _, _, section = (ROOT / "docs" / "backup.md").read_text().partition("## A deleted file")
    script = section.split("```sh\n")[1].partition("```")[0]
    with Daemon(f"sqlite:///{tmp_path}/a.db", *options) as daemon, daemon.client() as client:
        ids = {client.post("/sessions").json()["id"] for _ in range(20)}
        for name in deleted:
            (tmp_path / name).unlink()
        assert client.post("/sessions").status_code == 503
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Nothing is wrong in 20 sessions" in done.stdout
    with Daemon(f"sqlite:///{tmp_path}/saved.db") as daemon, daemon.client() as client:
        assert {session["id"] for session in client.get("/sessions").json()} == ids
