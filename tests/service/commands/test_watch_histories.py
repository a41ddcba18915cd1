"""`amplifierd import --watch` imports what other tools write, while they write it."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from amplifierd.formats.history.values import session_id_of
from daemon import Daemon, http_get
from fork_server import ForkedProcess, run_amplifierd
from samples.histories import code_line, lines, user
from samples.opencode_database import TIME, add_message, fill_opencode, opencode_files, write_files
from waits import SECONDS, until


class Watch:
    """`amplifierd import --watch` in a process; `output` has its output so far."""

    def __init__(self, database: str, data: Path, *paths: Path) -> None:
        arguments = ["import", "--watch", "--database", database, *map(str, paths)]
        self._process = ForkedProcess(arguments, env=os.environ | {"XDG_DATA_HOME": str(data)})
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stderr:
            self._lines.extend(iter(stderr.readline, ""))

    @property
    def output(self) -> str:
        """The output so far."""
        return "".join(self._lines)

    def wait_for_output(self, words: str) -> None:
        """Wait until the output contains these words."""
        until(lambda: words in self.output, lambda: self.output)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal. Returns the exit status."""
        self._process.send_signal(number)
        status = self._process.wait(SECONDS)
        self._reader.join()
        return status

    def close(self) -> None:
        """End the process unless it has ended."""
        self._process.kill()
        self._process.wait(SECONDS)
        self._reader.join()


def session_of(name: str) -> str:
    """The id of a session that only this test uses."""
    return str(uuid5(NAMESPACE_URL, name))


def said_in(session: str, *texts: str) -> bytes:
    """A transcript of Claude Code with these texts."""
    keys = [None, *(f"{session}-{number}" for number in range(len(texts)))]
    found = [
        code_line(key, before, user(text), sessionId=session)
        for before, key, text in zip(keys, keys[1:], texts, strict=False)
        if key is not None
    ]
    return lines(*found)


@pytest.fixture
def session(request: pytest.FixtureRequest) -> str:
    return session_of(request.node.name)


@pytest.fixture
def contents(daemon: Daemon) -> Callable[[str], list[str]]:
    """The current texts of a session's messages."""

    def read(session: str) -> list[str]:
        response = http_get(f"{daemon.api}/sessions/{session}/messages")
        return [message["content"] for message in response.json()["messages"]] if response.status_code == 200 else []

    return read


Contents = Callable[[str], list[str]]
Start = Callable[..., Watch]


@pytest.fixture
def start(daemon: Daemon, tmp_path: Path) -> Iterator[Start]:
    """Start to watch paths, and wait until the existing files are imported."""
    with ExitStack() as close:

        def started(*paths: Path) -> Watch:
            watch = Watch(daemon.database, tmp_path / "data", *paths)
            close.callback(watch.close)
            watch.wait_for_output("Watching ")
            return watch

        yield started


def test_watch_imports_complete_lines(tmp_path: Path, start: Start, contents: Contents, session: str) -> None:
    file = tmp_path / "projects" / "a" / "b.jsonl"
    file.parent.mkdir(parents=True)
    whole = said_in(session, "one", "two", "three")
    two = len(said_in(session, "one", "two"))
    file.write_bytes(whole[: two - 20])
    watch = start(tmp_path / "projects")
    assert contents(session) == ["one"]
    with file.open("ab") as opened:
        opened.write(whole[two - 20 : two + 20])
        opened.flush()
        until(lambda: contents(session) == ["one", "two"], lambda: watch.output)
        opened.write(whole[two + 20 :])
    until(lambda: contents(session) == ["one", "two", "three"], lambda: watch.output)
    assert (watch.stop(), "Not understood" in watch.output) == (0, False), watch.output
    assert "Imported 1 session, extended 2, with 3 messages in all." in watch.output


def test_watch_waits_for_directories(tmp_path: Path, start: Start, contents: Contents, session: str) -> None:
    folder, file = tmp_path / "later", tmp_path / "named.jsonl"
    watch = start(folder, file)
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(said_in(session, "one"))
    until(lambda: contents(session) == ["one"], lambda: watch.output)
    folder.rename(tmp_path / "earlier")
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(said_in(session, "one", "two"))
    until(lambda: contents(session) == ["one", "two"], lambda: watch.output)
    (folder / "a.jsonl").write_bytes(said_in(session, "one", "two", "three"))
    until(lambda: contents(session) == ["one", "two", "three"], lambda: watch.output)
    other = session_of(f"{session}-named")
    file.write_bytes(said_in(other, "four"))
    until(lambda: contents(other) == ["four"], lambda: watch.output)
    assert watch.stop(signal.SIGINT) == 0, watch.output


def test_watch_continues_after_faults(tmp_path: Path, start: Start, contents: Contents, session: str) -> None:
    folder = tmp_path / "projects"
    folder.mkdir()
    (folder / "a.zip").write_bytes(b"PK\x03\x04 cut")
    broken = said_in(session, "one") + b"{broken\n"
    (folder / "b.jsonl").write_bytes(broken)
    watch = start(folder)
    assert contents(session) == ["one"]
    (folder / "c.jsonl").write_bytes(said_in(other := session_of(f"{session}-c"), "two"))
    until(lambda: contents(other) == ["two"], lambda: watch.output)
    assert watch.stop() == 1
    assert f"{folder}/b.jsonl:2: The record is not JSON" in watch.output
    assert f"{folder}/a.zip:1: It cannot be read: the archive cannot be unpacked" in watch.output


def test_watch_forgets_a_fixed_fault(tmp_path: Path, start: Start, contents: Contents, session: str) -> None:
    file = tmp_path / "projects" / "a.jsonl"
    file.parent.mkdir()
    file.write_bytes(said_in(session, "one") + b"{broken\n")
    watch = start(file.parent)
    file.write_bytes(said_in(session, "one", "two"))
    until(lambda: contents(session) == ["one", "two"], lambda: watch.output)
    assert (watch.stop(), "Not understood" in watch.output) == (0, False), watch.output


def test_watch_takes_many_files_at_once(tmp_path: Path, start: Start, contents: Contents, session: str) -> None:
    folder, other = tmp_path / "projects", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    watch = start(folder)
    found = [session_of(f"{session}-{number}") for number in range(300)]
    for number, each in enumerate(found):
        (other / f"{number}.jsonl").write_bytes(said_in(each, "one"))
    # The system reports no events for the files in it.
    other.rename(folder / "moved")
    until(lambda: all(map(contents, reversed(found))), lambda: watch.output)
    assert watch.stop() == 0
    assert "Imported 300 sessions, extended 0, with 300 messages in all" in watch.output


def test_watch_reads_an_open_database(tmp_path: Path, start: Start, contents: Contents, session: str) -> None:
    path = tmp_path / "opencode" / "opencode.db"
    path.parent.mkdir()
    with closing(fill_opencode(path, journal="wal")) as database:
        # The id of the session is derived from the source's id, which is unique to the test.
        for table in ("message", "part"):
            database.execute(f"UPDATE {table} SET session_id = ? WHERE session_id = 'ses_1'", (session,))  # noqa: S608
        database.execute("UPDATE session SET id = ? WHERE id = 'ses_1'", (session,))
        watch = start(path.parent)
        assert contents(session) == ["What is in a.txt?", "One.", ""]
        add_message(database, 5, {"role": "user"}, {"type": "text", "text": "And b.txt?"}, session=session)
        until(lambda: contents(session)[3:] == ["And b.txt?"], lambda: watch.output)
        assert watch.stop() == 0, watch.output


def test_watch_reads_files_together(tmp_path: Path, start: Start, contents: Contents, session: str) -> None:
    folder, key = tmp_path / "opencode" / "storage", f"ses_{session}"
    own = json.loads(json.dumps(opencode_files()).replace("ses_1", key).replace("ses_2", f"{key}-2"))
    write_files(folder, own)
    imported = session_id_of("opencode", key)
    watch = start(folder.parent)
    assert contents(imported) == ["What is in a.txt?", "One.", ""]
    write_files(folder, {"part/msg_4/prt_1.json": {"type": "text", "text": "And b.txt?"}})
    write_files(folder, {f"message/{key}/msg_4.json": {"role": "user", "time": {"created": TIME}}})
    until(lambda: contents(imported)[3:] == ["And b.txt?"], lambda: watch.output)
    assert watch.stop() == 0, watch.output


@pytest.mark.parametrize("arguments", [["-"], ["--format", "amplifierd", "a"], ["--format", "other", "a"]], ids=str)
def test_watch_refuses_unsupported_paths(arguments: list[str], daemon: Daemon) -> None:
    outcome = run_amplifierd("import", "--watch", "--database", daemon.database, *arguments)
    assert (outcome.returncode, outcome.stderr[:7]) == (1, "Error: ")
