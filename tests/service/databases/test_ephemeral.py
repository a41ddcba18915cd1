"""A daemon for a test run: it prints its address, keeps nothing, and does not outlive its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from amplifierd.server.ephemeral import MEMORY, WATCH_SECONDS
from amplifierd.testing.ephemeral_server import Server, daemon
from raw import Connection, get, post
from waits import until

SERVE = [sys.executable, "-m", "amplifierd", "serve", "--ephemeral"]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z")
    except FileNotFoundError:
        return True


def test_daemon_prints_its_address_as_json() -> None:
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready.keys() == {"url", "api", "pid"}
        assert ready["pid"] == process.pid
        assert httpx.post(f"{ready['api']}/sessions").status_code == 201
        process.terminate()
        assert process.stdout.read() == ""
    assert process.returncode == 0


def made_by(pid: int) -> list[Path]:
    """The folders that one daemon created; other daemons have theirs next to it."""
    return list(MEMORY.glob(f"amplifierd-{pid}-*"))


def test_daemon_keeps_nothing() -> None:
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert httpx.post(f"{ready['api']}/sessions").status_code == 201
        assert made_by(process.pid)
        process.terminate()
    assert not made_by(process.pid)
    with daemon() as url:
        assert httpx.get(f"{url}/api/v1/sessions").json() == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_daemon_that_stops_at_once_keeps_nothing(workers: str) -> None:
    command = [*SERVE, "--workers", workers, "--shutdown-timeout", "300"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        # Workers respond once they have started.
        assert httpx.get(f"{ready['api']}/health", timeout=120).status_code == 200
        assert made_by(process.pid)
        port = int(ready["url"].rpartition(":")[2])
        with Connection(port) as stream, Connection(port) as hanging:
            stream.send(get("/api/v1/events"))
            assert stream.head().status == 200
            hanging.send(post("/api/v1/sessions", b"{}", b"Expect: 100-continue")[:-1])
            assert hanging.response().status == 100
            process.terminate()
            # The stream ends when the daemon begins to stop.
            stream.read_all()
            process.terminate()
            assert process.wait(120) == 128 + signal.SIGTERM
    assert not made_by(process.pid)


def test_daemon_ends_with_its_parent() -> None:
    parent = "import subprocess, sys, os; subprocess.Popen(sys.argv[1:]); input()"
    with subprocess.Popen(
        [sys.executable, "-c", parent, *SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert httpx.get(f"{ready['api']}/health").status_code == 200
        process.kill()
    until(lambda: is_gone(ready["pid"]))


def test_daemon_without_a_parent_outlives_its_starter() -> None:
    parent = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); input()"
    command = [sys.executable, "-c", parent, *SERVE, "--parent", "none", "--max-age", "600"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.kill()
        process.wait()
    time.sleep(5 * WATCH_SECONDS)
    assert httpx.get(f"{ready['api']}/health").status_code == 200
    os.kill(ready["pid"], signal.SIGTERM)
    until(lambda: is_gone(ready["pid"]))


def test_daemon_ends_at_its_maximum_age() -> None:
    with subprocess.Popen([*SERVE, "--max-age", "0.5"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.wait(120) == 0


def test_port_can_be_chosen() -> None:
    with daemon("--port", "0", "--check-responses") as url:
        assert httpx.get(f"{url}/api/v1/health").status_code == 200


def test_failed_start_is_reported() -> None:
    with pytest.raises(RuntimeError, match="did not start; its exit code is 2"), daemon("--nonsense"):
        pass


def test_daemon_ignores_the_database_of_the_environment(tmp_path: Path) -> None:
    environment = os.environ | {"AMPLIFIERD_DATABASE": "postgresql://nobody@127.0.0.1:9/production"}
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert httpx.get(f"{ready['api']}/status").json()["storage"] == "sqlite"
        process.terminate()
    assert list(tmp_path.iterdir()) == []


def test_refused_seed_is_reported(amplifierd_server: Server) -> None:
    with pytest.raises(RuntimeError, match=r"POST /sessions/.*/messages: The body .* /contnt is unknown"):
        amplifierd_server.reset([{"messages": [{"contnt": "x"}]}])


def test_fixture_provides_the_seed(amplifierd_server: Server) -> None:
    assert [session["messageCount"] for session in amplifierd_server.sessions] == [2, 0]
    listed = httpx.get(f"{amplifierd_server.api}/sessions").json()
    assert [session["id"] for session in listed] == [session["id"] for session in amplifierd_server.sessions[::-1]]
    httpx.post(f"{amplifierd_server.api}/sessions")


def test_configured_proxy_is_not_used(amplifierd_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("AMPLIFIERD_PORT", amplifierd_server.url.rpartition(":")[2])
    with daemon() as url:
        Server(url).reset([{}])


def test_fixture_is_reset_between_tests(amplifierd_server: Server) -> None:
    assert len(httpx.get(f"{amplifierd_server.api}/sessions").json()) == 2


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Another project, with one contract test and its own data."""
    (tmp_path / "test_theirs.py").write_text(
        "import json, sys, urllib.request, pytest\n"
        "def test_unused():\n"
        "    assert 'amplifierd.testing.ephemeral_server' not in sys.modules\n"
        "    assert 'connexion' not in sys.modules\n"
        "@pytest.fixture\n"
        "def amplifierd_seed():\n"
        "    return [{'profile': 'mine', 'messages': [{'content': 'x'}]}]\n"
        "def test_theirs(amplifierd_server):\n"
        "    [session] = json.load(urllib.request.urlopen(amplifierd_server.api + '/sessions'))\n"
        "    assert (session['profile'], session['messageCount']) == ('mine', 1)\n"
        "    assert 'connexion' not in sys.modules\n"
    )
    return tmp_path


def test_plugin_works_in_another_project(project: Path) -> None:
    environment: dict[str, Any] = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    outcome = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:schemathesis",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
        ],
        capture_output=True,
        text=True,
        cwd=project,
        env=environment,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout
    assert "2 passed" in outcome.stdout
