"""The work for a SQLite database is limited by its size; any column names and numbers are read, or are faults."""

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from amplifierd.formats.history import Chat, Fault, Step, Turn, history_formats, read_head, recognize, time_of
from samples.hostile_databases import with_endless_index, with_long_default
from samples.llm_log import fill_threads
from samples.opencode_database import fill_opencode

FORMATS = history_formats()


def steps_of(content: bytes) -> list[Step]:
    file = io.BytesIO(content)
    return [*recognize(FORMATS, read_head(file)).read(file)]


def faults_in(steps: list[Step]) -> list[str]:
    return [step.kind for step in steps if isinstance(step, Fault)]


@pytest.mark.parametrize(
    "made",
    [
        with_endless_index,
        lambda path: with_endless_index(path, name="by_message_session_id"),
        with_long_default,
    ],
)
def test_database_beyond_its_limits_is_a_fault(tmp_path: Path, made: Callable[[Path], Path]) -> None:
    steps = steps_of(made(tmp_path / "a.db").read_bytes())
    assert faults_in(steps) == ["not SQLite"]
    assert not [step for step in steps if isinstance(step, Turn)]


def test_text_that_many_rows_quote_is_read_within_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    with closing(fill_threads(path)) as database:
        database.execute("UPDATE fragments SET content = ?", ("x" * 300_000,))
        for number in range(20, 300):
            payload = json.dumps({"text_ref": [{"fragment": 1}]})
            row = (number, "b2:5", number, "text", None, None, payload)
            database.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    content = path.read_bytes()
    # 84 MB in total.
    assert faults_in(steps_of(content)) == ["not SQLite"]
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM parts WHERE id >= 100")
    assert faults_in(steps_of(path.read_bytes())) == []


@pytest.mark.parametrize(
    ("table", "column", "other"),
    [("messages", "hash", "HASH"), ("parts", "payload", "Payload"), ("turns", "id", "ID"), ("threads", "id", "Id")],
)
def test_column_names_are_case_insensitive(tmp_path: Path, table: str, column: str, other: str) -> None:
    path = tmp_path / "logs.db"
    with closing(fill_threads(path)) as database:
        before = path.read_bytes()
        # Case is ignored when names are compared.
        database.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO changed")
        database.execute(f"ALTER TABLE {table} RENAME COLUMN changed TO {other}")
    assert steps_of(path.read_bytes()) == steps_of(before)


def test_threads_need_no_id(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    with closing(fill_threads(path)) as database:
        database.execute("ALTER TABLE threads RENAME COLUMN id TO number")
    assert len(steps_of(path.read_bytes())) > 1


def test_number_of_more_than_64_bits_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    with closing(fill_threads(path)) as database:
        row = (20, "b2:5", 20, "text", None, None, '{"text_ref":[{"fragment":99999999999999999999}]}')
        database.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    assert faults_in(steps_of(path.read_bytes())) == ["not SQLite"]


def test_long_chain_of_forks_has_one_conversation(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    with closing(fill_threads(path)) as database:
        chain = [(f"f{number}", f"f{number - 1}") for number in range(4_000)]
        database.executemany("INSERT INTO threads (id, forked_from) VALUES (?, ?)", chain)
        database.execute("INSERT INTO threads (id, forked_from) VALUES ('r1', 'r2'), ('r2', 'r1')")
        database.commit()
    keys = [step.key for step in steps_of(path.read_bytes()) if isinstance(step, Chat)]
    assert [key for key in keys if key[0] in "fr"] == ["f0", "r2"]


def test_time_with_many_digits_is_invalid() -> None:
    assert time_of(10**400) is None
    assert time_of(-(10**400)) is None


def test_sound_database_of_small_rows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    with closing(fill_opencode(path)) as database:
        database.execute("BEGIN")
        rows = [(f"m{number}", "ses_1", number, number, '{"role":"user"}') for number in range(20_000)]
        database.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?)", rows)
        parts = [(f"p{number}", f"m{number}", "", 1, 1, '{"type":"text","text":""}') for number in range(20_000)]
        database.executemany("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", parts)
        database.execute("COMMIT")
    assert faults_in(steps_of(path.read_bytes())) == []
