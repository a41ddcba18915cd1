"""A daemon for tests, started as a user starts it, on a free port."""

import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from fork_server import ForkedProcess
from waits import until

# Each response that a daemon of this run sent and validated against the contract: operation, status, media type.
EXERCISED: set[tuple[str, str, str]] = set()
# Their key in pytest's cache, which lasts from one run to the next.
EXERCISED_AT = "amplifierd/exercised"

START_SECONDS = 120
STOP_SECONDS = 60
ANSWER_SECONDS = 120
# No test uses TLS, and loading the machine's certificates takes longer than most tests.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# How much of the log a failed test shows.
LAST_CHARACTERS = 4_000


def http_client(**options: Any) -> httpx.Client:
    """A client for daemons on this machine; it ignores configured proxies."""
    return httpx.Client(**{"timeout": ANSWER_SECONDS, **options}, verify=_NO_CERTIFICATES, trust_env=False)


def http_get(url: str, **options: Any) -> httpx.Response:
    """The response to a GET on a new connection."""
    with http_client() as client:
        return client.get(url, **options)


def http_post(url: str, **options: Any) -> httpx.Response:
    """The response to a POST on a new connection."""
    with http_client() as client:
        return client.post(url, **options)


class Daemon:
    """`amplifierd serve` in a process; `log` is what it has logged so far.

    It is started with a command, as a user starts it, if it has workers, if the command `within` runs it, or if `start`
    says so. Otherwise it is forked, which takes a third of the time.
    """

    def __init__(
        self,
        database: str,
        *options: str,
        check_responses: bool = True,
        within: Sequence[str] = (),
        start: Literal["fork", "command"] = "fork",
    ) -> None:
        checks = ["--check-responses", "--log-level", "debug"] if check_responses else []
        # The folder does not exist yet: nothing is created in it before a directory is amplified.
        self._folder = tempfile.TemporaryDirectory(prefix="amplifierd-")
        self.data_path = Path(self._folder.name, "data")
        places = ["--database", database, "--data-path", str(self.data_path)]
        arguments = ["serve", "--port", "0", *places, *checks, *options]
        self.database = database
        self._lines: list[str] = []
        self._listening = threading.Event()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AMPLIFIERD_")}
        self.process: subprocess.Popen[str] | ForkedProcess
        if start == "command" or within or _has_workers(options):
            command = [*within, sys.executable, "-m", "amplifierd", *arguments]
            self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        else:
            self.process = ForkedProcess(arguments, env=environment)
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self._listening.wait(START_SECONDS)
        address = re.search(r"listens on http://(\S+):(\d+)/", self.log)
        if address is None:
            self.kill()
            raise RuntimeError(f"The daemon did not start: {self.log}")
        self.host, self.port = address[1], int(address[2])
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/api/v1"

    @property
    def log(self) -> str:
        """What the daemon wrote to stderr."""
        return "".join(self._lines)

    def wait_for_log(self, words: str) -> None:
        """Wait until the log contains these words."""
        until(lambda: words in self.log, lambda: self.log)

    def client(self) -> httpx.Client:
        """A client whose relative URLs are paths of the contract."""
        return http_client(base_url=self.api)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the daemon to stop. Returns its exit code."""
        self.process.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the daemon and its workers at once, as a machine failure would."""
        for process in (self.process.pid, *self.workers):
            # The process may end by itself.
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.wait()

    @property
    def workers(self) -> list[int]:
        """The worker processes; none if the daemon serves itself."""
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except (FileNotFoundError, ProcessLookupError):
            # The process ended before its directory was opened, or after.
            return []
        return [int(child) for child in children.split() if _is_worker(child)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
        if error is not None:
            error.add_note(f"The daemon's log: {self.log[-LAST_CHARACTERS:]}")

    def wait(self) -> int:
        """Wait until the daemon has ended. Returns its exit code."""
        code = self.process.wait(STOP_SECONDS)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._folder.cleanup()
        return code

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)
            if checked := re.search(r"Checked response: (\w+) (\d+) ([\w/+*-]+)", line):
                EXERCISED.add((checked[1], checked[2], checked[3]))
            if "docs" in line:
                self._listening.set()
        self._listening.set()


def _has_workers(options: Sequence[str]) -> bool:
    return "--workers" in options and options[options.index("--workers") + 1] != "1"


def _is_worker(process: str) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
