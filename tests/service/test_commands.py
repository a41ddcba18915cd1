"""The command line: what it says when it starts, and when it can't."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from conftest import execute
from daemon import Daemon
from keys import create_key


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amplifierd", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | environment,
    )


def refused(*arguments: str, words: str, **environment: str) -> None:
    """The start fails with one sentence, and no traceback or warning."""
    outcome = run("serve", "--port", "0", *arguments, **environment)
    assert outcome.stderr.startswith(("Error: ", "Usage: "))
    assert outcome.returncode != 0
    assert re.search(words, outcome.stderr), outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.count("Error: ") == 1
    assert outcome.stdout == ""


def test_a_signal_that_comes_early_ends_it_too(tmp_path: Path) -> None:
    for _ in range(5):
        with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon:
            assert daemon.stop() == 0


def test_a_start_says_where_everything_is(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/deep/er/a.db") as daemon:
        said = daemon.log.splitlines()
        assert said[0] == f"amplifierd listens on {daemon.api}"
        assert said[1].split() == ["data", f"sqlite:///{tmp_path}/deep/er/a.db"]
        assert said[2].split() == ["docs", f"{daemon.url}/docs"]
        assert (tmp_path / "deep/er/a.db").exists()


def test_options_are_environment_variables_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'notaport' is not a valid integer" in run("serve", AMPLIFIERD_PORT="notaport").stderr
    refused(words="'nosuch:' is not understood", AMPLIFIERD_DATABASE="nosuch:")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert "AMPLIFIERD_DATABASE" in run("serve", "--help").stdout


def test_without_a_database_the_user_s_data_directory_is_used(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "amplifierd", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_DATA_HOME": str(tmp_path)},
    )
    assert process.stderr is not None
    with process.stderr as said:
        lines = [said.readline() for _ in range(3)]
        assert f"sqlite:///{tmp_path}/amplifierd/amplifierd.db" in lines[1]
        assert (tmp_path / "amplifierd/amplifierd.db").exists()
        process.terminate()
        assert process.wait(20) == 0


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused("--port", str(port), "--database", f"sqlite:///{tmp_path}/a.db", words=rf"Can't listen on .*{port}")


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    refused("--host", "192.0.2.1", "--database", f"sqlite:///{tmp_path}/a.db", words="Can't listen on 192.0.2.1")


def test_a_database_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused("--database", f"sqlite:///{tmp_path}/file/a.db", words="can't be opened for writing")
    refused("--database", f"sqlite:///{tmp_path}", words="can't be opened for writing")
    refused("--database", "sqlite:////proc/a.db", words="can't be opened for writing")
    refused("--database", "sqlite:////proc/a.db", "--workers", "2", words="can't be opened for writing")


def test_a_newer_schema_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}") as daemon:
        daemon.stop()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    refused("--database", f"sqlite:///{path}", words="has schema 99, newer than this program's")


def test_another_program_s_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    refused("--database", f"sqlite:///{path}", words="another program's SQLite database")
    assert path.read_bytes() == before
    refused("--database", "sqlite:///:memory:", words="use serve --ephemeral")
    refused("--database", f"sqlite:///{path}", "--host", "", words="address to listen on is empty")
    (tmp_path / "text.db").write_text("this is no database, only text" * 100)
    refused("--database", f"sqlite:///{tmp_path}/text.db", words="is not a SQLite database; name another")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--prot", "1"], "No such option '--prot'"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
        (["serve", "--workers", "0"], "0 is not in the range"),
        (["serve", "--idempotency-ttl", "1e12"], "1000000000000.0 is not in the range"),
        (["serve", "--idempotency-ttl", "nan"], "nan is no number of seconds"),
        (["serve", "--log-level", "loud"], "'loud' is not one of"),
        (["sevre"], "No such command 'sevre'"),
    ],
)
def test_a_typo_is_named(arguments: list[str], words: str) -> None:
    outcome = run(*arguments)
    assert outcome.returncode == 2
    assert words in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "--database"],
        ["cleanup", "--older-than-days", "1", "--database"],
        ["copy", "--to", "sqlite:///{}/to.db", "--from"],
        ["keys", "create", "--name", "ci", "--database"],
        ["import", os.devnull, "--database"],
        ["keys", "list", "--database"],
        ["keys", "revoke", "x", "--database"],
        ["check", "--database"],
    ],
)
def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "typo.db"
    outcome = run(*(it.format(tmp_path) for it in arguments), f"sqlite:///{path}")
    assert outcome.returncode == 1
    assert re.fullmatch(
        f"Error: There is no database at {path}; name another with .*serve.*--create.*\n", outcome.stderr
    )
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [["export"], ["import", os.devnull], ["cleanup", "--older-than-days", "1"], ["keys", "create", "--name", "ci"]],
    ids=lambda arguments: arguments[0],
)
def test_an_empty_database_is_left_as_it_is(tmp_path: Path, second_postgres: str, arguments: list[str]) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    outcome = run(*arguments, "--database", f"sqlite:///{path}")
    assert (outcome.returncode, path.stat().st_size) == (1, 0)
    assert f"The file {path} is empty" in outcome.stderr
    outcome = run(*arguments, "--database", second_postgres)
    assert outcome.returncode == 1
    assert "The database has no tables of amplifierd's; name another" in outcome.stderr
    execute(second_postgres, "CREATE SCHEMA amplifierd")


def test_a_workspace_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    create_key(database, "--workspace", "team")
    file = tmp_path / "export.ndjson"
    for arguments in (["export", str(file)], ["cleanup", "--older-than-days", "1"]):
        outcome = run(*arguments, "--database", database, "--workspace", "taem")
        assert outcome.returncode == 1
        assert "There is no workspace taem" in outcome.stderr
        for workspace in ("team", "default"):
            assert run(*arguments, "--database", database, "--workspace", workspace).returncode == 0
            file.unlink(missing_ok=True)


def test_logs_are_a_line_a_request(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon:
        answered = httpx.get(f"{daemon.api}/sessions/a%0ab?x=1")
        httpx.get(f"{daemon.api}/health")
        daemon.stop()
    lines = [line for line in daemon.log.splitlines() if "/api/v1/" in line]
    assert len(lines) == 2
    request_id = answered.headers["x-request-id"]
    assert answered.json()["requestId"] == request_id
    expected = rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z INFO GET /api/v1/sessions/a%0Ab 40\d [\d.]+ ms {request_id}"
    assert re.fullmatch(expected, lines[0], re.IGNORECASE)


def test_requests_go_on_when_nobody_reads_the_log(tmp_path: Path) -> None:
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
        assert process.wait(20) == 0


def test_logs_can_be_json(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--log-format", "json", check_responses=False) as daemon:
        answered = httpx.get(f"{daemon.api}/health")
        daemon.stop()
    [line] = [json.loads(line) for line in daemon.log.splitlines() if line.startswith("{")]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/health", 200)
    assert line["request_id"] == answered.headers["x-request-id"]
    assert line["milliseconds"] > 0
    assert line["level"] == "INFO"


def test_warnings_alone_leave_requests_out(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--log-level", "warning") as daemon:
        httpx.get(f"{daemon.api}/health")
        daemon.stop()
    assert len(daemon.log.splitlines()) == 3
