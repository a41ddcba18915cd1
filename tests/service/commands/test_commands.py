"""The command line: its output at the start, and its errors."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import execute
from daemon import Daemon
from faults.failed_commands import assert_fails, run
from keys import create_key


def test_early_signal_stops_the_start(tmp_path: Path) -> None:
    for _ in range(5):
        with Daemon(f"sqlite:///{tmp_path}/a.db", start="command") as daemon:
            assert daemon.stop() == 0


def test_start_prints_its_paths(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/deep/er/a.db") as daemon:
        log_lines = daemon.log.splitlines()
        assert log_lines[0] == f"amplifierd listens on {daemon.api}"
        assert log_lines[1].split() == ["data", f"sqlite:///{tmp_path}/deep/er/a.db"]
        assert log_lines[2].split() == ["docs", f"{daemon.url}/docs"]
        assert log_lines[3].split() == ["page", f"{daemon.url}/"]
        assert (tmp_path / "deep/er/a.db").exists()


def test_options_are_also_environment_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'notaport' is not a valid integer" in run("serve", AMPLIFIERD_PORT="notaport").stderr
    assert_fails(words="'nosuch:' is not understood", AMPLIFIERD_DATABASE="nosuch:")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert "AMPLIFIERD_DATABASE" in run("serve", "--help").stdout


def test_default_database_is_in_the_user_s_data_directory(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "amplifierd", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_DATA_HOME": str(tmp_path)},
    )
    assert process.stderr is not None
    with process.stderr as log:
        lines = [log.readline() for _ in range(3)]
        assert f"sqlite:///{tmp_path}/amplifierd/amplifierd.db" in lines[1]
        assert (tmp_path / "amplifierd/amplifierd.db").exists()
        process.terminate()
        assert process.wait(120) == 0


def test_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert_fails(
            "--port",
            str(port),
            "--database",
            f"sqlite:///{tmp_path}/a.db",
            words=rf"Cannot listen on 127\.0\.0\.1, port {port}: Address already in use; choose another ",
        )


def test_port_in_use_does_not_hide_an_invalid_database(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        (tmp_path / "text.db").write_text("this is no database, only text" * 100)
        for database, words in (
            ("nosuch:", "'nosuch:' is not understood"),
            ("sqlite:////proc/a.db", "Cannot create the database /proc/a.db"),
            (f"sqlite:///{tmp_path}/text.db", "is not a SQLite database"),
            ("postgresql://nobody@127.0.0.1:1/x", "postgresql://nobody@127.0.0.1:1/x can't be opened"),
        ):
            assert_fails("--port", port, "--database", database, words=rf"Cannot listen on .*{port}.* And: .*{words}")
        assert_fails(
            "--port", port, "--database", f"sqlite:///{tmp_path}/new.db", words=r"stop the program that uses it\.$"
        )
    assert not (tmp_path / "new.db").exists()


def test_unwritable_data_path_is_one_sentence(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    (tmp_path / "file").write_text("in the way")
    for path in ("/proc/x/y", "/sys", str(tmp_path / "file/x")):
        assert_fails("--database", database, "--data-path", path, words=f"Cannot create directories below {path}: ")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]


# A process of an unknown user, who has no home directory and no name.
UNKNOWN_USER = """
import pwd
import sys
pwd.getpwuid = lambda number: {}[number]
from amplifierd.__main__ import main
main()
"""


def run_without_home(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", UNKNOWN_USER, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env={}, cwd=cwd)


def test_places_are_required_without_a_home_directory(tmp_path: Path, postgres: str) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    create_key(database)
    for command in (["serve"], ["keys", "list"], ["export"], ["check"], ["cleanup", "--older-than-days", "1"]):
        outcome = run_without_home(*command, cwd=tmp_path)
        assert (outcome.returncode, outcome.stdout) == (1, "")
        assert re.match("Error: (Cannot create|The database).* (there is no|does not exist)", outcome.stderr), (
            outcome.stderr
        )
        if command != ["serve"]:
            assert run_without_home(*command, "--database", database, cwd=tmp_path).returncode == 0
    served = ["serve", "--port", "0", "--max-age", "0.1"]
    for url in (database, postgres):
        outcome = run_without_home(*served, "--database", url, "--data-path", str(tmp_path / "data"), cwd=tmp_path)
        assert (outcome.returncode, "Traceback" in outcome.stderr) == (0, False), outcome.stderr
    assert run_without_home("serve", "--ephemeral", "--max-age", "0.1", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "~").exists()


def test_unnamed_user_gets_a_hint(tmp_path: Path) -> None:
    options = ["--database", "postgresql://127.0.0.1:1/x", "--data-path", str(tmp_path)]
    outcome = run_without_home("serve", "--port", "0", *options, cwd=tmp_path)
    assert outcome.returncode == 1
    assert re.fullmatch(
        "Error: The database .* names no user, and .* write postgresql://USER@HOST/DATABASE.\n", outcome.stderr
    ), outcome.stderr


@pytest.mark.parametrize("command", ["keys list", "check", "cleanup --older-than-days 1", "export", "--help"])
def test_closed_output_is_one_sentence(tmp_path: Path, command: str) -> None:
    path = tmp_path / "a.db"
    create_key(f"sqlite:///{path}")
    line = f"exec {sys.executable} -m amplifierd {command}"
    for stream in (">&-", ">/dev/full", "<&- >&-"):
        outcome = subprocess.run(
            ["sh", "-c", f"{line} {stream}"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"AMPLIFIERD_DATABASE": f"sqlite:///{path}"},
        )
        assert outcome.returncode == 1
        last_line = outcome.stderr.splitlines()[-1]
        assert re.fullmatch(
            "Error: (The output can't be written|Cannot write the export).*: "
            "(Bad file descriptor|No space left on device)[.]",
            last_line,
        )
        assert "Traceback" not in outcome.stderr
        assert "Exception ignored" not in outcome.stderr
    assert run("check", "--database", f"sqlite:///{path}").returncode == 0


def test_closed_stderr_is_ignored(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    for command in ("keys create --name x --create", "export", "serve --port 0 --max-age 0.1"):
        line = f"exec {sys.executable} -m amplifierd {command} --database {database} 2>&-"
        outcome = subprocess.run(["sh", "-c", line], capture_output=True, check=False, timeout=60)
        assert outcome.returncode == 0
    assert run("check", "--database", database).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "{}"],
        ["export", "{}/no/such/export.ndjson"],
        ["import", "{}"],
        ["import", "{}/no.ndjson"],
        ["backup", "{}"],
        ["backup", "{}/no/such/b.db"],
        ["restore", "{}"],
        ["restore", "{}/no.db"],
        ["check", "--database", "sqlite:///{}"],
        ["export", "--database", "sqlite:///{}"],
        ["copy", "--from", "sqlite:///{}", "--to", "sqlite:///{}/to.db"],
        ["copy", "--from", "sqlite:///{}/a.db", "--to", "sqlite:///{}"],
        ["keys", "revoke", "nobody"],
    ],
)
def test_missing_or_blocking_file_is_one_sentence(tmp_path: Path, arguments: list[str]) -> None:
    create_key(f"sqlite:///{tmp_path}/a.db")
    command = [argument.format(tmp_path) for argument in arguments]
    outcome = run(*command, AMPLIFIERD_DATABASE=f"sqlite:///{tmp_path}/a.db")
    assert outcome.returncode in (1, 2)
    assert outcome.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in outcome.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.db"]


def test_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    assert_fails("--host", "192.0.2.1", "--database", f"sqlite:///{tmp_path}/a.db", words="Cannot listen on 192.0.2.1")


def test_unknown_host_is_named(tmp_path: Path) -> None:
    words = "Cannot listen on nosuch.invalid, port [0-9]+: [A-Z][a-z -]+; choose another"
    assert_fails("--host", "nosuch.invalid", "--database", f"sqlite:///{tmp_path}/a.db", words=words)


def test_unwritable_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_fails("--database", f"sqlite:///{tmp_path}/file/a.db", words="can't be opened for writing")
    assert_fails("--database", f"sqlite:///{tmp_path}", words="can't be opened for writing")
    assert_fails("--database", "sqlite:////proc/a.db", words="can't be opened for writing")
    assert_fails("--database", "sqlite:////proc/a.db", "--workers", "2", words="can't be opened for writing")


def test_newer_schema_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}") as daemon:
        daemon.stop()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert_fails("--database", f"sqlite:///{path}", words="has schema 99, newer than this program's")


def test_foreign_database_is_reported_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    assert_fails("--database", f"sqlite:///{path}", words="another program's SQLite database")
    assert path.read_bytes() == before
    assert_fails("--database", "sqlite:///:memory:", words="use serve --ephemeral")
    assert_fails("--database", f"sqlite:///{path}", "--host", "", words="address to listen on is empty")
    (tmp_path / "text.db").write_text("this is no database, only text" * 100)
    assert_fails("--database", f"sqlite:///{tmp_path}/text.db", words="is not a SQLite database; name another")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--prot", "1"], "No such option '--prot'"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
        (["serve", "--workers", "0"], "0 is not in the range"),
        (["serve", "--idempotency-ttl", "1e12"], "1000000000000.0 is not in the range"),
        (["serve", "--idempotency-ttl", "nan"], "nan is not a valid number of seconds"),
        (["serve", "--log-level", "loud"], "'loud' is not one of"),
        (["sevre"], "No such command 'sevre'"),
    ],
)
def test_typo_is_named(arguments: list[str], words: str) -> None:
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
def test_missing_database_is_not_created(tmp_path: Path, arguments: list[str]) -> None:
    path = tmp_path / "typo.db"
    outcome = run(*(argument.format(tmp_path) for argument in arguments), f"sqlite:///{path}")
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
def test_empty_database_stays_unchanged(tmp_path: Path, second_postgres: str, arguments: list[str]) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    outcome = run(*arguments, "--database", f"sqlite:///{path}")
    assert (outcome.returncode, path.stat().st_size) == (1, 0)
    assert f"The file {path} is empty" in outcome.stderr
    outcome = run(*arguments, "--database", second_postgres)
    assert outcome.returncode == 1
    assert "The database has no tables of amplifierd's; name another" in outcome.stderr
    execute(second_postgres, "CREATE SCHEMA amplifierd")


def test_unknown_workspace_is_an_error(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    create_key(database, "--workspace", "team")
    file = tmp_path / "export.ndjson"
    for arguments in (["export", str(file)], ["cleanup", "--older-than-days", "1"]):
        outcome = run(*arguments, "--database", database, "--workspace", "taem")
        assert outcome.returncode == 1
        assert "There is no workspace taem" in outcome.stderr
        assert "`amplifierd workspaces list`" in outcome.stderr
        for workspace in ("team", "default"):
            assert run(*arguments, "--database", database, "--workspace", workspace).returncode == 0
            file.unlink(missing_ok=True)
