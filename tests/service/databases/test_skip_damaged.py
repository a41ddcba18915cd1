"""`amplifierd export` and `copy` of damaged databases: --skip-damaged transfers the rest, and reports the damage."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from daemon import Daemon
from faults.corrupt import of_messages, vandalise, without_messages
from faults.small_disk import SmallDisk
from fork_server import run_amplifierd

PAGE = 4096
CONTENT = b"bytes of a file " * 1_000


class Filled:
    """A database with sessions and a file, not open in any program."""

    def __init__(self, database: str) -> None:
        self.database = database
        with Daemon(database, check_responses=False) as daemon, daemon.client() as client:
            self.file = client.post("/files", content=CONTENT).raise_for_status().json()

            def session(count: int, characters: int, **new: Any) -> str:
                session_id: str = client.post("/sessions", json=new).raise_for_status().json()["id"]
                usage = {"input_tokens": 1}
                messages = [
                    {"content": f"{number} " * characters, "token_count": 2, "usage": usage, "metadata": {"n": number}}
                    for number in range(1, count + 1)
                ]
                client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
                return session_id

            self.whole = session(4, 1)
            part = {"type": "file", "url": self.file["url"], "media": "text/plain"}
            client.post(f"/sessions/{self.whole}/messages", json={"parts": [part]}).raise_for_status()
            self.damaged = session(5, 1)
            self.gap = session(5, 1)
            self.contextless = session(2, 1, context={"text": "x" * 1_000})
            self.long = session(50, 4_000)

    def damage(self) -> None:
        """Damage a record, a context and the bytes of the file, and lose a message."""
        bad = "timestamp = 'zz'" if self.database.startswith("sqlite") else "record = '{bad'"
        table, _, condition = of_messages(self.database, self.damaged, "= 3").partition(" ")
        vandalise(
            self.database,
            f"UPDATE {table} SET {bad} {condition}",  # noqa: S608  # of the test
            without_messages(self.database, self.gap, "IN (2, 5)"),
            f"UPDATE session_detail SET context = '{{bad' WHERE session_id = '{self.contextless}'",  # noqa: S608
        )

    @property
    def sentences(self) -> list[str]:
        """The sentences about these, in any order."""
        return [
            f"Message 3 of session {self.damaged} can't be read.",
            f"Message 2 of session {self.gap} can't be read.",
            f"Session {self.gap} counts 5 messages; its last message is 4.",
            f"The context of session {self.contextless} can't be read.",
        ]


@pytest.fixture
def filled(database: str) -> Filled:
    return Filled(database)


def imported(tmp_path: Path, file: Path) -> str:
    """Import an export into a new database, in which a check must find nothing."""
    database = f"sqlite:///{tmp_path}/imported.db"
    ran = run_amplifierd("import", "--create", "--database", database, str(file))
    assert ran.returncode == 0, ran.stderr
    return checked(database)


def checked(database: str) -> str:
    ran = run_amplifierd("check", "--database", database)
    assert ran.returncode == 0, ran.stdout
    return database


def contents(database: str, filled: Filled) -> dict[str, list[dict[str, Any]]]:
    with Daemon(database, check_responses=False) as daemon, daemon.client() as client:
        ids = [filled.whole, filled.damaged, filled.gap, filled.contextless, filled.long]
        return {each: client.get(f"/sessions/{each}/messages").raise_for_status().json()["messages"] for each in ids}


def of(messages: list[dict[str, Any]]) -> list[str]:
    """The first words of messages."""
    return ["deleted" if "deletedAt" in message else message["content"].partition(" ")[0] for message in messages]


def test_export_skips_damaged_records(filled: Filled, tmp_path: Path) -> None:
    filled.damage()
    file = tmp_path / "export.ndjson"
    refused = run_amplifierd("export", "--database", filled.database, str(file))
    assert refused.returncode == 1
    assert not file.exists()
    ran = run_amplifierd("export", "--skip-damaged", "--files", "--database", filled.database, str(file))
    assert ran.returncode == 1
    assert {*filled.sentences} <= {*ran.stderr.splitlines()}, ran.stderr
    assert "Exported 5 sessions." in ran.stderr
    assert ran.stderr.splitlines()[-1] == "Skipped 4 damaged records; a backup may have more."
    database = imported(tmp_path, file)
    found = contents(database, filled)
    assert of(found[filled.whole]) == ["1", "2", "3", "4", ""]
    assert of(found[filled.damaged]) == ["1", "2", "deleted", "4", "5"]
    assert of(found[filled.gap]) == ["1", "deleted", "3", "4"]
    assert len(found[filled.long]) == 50


def test_copy_skips_damaged_records(filled: Filled, tmp_path: Path) -> None:
    filled.damage()
    target = f"sqlite:///{tmp_path}/copy.db"
    refused = run_amplifierd("copy", "--from", filled.database, "--to", target)
    assert refused.returncode == 1
    for _ in range(2):
        ran = run_amplifierd("copy", "--skip-damaged", "--from", filled.database, "--to", target)
        assert ran.returncode == 1
        assert {*filled.sentences} <= {*ran.stderr.splitlines()}, ran.stderr
        assert ran.stdout.startswith("Both databases have the same 5 sessions with 66 messages; "), ran.stderr
    found = contents(checked(target), filled)
    assert of(found[filled.damaged]) == ["1", "2", "deleted", "4", "5"]
    assert of(found[filled.gap]) == ["1", "deleted", "3", "4"]


def damage_index(path: Path, index: str, session_id: str, *, is_zeroed: bool) -> None:
    """Zero the first page of an index, or change the id of a session there."""
    with closing(apsw.Connection(str(path))) as connection:
        page = int(str(connection.execute(INDEX_PAGE, (index,)).fetchall()[0][0]))
    whole = path.read_bytes()
    start = (page - 1) * PAGE
    entries = whole[start : start + PAGE]
    sought = session_id.encode()
    assert sought in entries
    changed = bytes(PAGE) if is_zeroed else entries.replace(sought, sought[:-1] + bytes([sought[-1] ^ 1]))
    path.write_bytes(whole[:start] + changed + whole[start + PAGE :])


INDEX_PAGE = """
SELECT pageno
FROM dbstat
WHERE name = ?
    AND pagetype = 'leaf'
"""


@pytest.mark.parametrize("is_zeroed", [True, False], ids=["zeroed page", "exchanged letter"])
@pytest.mark.parametrize(
    "index",
    [
        "sqlite_autoindex_session_1",
        "session_by_update",
        "sqlite_autoindex_session_number_1",
        "sqlite_autoindex_session_detail_1",
    ],
)
def test_rows_that_a_damaged_index_hides_are_carried(tmp_path: Path, index: str, *, is_zeroed: bool) -> None:
    path = tmp_path / "a.db"
    filled = Filled(f"sqlite:///{path}")
    damage_index(path, index, filled.contextless, is_zeroed=is_zeroed)
    damaged = path.read_bytes()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    file, target = tmp_path / "export.ndjson", f"sqlite:///{tmp_path}/copy.db"
    for command in (
        ["export", "--database", filled.database, str(file)],
        ["copy", "--from", filled.database, "--to", target],
    ):
        ran = run_amplifierd(*command, "--skip-damaged", env=os.environ | {"TMPDIR": str(temporary)})
        assert ran.returncode == 0, ran.stderr
        assert list(temporary.iterdir()) == []
    assert path.read_bytes() == damaged
    for database in (imported(tmp_path, file), checked(target)):
        assert [len(found) for found in contents(database, filled).values()] == [5, 5, 5, 2, 50]


@pytest.mark.usefixtures("default_signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_stopped_command_removes_the_copy(tmp_path: Path, number: signal.Signals) -> None:
    path, temporary = tmp_path / "a.db", tmp_path / "temporary"
    filled = Filled(f"sqlite:///{path}")
    damage_index(path, "session_by_update", filled.contextless, is_zeroed=False)
    temporary.mkdir()
    # The output is larger than a pipe, which nobody reads yet.
    with subprocess.Popen(
        [sys.executable, "-m", "amplifierd", "export", "--skip-damaged", "--database", filled.database],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"{"
        [folder] = temporary.iterdir()
        assert folder.name.startswith(f"amplifierd-{process.pid}-")
        assert not Path(f"{path}-reserve").exists()
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    # SIGHUP counts as SIGTERM, as it does for a daemon.
    assert process.returncode == (1 if number == signal.SIGINT else 128 + signal.SIGTERM), said
    assert b"Traceback" not in said
    assert list(temporary.iterdir()) == []


def test_table_of_a_damaged_index_is_named_without_space_for_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    filled = Filled(f"sqlite:///{path}")
    damage_index(path, "sqlite_autoindex_session_number_1", filled.contextless, is_zeroed=False)
    (tmp_path / "temporary").mkdir()
    with SmallDisk(tmp_path / "temporary") as disk:
        if not disk.is_mounted:
            pytest.skip("mounting a file system is not allowed here")
        disk.fill()
        disk.free_some(256)
        command = ["export", "--skip-damaged", "--database", filled.database, str(tmp_path / "export.ndjson")]
        ran = subprocess.run(
            [*disk.within, sys.executable, "-m", "amplifierd", *command],
            env=os.environ | {"TMPDIR": str(disk.directory)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    assert "The table session_number or one of its indexes is damaged" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("Skipped ")


def test_undamaged_database_is_exported_and_copied_unchanged(filled: Filled, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("as_ever.ndjson", "skipping.ndjson")]
    for file, options in zip(files, [[], ["--skip-damaged"]], strict=True):
        ran = run_amplifierd("export", "--files", *options, "--database", filled.database, str(file))
        assert ran.returncode == 0, ran.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    target = f"sqlite:///{tmp_path}/copy.db"
    assert run_amplifierd("copy", "--skip-damaged", "--from", filled.database, "--to", target).returncode == 0


@pytest.mark.parametrize("form", ["openai", "sharegpt"])
def test_other_formats_skip_damaged_records(filled: Filled, tmp_path: Path, form: str) -> None:
    filled.damage()
    file = tmp_path / "export.jsonl"
    options = ["--format", form, "--database", filled.database]
    assert run_amplifierd("export", *options, str(file)).returncode == 1
    ran = run_amplifierd("export", "--skip-damaged", *options, str(file))
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == "Skipped 4 damaged records; a backup may have more."
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 5


def overwrite(path: Path, text: bytes) -> None:
    """Overwrite the page of a database file that contains the beginning of a text."""
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(text) // PAGE * PAGE)
        file.write(b"\xff" * PAGE)


def test_damaged_page_loses_only_its_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    filled = Filled(f"sqlite:///{path}")
    overwrite(path, b"25 25 25")
    file = tmp_path / "export.ndjson"
    assert run_amplifierd("export", "--database", filled.database, str(file)).returncode == 1
    ran = run_amplifierd("export", "--skip-damaged", "--database", filled.database, str(file))
    assert ran.returncode == 1
    found = contents(imported(tmp_path, file), filled)
    warnings = of(found.pop(filled.long))
    lost = warnings.count("deleted")
    assert 1 <= lost <= 3
    assert [word for word in warnings if word != "deleted"] == [
        str(n) for n in range(1, 51) if warnings[n - 1] != "deleted"
    ]
    assert sum(f"of session {filled.long} can't be read." in line for line in ran.stderr.splitlines()) == lost
    assert all("deleted" not in of(messages) for messages in found.values())


def test_damaged_file_is_left_out(tmp_path: Path) -> None:
    filled = Filled(f"sqlite:///{tmp_path}/a.db")
    vandalise(filled.database, "UPDATE file_chunk SET bytes = zeroblob(length(bytes))")
    target = f"sqlite:///{tmp_path}/copy.db"
    refused = run_amplifierd("copy", "--from", filled.database, "--to", target)
    assert (refused.returncode, "has other bytes" in refused.stderr) == (1, True)
    sentence = f"File {filled.file['id']} can't be read."
    ran = run_amplifierd("copy", "--skip-damaged", "--from", filled.database, "--to", target)
    assert (ran.returncode, sentence in ran.stderr) == (1, True)
    checked(target)
    file = tmp_path / "export.ndjson"
    ran = run_amplifierd("export", "--skip-damaged", "--files", "--database", filled.database, str(file))
    assert (ran.returncode, sentence in ran.stderr) == (1, True)
    imported(tmp_path, file)


def create_key(database: str) -> str:
    """Create a key; returns its id."""
    ran = run_amplifierd("keys", "create", "--create", "--name", "ci", "--database", database)
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.partition("Key ")[2].split()[0]


def test_copy_without_a_readable_key_waits_for_a_key_in_the_target(database: str, tmp_path: Path) -> None:
    filled = Filled(database)
    create_key(database)
    vandalise(database, "UPDATE api_key SET scope = 'broken'")
    target = f"sqlite:///{tmp_path}/copy.db"
    command = ["copy", "--skip-damaged", "--from", database, "--to", target]
    refused = run_amplifierd(*command)
    assert refused.returncode == 1
    assert "The keys can't be read" in refused.stderr
    assert "amplifierd keys create --create --name NAME --database TARGET" in refused.stderr
    with Daemon(target, check_responses=False) as daemon, daemon.client() as client:
        assert client.get("/sessions").json() == []
    own = create_key(target)
    ran = run_amplifierd(*command)
    assert ran.stdout.startswith("Both databases have the same 5 sessions with "), ran.stderr
    assert ran.returncode == 1
    assert "Key " in ran.stderr
    assert keys_of(target) == [own]
    assert filled.whole in run_amplifierd("export", "--database", target, "-").stdout


def test_copy_with_a_readable_key_skips_damaged_keys(database: str, tmp_path: Path) -> None:
    damaged, whole = create_key(database), create_key(database)
    vandalise(database, f"UPDATE api_key SET scope = 'broken' WHERE id = '{damaged}'")  # noqa: S608  # of the test
    target = f"sqlite:///{tmp_path}/copy.db"
    ran = run_amplifierd("copy", "--skip-damaged", "--from", database, "--to", target)
    assert ran.stdout.startswith("Both databases have the same 0 sessions with "), ran.stderr
    assert f"Key {damaged} can't be read." in ran.stderr
    assert keys_of(target) == [whole]


def test_copy_of_an_unreadable_table_of_keys_copies_no_session(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    filled = Filled(f"sqlite:///{path}")
    with closing(apsw.Connection(str(path))) as connection:
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'api_key'")
    with path.open("r+b") as file:
        file.seek((int(str(page)) - 1) * PAGE)
        file.write(b"\xff" * PAGE)
    target = f"sqlite:///{tmp_path}/copy.db"
    ran = run_amplifierd("copy", "--skip-damaged", "--from", filled.database, "--to", target)
    assert (ran.returncode, "The keys can't be read" in ran.stderr) == (1, True)
    assert filled.whole not in run_amplifierd("export", "--database", target, "-").stdout


def keys_of(database: str) -> list[str]:
    """The ids of the keys of a database."""
    return [line.split()[0] for line in run_amplifierd("keys", "list", "--database", database).stdout.splitlines()[1:]]
