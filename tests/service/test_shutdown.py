"""Shutdown: requests in flight get their responses, and acknowledged writes are stored at the next start."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from amplifierd.server.supervisor import MARGIN_SECONDS
from amplifierd.settings import Settings
from daemon import Daemon, http_client, http_get, http_post
from faults.load import NEW_CONNECTIONS, Load
from faults.torture import Torture
from raw import Connection, assert_problem, get, post
from waits import until

SEED = 20251121
# Requests may take longer to end than the tests wait for the daemon.
PATIENT = ("--shutdown-timeout", "300")
# Their conversion takes longer than the signal.
LINES = 10_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_signal_ends_a_daemon_with_exit_code_0(database: str, number: int, workers: str) -> None:
    with Daemon(database, "--workers", workers) as daemon:
        session_id = eventually_created(daemon)
        assert daemon.stop(number) == 0
    assert "Traceback" not in daemon.log
    with Daemon(database) as daemon, daemon.client() as client:
        assert client.get(f"/sessions/{session_id}").status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_shutdown_leaves_one_file(tmp_path: Path, workers: str) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--workers", workers) as daemon:
        eventually_created(daemon)
        assert daemon.stop() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def eventually_created(daemon: Daemon) -> str:
    with daemon.client() as client:
        created: str = client.post("/sessions").json()["id"]
        return created


def test_request_in_flight_is_finished(database: str) -> None:
    with (
        Daemon(database, *PATIENT) as daemon,
        Connection(daemon.port) as stream,
        Connection(daemon.port) as connection,
    ):
        follow(stream)
        request = begin(connection)
        daemon.process.send_signal(signal.SIGTERM)
        stream.read_all()
        connection.send(request[-1:])
        assert connection.response().status == 201
        assert daemon.wait() == 0


def test_conversion_of_a_file_is_finished(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", *PATIENT) as daemon, ThreadPoolExecutor() as executor:
        importing = executor.submit(http_post, f"{daemon.api}/import", params={"format": "auto"}, content=claude_code())
        until(lambda: has_children(daemon.process.pid) or importing.done(), lambda: daemon.log)
        assert daemon.stop() == 0
        assert importing.result().json()["messages"] == LINES


def claude_code() -> bytes:
    """A long session of Claude Code."""
    ids = [str(UUID(int=number)) for number in range(1, LINES + 1)]
    lines = (
        {
            "type": "user",
            "sessionId": str(UUID(int=LINES + 1)),
            "uuid": own,
            "parentUuid": parent,
            "timestamp": "2026-01-01T00:00:00Z",
            "message": {"role": "user", "content": f"Message {own}"},
        }
        for parent, own in pairwise([None, *ids])
    )
    return "\n".join(map(json.dumps, lines)).encode()


def has_children(pid: int) -> bool:
    """Whether a process has a child, of any of its threads."""
    found = False
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # The thread may have ended.
        with suppress(OSError):
            found = found or bool(path.read_text().strip())
    return found


@pytest.mark.parametrize("header", [b"", b"Content-Length: 10\r\n"], ids=["without a body", "body that never comes"])
def test_stream_ends_cleanly(tmp_path: Path, header: bytes) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", *PATIENT) as daemon, Connection(daemon.port) as stream:
        stream.send(get("/api/v1/events").removesuffix(b"\r\n") + header + b"\r\n")
        assert stream.head().status == 200
        daemon.process.send_signal(signal.SIGTERM)
        assert stream.read_all().endswith(b"0\r\n\r\n")
        assert daemon.wait() == 0


def test_unread_stream_does_not_delay_shutdown(tmp_path: Path) -> None:
    with (
        Daemon(f"sqlite:///{tmp_path}/a.db", *PATIENT) as daemon,
        Connection(daemon.port, receive_bytes=64 * 1024) as stream,
        daemon.client() as client,
    ):
        path = f"/sessions/{client.post('/sessions').json()['id']}"
        client.post(f"{path}/messages", json={"content": "x" * 8_000_000}).raise_for_status()
        stream.send(get(f"/api/v1{path}/events?after_sequence=0"))
        assert stream.head().status == 200
        assert daemon.stop() == 0


def follow(stream: Connection) -> None:
    """Follow all sessions: this response ends when the daemon begins to stop."""
    stream.send(get("/api/v1/events"))
    assert stream.head().status == 200


def begin(connection: Connection) -> bytes:
    """Send a request without its last byte, and wait until the daemon waits for it. Returns the whole request."""
    request = post("/api/v1/sessions", b"{}", b"Expect: 100-continue")
    connection.send(request[:-1])
    assert connection.response().status == 100
    return request


def test_idle_connection_does_not_delay_shutdown(database: str) -> None:
    with Daemon(database, *PATIENT) as daemon, Connection(daemon.port) as connection:
        connection.send(get("/api/v1/health"))
        assert connection.response().status == 200
        assert daemon.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_admitted_requests_get_responses_under_load(database: str, workers: str) -> None:
    torture = Torture(SEED)

    def end() -> None:
        assert daemon.stop() == 0

    with Daemon(database, "--workers", workers, check_responses=False) as daemon:
        torture.round(daemon.api, end)
    assert torture.figures.acknowledged > 0
    with Daemon(database, check_responses=False) as daemon:
        torture.check(daemon.api, all_answered=True)


def test_killed_worker_is_replaced(database: str) -> None:
    with Daemon(database, "--workers", "2", check_responses=False) as daemon, Load([daemon.api]) as load:
        load.wait_for_more(50)
        dead = wait_for_two_workers(daemon)[0]
        os.kill(dead, signal.SIGKILL)
        load.wait_for_more(50)
        while dead in wait_for_two_workers(daemon):
            time.sleep(0.05)
        load.wait_for_more(50)
        load.stop()
        load.check(daemon.api)
        assert daemon.stop() == 0


def wait_for_two_workers(daemon: Daemon) -> list[int]:
    return until(lambda: workers if len(workers := daemon.workers) == 2 else [])


def test_several_workers_share_one_database(database: str) -> None:
    with (
        Daemon(database, "--workers", "2") as daemon,
        http_client(base_url=daemon.api, limits=NEW_CONNECTIONS) as client,
    ):
        session_id = eventually_created(daemon)
        results: list[int] = []

        def append() -> None:
            for _ in range(20):
                response = client.post(f"/sessions/{session_id}/messages", json={"content": "x"})
                results.append(response.json()["sequence"])

        threads = [threading.Thread(target=append) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == list(range(1, 161))


def test_workers_end_with_their_supervisor(database: str) -> None:
    with Daemon(database, "--workers", "2", check_responses=False) as daemon:
        eventually_created(daemon)
        daemon.process.kill()
        # This waits for the end of the log, which the workers hold open as long as they live.
        daemon.kill()
        with pytest.raises(httpx.TransportError):
            http_get(f"{daemon.api}/health", timeout=120)


def test_daemon_does_not_respond_before_it_is_ready(database: str) -> None:
    with Daemon(database) as daemon:
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=120):
            pass
        assert http_get(f"{daemon.api}/health").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_second_signal_ends_a_daemon_at_once(database: str, number: int, workers: str) -> None:
    with (
        Daemon(database, "--workers", workers, *PATIENT) as daemon,
        Connection(daemon.port) as stream,
        Connection(daemon.port) as hanging,
    ):
        session_id = eventually_created(daemon)
        follow(stream)
        begin(hanging)
        daemon.process.send_signal(number)
        stream.read_all()
        assert daemon.stop(number) == 128 + number
    assert "Traceback" not in daemon.log
    with Daemon(database) as daemon, daemon.client() as client:
        assert client.get(f"/sessions/{session_id}").status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stuck_clients_do_not_delay_shutdown_for_long(tmp_path: Path, workers: str) -> None:
    options = ("--workers", workers, "--shutdown-timeout", "1")
    with (
        Daemon(f"sqlite:///{tmp_path}/a.db", *options) as daemon,
        Connection(daemon.port, seconds=30) as sending,
        Connection(daemon.port) as reading,
        daemon.client() as client,
    ):
        session_id = client.post("/sessions").json()["id"]
        client.post(f"/sessions/{session_id}/messages", json={"content": "x" * 8_000_000})
        # The responses are larger than the sockets' buffers.
        reading.send(get(f"/api/v1/sessions/{session_id}/messages") * 4)
        reading.head()
        begin(sending)
        started = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        response = sending.response()
        assert_problem(response, 503, "The server is shutting down; the request may or may not have been applied")
        assert response.headers["retry-after"] == "1"
        assert daemon.wait() == 0
        # Of the 40 seconds that a test allows at most.
        assert time.monotonic() - started < 30
    assert "Traceback" not in daemon.log


def test_log_has_only_sent_statuses(tmp_path: Path) -> None:
    options = ("--shutdown-timeout", "1", "--log-level", "info")
    with (
        Daemon(f"sqlite:///{tmp_path}/a.db", *options, check_responses=False) as daemon,
        Connection(daemon.port, receive_bytes=64 * 1024) as connection,
        daemon.client() as client,
    ):
        path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
        client.post(path, json={"content": "x" * 60_000}).raise_for_status()

        def statuses() -> list[str]:
            return re.findall(rf" GET /api/v1{path}/1 (\d+) ", daemon.log)

        def is_full() -> bool:
            before = statuses()
            for _ in range(3):
                client.get("/health").raise_for_status()
            return before != [] and statuses() == before

        # Larger than the sockets' buffers, each in one piece: the next response waits until it can begin.
        connection.send(get(f"/api/v1{path}/1") * 100)
        until(is_full)
        assert daemon.stop() == 0
    assert [status for status in statuses() if status != "200"] == ["499"]


def test_shutdown_takes_less_time_than_docker_allows() -> None:
    # Docker kills after ten seconds.
    assert Settings(database="").shutdown_timeout + MARGIN_SECONDS < 8


@pytest.mark.usefixtures("default_signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("is_ready", [False, True])
def test_signal_to_all_processes_ends_them_in_order(tmp_path: Path, number: int, workers: str, is_ready: bool) -> None:
    # A separate session, like that of a terminal.
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--workers", workers, within=["setsid"]) as daemon:
        if workers == "2":
            wait_for_two_workers(daemon)
        if is_ready:
            eventually_created(daemon)
        os.killpg(daemon.process.pid, number)
        assert daemon.wait() == 0
    assert "Traceback" not in daemon.log
    assert "Aborted" not in daemon.log


def test_daemon_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", within=["nohup"]) as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        eventually_created(daemon)
        assert daemon.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["click", "uvicorn"])
def test_signal_stops_a_daemon_during_its_start(tmp_path: Path, number: int, module: str) -> None:
    # A signal that is handled this early also reaches the first process of a container.
    command = [sys.executable, "-X", "importtime", "-m", "amplifierd", "serve", "--port", "0"]
    command += ["--database", f"sqlite:///{tmp_path}/a.db", "--data-path", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log_lines = iter(process.stderr.readline, "")
        assert any(line.rpartition("|")[2].strip().startswith(f"{module}.") for line in log_lines)
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(60) == 0
    assert "Traceback" not in rest
