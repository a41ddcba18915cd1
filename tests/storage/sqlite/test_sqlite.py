"""Specific to SQLite: query plans, the log and the files."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import apsw
import msgspec
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.errors import StorageUnavailable
from amplifierd.storage.model.queries import MessageQuery, SearchQuery, SessionQuery, SessionSort
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.storage.sql.statements import directories as directory_statements
from amplifierd.storage.sql.statements import files as file_statements
from amplifierd.storage.sql.statements import message_lists
from amplifierd.storage.sql.statements import parts as part_statements
from amplifierd.storage.sql.statements import profiles as profile_statements
from amplifierd.storage.sql.statements import removals as removal_statements
from amplifierd.storage.sql.statements.session_lists import SessionList, session_list
from amplifierd.storage.sql.statements.sessions import Statements
from amplifierd.storage.sql.temporary_files import TemporaryDisk
from amplifierd.storage.sqlite import checkpointer
from amplifierd.storage.sqlite.readers import Readers
from amplifierd.storage.sqlite.search import statements as search_statements
from amplifierd.storage.sqlite.statements import MESSAGES, SQLiteStatements
from amplifierd.storage.sqlite.store import DIALECT

W = "default"


FILTERS = {"status": ("active",), "profile": "a", "amplified_dir": "x", "parent_session_id": "y", "name": "z"}


def sessions(**query: Any) -> SessionList:
    """The list of a query."""
    return session_list(DIALECT, W, SessionQuery(**query))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def files_open(path: Path) -> int:
    """The number of times that this process has the database open."""
    links = Path("/proc/self/fd").iterdir()
    return sum(link.resolve().name.startswith(path.name) for link in links)


async def test_failed_list_returns_its_connection(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.create_session(W, NewSession())
        vandal = apsw.Connection(str(path))
        vandal.execute("ALTER TABLE session RENAME TO hidden")
        with pytest.raises(apsw.SQLError):
            await storage.list_sessions(W, SessionQuery())
        before = files_open(path)
        for _ in range(10):
            with pytest.raises(apsw.SQLError):
                await storage.list_sessions(W, SessionQuery())
        assert files_open(path) == before
        vandal.close()
    # Closing succeeds although the writes cannot be indexed, and reports that.
    assert files_open(path) == 0
    assert "are not in the search index yet: no such table: session" in caplog.text


async def test_stale_index_entry_is_not_found(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        session = await storage.create_session(W, NewSession())
        for text in ("apples", "more apples"):
            await storage.append_message(W, session.id, NewMessage(text))
        assert b"apples" in (await storage.search_messages(W, SearchQuery("apples"))).first
        vandal = apsw.Connection(str(path))
        vandal.execute("UPDATE message_row SET content = 'pears' WHERE content = 'apples'")
        vandal.close()
        [hit] = msgspec.json.decode(b"[%b]" % (await storage.search_messages(W, SearchQuery("apples"))).first)
        assert hit["sequence"] == 2


SESSION_BY_KEY = "SEARCH session USING INDEX sqlite_autoindex_session_1 (workspace=? AND id=?)"
# Messages are not visible after their session is deleted.
SESSION_EXISTS = "SEARCH session EXISTS USING COVERING INDEX sqlite_autoindex_session_1 (workspace=? AND id=?)"
NUMBER_OF_SESSION = (
    "SEARCH session_number USING COVERING INDEX sqlite_autoindex_session_number_1 (workspace=? AND session_id=?)"
)
MESSAGE_BY_PLACE = "SEARCH message_row USING INDEX message_by_place (place=?)"
CALLS_BY_RESULT = "SEARCH tool_call USING COVERING INDEX tool_call_by_result (workspace=? AND session_id=? AND {})"
CALLS_BY_CALL = (
    "SEARCH tool_call USING COVERING INDEX tool_call_by_call "
    "(workspace=? AND session_id=? AND call=? AND result_sequence=? AND sequence<?)"
)
MESSAGES_BY_ID = "SEARCH message_row USING INDEX message_by_id (<expr>=? AND message_id=?)"
CALLS_BY_KEY = "SEARCH tool_call USING PRIMARY KEY (workspace=? AND session_id=? AND {})"
MESSAGES_BY_PLACE = MESSAGE_BY_PLACE.replace("place=?", "place>? AND place<?")
# Subqueries that come first in statements on messages.
SESSION_OF_MESSAGES = (
    SESSION_EXISTS,
    SESSION_EXISTS.replace(" EXISTS", ""),
    NUMBER_OF_SESSION,
    NUMBER_OF_SESSION.replace("session_number USING", "forked USING"),
    "SCALAR SUBQUERY",
)


@pytest.mark.parametrize(
    ("statement", "plan"),
    [
        (SQLiteStatements.STATE, SESSION_BY_KEY),
        (SQLiteStatements.COUNT_MESSAGES, SESSION_BY_KEY),
        (SQLiteStatements.MESSAGE_COUNT, SESSION_BY_KEY),
        (SQLiteStatements.SET_STATUS, SESSION_BY_KEY),
        (SQLiteStatements.DELETE_SESSION, SESSION_BY_KEY),
        (SQLiteStatements.MESSAGE, MESSAGE_BY_PLACE),
        (
            SQLiteStatements.RECORDED_RESPONSE,
            "SEARCH idempotency USING INDEX sqlite_autoindex_idempotency_1 (workspace=? AND key=?)",
        ),
        (
            SQLiteStatements.CHILDREN,
            "SEARCH session USING INDEX session_by_parent (workspace=? AND parent_session_id=?)",
        ),
        (SQLiteStatements.TAIL_STATE, SESSION_BY_KEY),
        (SQLiteStatements.TAIL_MESSAGES, MESSAGES_BY_PLACE),
        (SQLiteStatements.NEXT_SESSION, "SEARCH session USING INDEX sqlite_autoindex_session_1 (workspace=? AND id>?)"),
        (SQLiteStatements.EXPORTED_SESSION, SESSION_BY_KEY),
        (file_statements.EXPORTED_FILES, "SEARCH file USING PRIMARY KEY (workspace=? AND id>?)"),
        (removal_statements.IS_UNCHANGED, SESSION_BY_KEY),
        (
            SQLiteStatements.LAST_UPDATE,
            "SEARCH session USING COVERING INDEX session_by_update (workspace=? AND updated_at<?)",
        ),
        (SQLiteStatements.FORK_MESSAGES, MESSAGES_BY_PLACE.replace("message_row", "message")),
        (SQLiteStatements.MESSAGE_SIZES, MESSAGES_BY_PLACE),
        (SQLiteStatements.MESSAGES_TO_COPY, MESSAGES_BY_PLACE),
        (SQLiteStatements.RECORDED_MESSAGES, MESSAGES_BY_PLACE),
        (SQLiteStatements.REPLACE_MESSAGE, MESSAGE_BY_PLACE),
        (SQLiteStatements.REMOVE_MESSAGES, MESSAGES_BY_PLACE.replace("INDEX", "COVERING INDEX")),
        (SQLiteStatements.CHANGES, "MERGE (UNION ALL)"),
        (SQLiteStatements.CHANGED_SESSIONS, "MERGE (UNION ALL)"),
        (search_statements.CHANGED_SESSIONS, "MERGE (UNION ALL)"),
        (message_lists.messages(DIALECT, "asc"), MESSAGES_BY_PLACE),
        (message_lists.messages(DIALECT, "desc"), MESSAGES_BY_PLACE),
        (message_lists.filtered_messages(DIALECT, MessageQuery(role="user")), MESSAGES_BY_PLACE),
        (message_lists.last_of_page(MESSAGES, MessageQuery(role="user", order="desc")), MESSAGES_BY_PLACE),
        (message_lists.filtered_messages(DIALECT, MessageQuery(open_calls=True)), MESSAGE_BY_PLACE),
        (
            message_lists.last_of_page(MESSAGES, MessageQuery(open_calls=True, order="desc")),
            MESSAGE_BY_PLACE.replace("INDEX", "COVERING INDEX"),
        ),
        (
            message_lists.open_call(from_end=True),
            CALLS_BY_RESULT.format("result_sequence=? AND sequence>? AND sequence<?"),
        ),
        (message_lists.sequence_of_id(MESSAGES), MESSAGES_BY_ID),
        (part_statements.ANSWER_CALL, CALLS_BY_CALL),
        (part_statements.REMOVE_CALLS, CALLS_BY_KEY.format("sequence<?")),
        (part_statements.FORK_CALLS, CALLS_BY_KEY.format("sequence>? AND sequence<?")),
        (part_statements.ANSWER_FORKED_CALLS, CALLS_BY_RESULT.format("result_sequence>? AND result_sequence<?")),
        *(
            (statement, f"SEARCH session USING {covering}INDEX {index} (workspace=? AND {place})")
            for sort, index, place in [
                ("-updated_at", "session_by_update", "updated_at>? AND updated_at<?"),
                ("updated_at", "session_by_update", "updated_at>? AND updated_at<?"),
                ("-created_at", "session_by_creation", "(created_at,id)>(?,?) AND (created_at,id)<(?,?)"),
                ("created_at", "session_by_creation", "(created_at,id)>(?,?) AND (created_at,id)<(?,?)"),
                ("name", "session_by_name", "(sort_name,id)>(?,?) AND (sort_name,id)<(?,?)"),
                ("-name", "session_by_name", "(sort_name,id)>(?,?) AND (sort_name,id)<(?,?)"),
            ]
            for statement, covering in [
                (sessions(sort=sort).listed(paged=False), ""),
                (sessions(sort=sort, **FILTERS).listed(paged=False), ""),
                (sessions(sort=sort).end(), "" if index == "session_by_name" else "COVERING "),
            ]
        ),
    ],
)
async def test_every_hot_statement_uses_its_index(path: Path, statement: str, plan: str) -> None:
    async with open_storage(f"sqlite:///{path}"):
        connection = apsw.Connection(str(path))
        names = re.findall(r":(\w+)", statement)
        # The last one, of several statements.
        explained = f"EXPLAIN QUERY PLAN {statement.rpartition(';')[2]}"
        rows = connection.execute(explained, dict.fromkeys(names)).fetchall()
        details = [str(detail) for *_, detail in rows]
        assert next(detail for detail in details if not detail.startswith(SESSION_OF_MESSAGES)) == plan
        assert not [detail for detail in details if "SCAN" in detail or "TEMP B-TREE" in detail]
        connection.close()


async def test_the_insert_of_a_session_runs_no_trigger(path: Path) -> None:
    # SQLite would copy each page before it changes it, a third of the CPU time of the insert.
    async with open_storage(f"sqlite:///{path}"):
        connection = apsw.Connection(str(path))
        statement = SQLiteStatements.INSERT_SESSION
        steps = connection.execute(f"EXPLAIN {statement}", dict.fromkeys(re.findall(r":(\w+)", statement)))
        assert "Program" not in {step[1] for step in steps}
        connection.close()


@pytest.mark.parametrize(
    ("query", "index", "columns"),
    [
        ({"parent_session_id": "x"}, "session_by_parent", "parent_session_id=?"),
        ({"amplified_dir": "x"}, "session_by_directory", "amplified_dir=?"),
        ({"amplified_dir": "x", "recursive": True}, "session_by_directory", "amplified_dir>? AND amplified_dir<?"),
        ({"created_before": "2025-11-21T19:33:19Z"}, "session_by_creation", "created_at<?"),
        ({"updated_after": "2025-11-21T19:33:19Z", "sort": "created_at"}, "session_by_update", "updated_at>?"),
        ({"ids": (W, "x")}, "sqlite_autoindex_session_1", "id=?"),
        ({"status": ("failed", "completed")}, "session_by_status", "status=?"),
        ({"labels": ("a",), "sort": "name"}, "session_label_by_key", "key=?"),
        ({"labels": ("a:b",), "sort": "created_at"}, "session_label_by_value", "key=? AND value=?"),
    ],
)
async def test_few_sessions_are_found_by_an_index(path: Path, query: dict[str, Any], index: str, columns: str) -> None:
    async with open_storage(f"sqlite:///{path}"):
        connection = apsw.Connection(str(path))
        [found] = sessions(**query).indexes()
        for statement in (found.count(), found.listed(paged=True)):
            bindings = found.bindings | {"most": 1}
            details = [str(row[-1]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)]
            assert f"INDEX {index} (workspace=? AND {columns}" in " ".join(details)
            assert not [detail for detail in details if "SCAN session" in detail]
        connection.close()


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ({"labels": ("a",)}, "session_label USING COVERING INDEX session_label_by_key (workspace=? AND key=?"),
        (
            {"labels": ("a:b",)},
            "session_label USING COVERING INDEX session_label_by_value (workspace=? AND key=? AND value=?",
        ),
        (
            {"labels": ("a:b", "c")},
            "session_label USING COVERING INDEX session_label_by_value (workspace=? AND key=? AND value=?",
        ),
        ({"archived": True}, "session USING INDEX session_archived (workspace=?"),
        ({"pinned": True}, "session USING INDEX session_pinned (workspace=?"),
        ({"status": ("failed",)}, "session USING INDEX session_by_status (workspace=? AND status=?"),
        ({"archived": False}, "session USING INDEX session_by_update (workspace=?"),
        ({"pinned": False}, "session USING INDEX session_by_update (workspace=?"),
        ({"status": ("active", "failed")}, "session USING INDEX session_by_update (workspace=?"),
        ({"roots": True}, "session USING INDEX session_by_update (workspace=?"),
        ({"archived": False, "sort": "name"}, "session USING INDEX session_by_name (workspace=?"),
    ],
)
async def test_sessions_that_match_are_in_the_order_of_an_index(path: Path, query: dict[str, Any], source: str) -> None:
    async with open_storage(f"sqlite:///{path}"):
        connection = apsw.Connection(str(path))
        listed = sessions(**query)
        found = [*listed.in_order(), listed][0]
        for statement in (found.end(), found.listed(paged=True)):
            names = dict.fromkeys(re.findall(r":(\w+)", statement))
            details = [str(row[-1]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", names)]
            searched = [detail.replace("COVERING ", "") for detail in details if detail.startswith("SEARCH")]
            assert searched[0].startswith(f"SEARCH {source.replace('COVERING ', '')}")
            assert not [detail for detail in details if "SCAN session" in detail or "TEMP B-TREE" in detail]
        connection.close()


# The reader signals that it has begun.
ENDLESS = """
WITH RECURSIVE number (n) AS (
    SELECT begun()
    UNION ALL
    SELECT 1
    FROM number
)
SELECT COUNT(*)
FROM number
"""


async def test_abandoned_reader_is_closed(path: Path) -> None:
    begun = threading.Event()

    def read(connection: apsw.Connection) -> None:
        connection.create_scalar_function("begun", lambda *_: begun.set())
        connection.execute(ENDLESS)

    async with open_storage(f"sqlite:///{path}"):
        readers = Readers(str(path), TemporaryDisk(0))
        reading = asyncio.create_task(readers.work(read))
        await asyncio.to_thread(begun.wait)
        readers.close()
        with pytest.raises(StorageUnavailable, match="interrupted"):
            await reading


async def test_new_database_is_private_to_its_owner(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.create_session(W, NewSession())
        files = [path, *path.parent.glob(f"{path.name}-*")]
        assert len(files) > 1
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


STEPS = ["SCAN json_each VIRTUAL TABLE INDEX 1:"]


@pytest.mark.parametrize(
    ("statement", "searched", "scanned"),
    [
        (SQLiteStatements.SESSION, {"session", "session_detail"}, []),
        (profile_statements.PROFILE_IN_ROOT, {"directory", "active_profile"}, []),
        (SQLiteStatements.PROFILE_IN_DIRECTORY, {"above", "active_profile", "directory"}, STEPS),
        (profile_statements.PROFILE, {"profile", "profile_content", "active_profile"}, []),
        (profile_statements.HASH, {"profile"}, []),
        (profile_statements.SESSION_PROFILE, {"session", "profile_content"}, []),
        (profile_statements.SESSION_PROFILE_HASH, {"session"}, []),
        (profile_statements.FORGET_CONTENT, {"profile_content", "profile", "session"}, []),
        (profile_statements.listed(DIALECT), {"profile", "active_profile"}, []),
        (directory_statements.TOTAL, {"directory_total"}, []),
        (directory_statements.record(DIALECT, "= :relative_path"), {"directory", "directory_use", "above"}, STEPS),
        (directory_statements.record(DIALECT, "> :after"), {"directory", "directory_use", "above"}, STEPS),
        (SQLiteStatements.MESSAGES_WITH_IDS, {"session_number", "message_row"}, STEPS),
        (file_statements.EXPORTED_FILES, {"file", "file_reference"}, []),
        (file_statements.EXPORTED_FILES_OF_SESSION, {"reference", "file", "earlier"}, []),
        (message_lists.joined_messages(DIALECT, "asc"), {"session", "session_number", "message_row"}, []),
        (message_lists.joined_messages(DIALECT, "desc"), {"session", "session_number", "message_row"}, []),
        *((sessions(sort=sort, limit=5).listed(paged=True), {"session"}, []) for sort in get_args(SessionSort)),
    ],
)
async def test_statements_on_several_tables_use_keys(
    path: Path, statement: str, searched: set[str], scanned: list[str]
) -> None:
    async with open_storage(f"sqlite:///{path}"):
        connection = apsw.Connection(str(path))
        names = re.findall(r":(\w+)", statement)
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", dict.fromkeys(names)).fetchall()
        details = [str(detail) for *_, detail in rows]
        found = {match[1] for detail in details if (match := re.match(r"SEARCH (\w+) ", detail))}
        assert found == searched, details
        derived = ("SCAN CONSTANT ROW", "SCAN listed", "SCAN others", "SCAN step", "SCAN chosen")
        assert [each for each in details if each.startswith("SCAN") and not each.startswith(derived)] == scanned
        connection.close()


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """Run this number of programs that only use CPU time."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for program in running:
            program.kill()
            program.wait()


async def test_log_stays_bounded_under_load_on_a_busy_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "MAX_LOG_PAGES", 4_800)
    with busy(2 * (os.cpu_count() or 1)):
        log = await log_after_appending(path)
    # The limit of 19 MiB is checked after each group of commits, and a group here may be 16 times 50 kB.
    assert log < (19 + 42) * 1024 * 1024


async def log_after_appending(path: Path) -> int:
    """The size of the log in bytes after 120 MB were written."""
    async with open_storage(f"sqlite:///{path}") as storage:
        session = await storage.create_session(W, NewSession())

        async def append() -> None:
            for _ in range(150):
                await storage.append_message(W, session.id, NewMessage(content="x" * 50_000))

        await asyncio.gather(*(append() for _ in range(16)))
        return path.with_name(path.name + "-wal").stat().st_size


async def test_commit_is_synced(path: Path) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        await storage.create_session(W, NewSession())
        connection = storage._writer._connection  # type: ignore[attr-defined]  # noqa: SLF001  # what no other can tell
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 2
        assert connection.pragma("foreign_keys") == 1


def test_statements_class_must_have_every_statement() -> None:
    with pytest.raises(TypeError, match=r"^Some lacks the statements ANCESTORS, ANSWER_CALLS, "):
        type("Some", (Statements,), {})
