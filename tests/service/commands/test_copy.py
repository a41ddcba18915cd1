"""`amplifierd copy`, between all kinds of databases."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec import Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.errors import FileInUse
from amplifierd.storage.model.files import NewFile
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import NewModuleSource
from amplifierd.storage.model.profile_records import ModuleConfig, NewProfile, NewSessionConfig
from amplifierd.storage.model.records import (
    BatchMessage,
    Failure,
    Fork,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionPatch,
)
from amplifierd.storage.model.workspaces import NewKey
from daemon import Daemon
from faults.corrupt import vandalise
from fork_server import run_amplifierd

W = "default"
KILLED_IMPORT = str(Path(__file__).parents[2] / "faults/killed_import.py")


def copy(source: str, target: str) -> subprocess.CompletedProcess[str]:
    return run_amplifierd("copy", "--from", source, "--to", target)


def copy_some(source: str, target: str, pieces: int) -> None:
    """Start a copy, and kill it when the target has this number of pieces."""
    command = [sys.executable, KILLED_IMPORT, str(pieces), "copy", "--from", source, "--to", target]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


async def chunks(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


async def exported(storage: Storage) -> list[object]:
    export = await storage.export_sessions(W)
    return [line async for batch in export.batches for line in batch]


async def test_keys_and_contexts_are_copied(storage: Storage, database: str, second_postgres: str) -> None:
    await storage.create_profile(W, NewProfile("a/b", session=NewSessionConfig(ModuleConfig("loop"))))
    await storage.activate_profile(W, "a/b")
    await storage.create_directory(W, NewDirectory("x", "a/b", Raw(b'{"n":1.0}')))
    await storage.create_directory(W, NewDirectory("x/y"))
    session = await storage.create_session(W, NewSession(amplified_dir="x/y"))
    content = b"0123456789" * 20_000
    file = await storage.create_file(W, NewFile(chunks(content), "image/png", "a.png"))
    part = f'[{{"type":"file","media":"image/png","url":"{file.url}"}}]'
    await storage.append_message(W, session.id, NewMessage(parts=Raw(part.encode())))
    await storage.create_module_source("sources", "installed/tool/x", NewModuleSource("git+https://example.com/x"))
    key = await storage.create_key(NewKey("a", "team", "ci", "read", "00" * 32))
    for _ in range(2):
        copied = await asyncio.to_thread(copy, database, second_postgres)
        assert copied.returncode == 0, copied.stderr
    async with open_storage(second_postgres) as other:
        assert await other.list_keys() == [key]
        assert (await other.get_active_profile(W)).session == (await storage.get_profile(W, "a/b")).session
        [source] = await other.module_sources("sources", "installed/tool/x")
        assert source.source == "git+https://example.com/x"
        directory = await other.get_directory(W, "x/y")
        assert (directory.default_profile, directory.default_profile_from) == ("a/b", "x")
        assert directory.session_count == 1
        assert await other.session_profile(W, session.id) == await storage.session_profile(W, session.id)
        assert (await other.create_session(W, NewSession(amplified_dir="x"))).profile == "a/b"
        copied_file = await other.read_file(W, file.id)
        assert (copied_file.file.media, copied_file.file.name) == ("image/png", "a.png")
        assert b"".join([block async for block in copied_file.read(0, len(content) - 1)]) == content
        with pytest.raises(FileInUse):
            await other.delete_file(W, file.id)


def parts_of(part: str) -> list[BatchMessage]:
    return [BatchMessage(parts=Raw(f"[{part}]".encode()))]


@pytest.fixture
async def filled(storage: Storage) -> list[Session]:
    """Sessions of several kinds, one of them longer than a part of a copy."""
    turn = [BatchMessage(content=f"a\0b {number}", metadata=Raw(b'{"z":1.0,"a":[]}')) for number in range(800)]
    sessions = [await storage.create_session(W, NewSession(name="ß", context=Raw(b'{"b":1.0,"a":2}')))]
    sessions += [await storage.create_session(W, NewSession()) for _ in range(30)]
    for _ in range(3):
        await storage.append_messages(W, sessions[0].id, NewMessages(turn))
    call = '{"type":"tool_call","call":"c","name":"read","input":"{}"}'
    result = '{"type":"tool_result","call":"c","output":"\\u0000"}'
    messages = [
        *parts_of(call),
        *parts_of(result),
        BatchMessage(content="ü \U0001f600 \\u0041"),
        BatchMessage(content="x"),
    ]
    await storage.append_messages(W, sessions[7].id, NewMessages(messages))
    await storage.update_message(W, sessions[7].id, 3, MessagePatch(content="corrected"))
    await storage.delete_message(W, sessions[7].id, 4)
    # The same call, without its result.
    await storage.append_messages(W, sessions[8].id, NewMessages(parts_of(call)))
    await storage.update_session(W, sessions[8].id, SessionPatch(labels={"a": "b"}))
    await storage.fork_session(W, sessions[0].id, Fork(at_sequence=3))
    await storage.fail_session(W, sessions[0].id, Failure("It broke."))
    return sessions


@pytest.fixture(params=["to sqlite", "to postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "to sqlite":
        return f"sqlite:///{tmp_path}/copy.db"
    url: str = request.getfixturevalue("second_postgres")
    return url


@pytest.mark.usefixtures("filled")
def test_database_is_not_copied_to_itself(database: str, tmp_path: Path) -> None:
    same = [database]
    if database.startswith("sqlite"):
        for name, link in (("symbolic.db", Path.symlink_to), ("hard.db", Path.hardlink_to)):
            link(tmp_path / name, Path(database.removeprefix("sqlite:///")))
            same.append(f"sqlite:///{tmp_path}/{name}")
    else:
        same.append(f"postgres://{database.partition('://')[2]}")
    for each in same:
        refused = copy(database, each)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "--from and --to name the same database" in refused.stderr


async def test_copy_is_complete(storage: Storage, filled: list[Session], database: str, target: str) -> None:
    copied = await asyncio.to_thread(copy, database, target)
    assert copied.returncode == 0, copied.stderr
    assert copied.stdout.startswith("Both databases have the same 32 sessions with 2408 messages; ")
    assert copied.stdout.endswith("Of these sessions, 0 had been copied before.\n")
    # A progress bar needs a terminal.
    assert copied.stderr == ""
    async with open_storage(target) as other:
        assert await exported(other) == await exported(storage)
    checked = await asyncio.to_thread(run_amplifierd, "check", "--database", target)
    assert checked.returncode == 0, checked.stdout
    async with open_storage(target) as other:
        await other.delete_session(W, filled[3].id)
    again = await asyncio.to_thread(copy, database, target)
    assert "Of these sessions, 31 had been copied before." in again.stdout


async def test_differences_are_reported_and_kept(
    storage: Storage, filled: list[Session], database: str, target: str
) -> None:
    assert (await asyncio.to_thread(copy, database, target)).returncode == 0
    async with open_storage(target) as other:
        await other.update_session(W, filled[5].id, SessionPatch(name="changed"))
        await other.create_session(W, NewSession())
    refused = await asyncio.to_thread(copy, database, target)
    assert refused.returncode == 1
    assert f"Session {filled[5].id} differs between both databases" in refused.stderr
    async with open_storage(target) as other:
        assert (await other.get_session(W, filled[5].id)).name == "changed"
        await other.delete_session(W, filled[5].id)
    assert (await asyncio.to_thread(copy, database, target)).returncode == 0
    assert await storage.count_sessions(W) == 32


async def test_killed_copy_continues(storage: Storage, database: str, target: str) -> None:
    turn = NewMessages([BatchMessage(content="What is asked and what is answered.")] * 250)
    for _ in range(120):
        session = await storage.create_session(W, NewSession())
        await storage.append_messages(W, session.id, turn)
    # A part of the copy has four sessions: two pieces, and one that finds no more.
    await asyncio.to_thread(copy_some, database, target, 7)
    copied = await asyncio.to_thread(copy, database, target)
    assert copied.returncode == 0, copied.stderr
    assert copied.stdout.startswith("Both databases have the same 120 sessions with 30000 messages; ")
    summary = re.search(r"Of these sessions, (\d+) had been", copied.stdout)
    assert summary is not None, copied.stdout
    assert 8 <= int(summary[1]) < 120
    async with open_storage(target) as other:
        assert await exported(other) == await exported(storage)


async def test_session_with_a_wrong_count_is_refused(filled: list[Session], database: str, target: str) -> None:
    session_id = filled[7].id
    for counted in (2, 9):
        wrong = f"UPDATE session SET message_count = {counted} WHERE id = '{session_id}'"  # noqa: S608  # of the test
        await asyncio.to_thread(vandalise, database, wrong)
        refused = await asyncio.to_thread(copy, database, target)
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1] == (
            f"Error: The database is damaged: session {session_id} counts {counted} messages, and its last message is "
            "4. Run `amplifierd check --repair`, which corrects the count, and try again."
        )
        exported_alone = await asyncio.to_thread(run_amplifierd, "export", "--database", database)
        assert exported_alone.returncode == 1
        assert f"session {session_id} counts {counted} messages" in exported_alone.stderr
    await asyncio.to_thread(run_amplifierd, "check", "--repair", "--database", database)
    copied = await asyncio.to_thread(copy, database, target)
    assert copied.returncode == 0, copied.stderr
    assert copied.stdout.startswith("Both databases have the same 32 sessions with 2408 messages; ")


@pytest.mark.parametrize("changed", ["rest = '{bad'", "content = 'a\"b'", "timestamp = 'zz'"])
def test_damaged_record_is_named(tmp_path: Path, changed: str) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    with Daemon(database) as daemon, daemon.client() as client:
        session_id = client.post("/sessions").json()["id"]
        messages = [{"content": f"a{number}", "metadata": {"n": number}} for number in range(5)]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": messages}).raise_for_status()
    vandalise(database, f"UPDATE message_row SET {changed} WHERE rowid = 3")  # noqa: S608  # of the test
    refused = copy(database, f"sqlite:///{tmp_path}/copy.db")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"Error: The database is damaged: message 3 of session {session_id} can't be read. Run `amplifierd check` to "
        "see the extent, and restore a backup with `amplifierd restore`."
    )
    assert "Traceback" not in refused.stderr
    checked = run_amplifierd("check", "--database", database)
    assert checked.returncode == 1
    assert "has damaged content in message 3, which cannot be recovered." in checked.stdout


def test_copy_tells_that_references_lack_their_files(database: str, tmp_path: Path) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        files = [client.post("/files", content=content).json()["url"] for content in (b"lost", b"kept")]
        for url in files:
            session_id = client.post("/sessions").json()["id"]
            part = {"type": "file", "url": url, "media": "text/plain"}
            client.post(f"/sessions/{session_id}/messages", json={"parts": [part]}).raise_for_status()
    vandalise(database, f"DELETE FROM file WHERE id = '{files[0].rpartition('/')[2]}'")  # noqa: S608  # of the test
    copied = copy(database, f"sqlite:///{tmp_path}/copy.db")
    assert copied.returncode == 0, copied.stderr
    assert "The copy lacks the files of 1 reference in messages. `amplifierd check` " in copied.stderr
    assert run_amplifierd("check", "--repair", "--database", database).returncode == 0
    again = copy(database, f"sqlite:///{tmp_path}/again.db")
    assert (again.returncode, "lacks" in again.stderr) == (0, False), again.stderr
