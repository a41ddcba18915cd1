"""The log: one line for each request, as text or JSON, from the start to the end."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import Daemon, http_get
from faults.failed_commands import run


def test_log_has_one_line_for_each_request(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon:
        response = http_get(f"{daemon.api}/sessions/a%0ab?x=1")
        http_get(f"{daemon.api}/health")
        daemon.stop()
    lines = [line for line in daemon.log.splitlines() if "/api/v1/" in line]
    assert len(lines) == 2
    request_id = response.headers["x-request-id"]
    assert response.json()["requestId"] == request_id
    expected = rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z INFO GET /api/v1/sessions/a%0Ab 40\d [\d.]+ ms {request_id}"
    assert re.fullmatch(expected, lines[0], re.IGNORECASE)


def test_requests_continue_if_the_log_is_not_read(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "amplifierd", "serve", "--ephemeral"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        api = json.loads(process.stdout.readline())["api"]
        process.stderr.close()
        with httpx.Client() as client:
            assert [client.get(f"{api}/health").status_code for _ in range(5)] == [200] * 5
            assert client.get(f"{api}/nope").status_code == 404
        process.terminate()
        assert process.wait(120) == 0


def json_lines(text: str) -> list[dict[str, Any]]:
    """Every line of the log, which must be JSON and have the members of a log line."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "message"} <= line.keys() or "path" in line for line in lines), text
    assert [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines] == text.splitlines()
    return lines


def test_json_log_is_json_in_every_line(tmp_path: Path) -> None:
    options = ["--log-format", "json", "--workers", "2"]
    with Daemon(f"sqlite:///{tmp_path}/a.db", *options, check_responses=False) as daemon:
        http_get(f"{daemon.api}/health", timeout=60)
        # No worker reads this table during its start, when an error would end the daemon.
        with sqlite3.connect(tmp_path / "a.db") as connection:
            connection.execute("ALTER TABLE profile RENAME TO hidden")
        failed = http_get(f"{daemon.api}/profiles", timeout=60)
        assert failed.status_code == 500
        with sqlite3.connect(tmp_path / "a.db") as connection:
            connection.execute("ALTER TABLE hidden RENAME TO profile")
        os.kill(daemon.workers[0], signal.SIGKILL)
        daemon.wait_for_log("starting another")
        daemon.stop()
    first, *others = json_lines(daemon.log)
    assert first["message"] == f"amplifierd listens on {daemon.api}"
    assert (first["data"], first["docs"]) == (f"sqlite:///{tmp_path}/a.db", f"{daemon.url}/docs")
    [defect] = [line for line in others if line["level"] == "ERROR"]
    assert "no such table" in defect["exc_info"]
    assert [line["level"] for line in others if line.get("request_id") == failed.json()["requestId"]] == ["WARNING"]


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["--port", "notaport"], "'notaport' is not a valid integer", 2),
        (["--prot", "1"], "No such option", 2),
        (["--database", "nosuch:"], "'nosuch:' is not understood", 1),
        (["--database", "postgresql://nobody@127.0.0.1:1/x", "--workers", "2"], "can't be opened", 1),
        (["--data-path", "/proc/x"], "Cannot create directories below /proc/x", 1),
        # A name that is not UTF-8.
        (["--data-path", os.fsdecode(b"/proc/\xff")], r"Cannot create directories below /proc/\udcff", 1),
        (["--host", "192.0.2.1"], "Cannot listen on 192.0.2.1", 1),
    ],
)
def test_failed_start_is_reported_in_json(tmp_path: Path, options: list[str], words: str, code: int) -> None:
    places = {"AMPLIFIERD_DATABASE": f"sqlite:///{tmp_path}/a.db", "AMPLIFIERD_DATA_PATH": str(tmp_path)}
    outcome = run("serve", *options, AMPLIFIERD_PORT="0", AMPLIFIERD_LOG_FORMAT="json", **places)
    [line] = json_lines(outcome.stderr)
    assert (outcome.returncode, line["level"], outcome.stdout) == (code, "ERROR", "")
    assert words in line["message"]


def test_logs_can_be_json(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--log-format", "json", check_responses=False) as daemon:
        response = http_get(f"{daemon.api}/health")
        daemon.stop()
    [_, line] = json_lines(daemon.log)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/health", 200)
    assert line["request_id"] == response.headers["x-request-id"]
    assert line["milliseconds"] > 0
    assert line["level"] == "INFO"


def test_log_at_warning_level_omits_requests(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--log-level", "warning") as daemon:
        http_get(f"{daemon.api}/health")
        daemon.stop()
    assert len(daemon.log.splitlines()) == 4
