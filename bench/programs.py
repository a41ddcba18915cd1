"""The measured programs, and a run of each on its own core."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

SERVER_CORE = "0"
LOAD_CORE = "1"
BOTH_CORES = "0,1"

# Without these, glibc returns the memory of a freed result of 100 KB to the system and requests it again for the next
# one, or does not, by chance (mallopt(3)): the limit took 160 to 700 us for the same transcript. amplifierd sets them
# itself.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "16777216"}

_START_SECONDS = 60
_STOP_SECONDS = 20

Arguments = list[str]


class BenchmarkFailed(Exception):
    """The benchmark cannot continue; the sentence says why and what to do."""


@dataclass(frozen=True)
class Program:
    """One program: the arguments to Python that serve a port from a database.

    BENCH_DATABASE in its environment is the database's path, or its `url` if it has one.
    """

    name: str
    arguments: Callable[[int, Path], Arguments]
    url: str | None = None


@dataclass(frozen=True)
class Server:
    """A running program."""

    program: Program
    pid: int
    port: int

    @property
    def url(self) -> str:
        """The URL on which it listens."""
        return f"http://127.0.0.1:{self.port}"


def amplifierd(*options: str) -> Program:
    """amplifierd, with more options of `amplifierd serve`."""

    def arguments(port: int, database: Path) -> Arguments:
        return [
            *("-m", "amplifierd", "serve", "--port", str(port)),
            *("--database", f"sqlite:///{database}", "--log-level", "warning", *options),
        ]

    return Program(" ".join(["amplifierd", *options]), arguments)


def baseline_on(url: str) -> Program:
    """The baseline on a PostgreSQL."""
    return Program("baseline on PostgreSQL", _baseline, url.replace("postgresql:", "postgresql+asyncpg:"))


def limit_on(url: str) -> Program:
    """The limit on a PostgreSQL."""
    return Program("limit on PostgreSQL", partial(_limit, module="postgres_limit"), url)


def _baseline(port: int, _database: Path) -> Arguments:
    return ["-m", "uvicorn", "bench.peers.baseline:app", "--port", str(port), *_QUIET]


def _limit(port: int, _database: Path, *, module: str = "limit") -> Arguments:
    # Everything optional that uvicorn adds to a response, or searches for in a request, is disabled.
    bare = ["--no-proxy-headers", "--no-server-header", "--interface", "asgi3", "--ws", "none"]
    return ["-m", "uvicorn", f"bench.peers.{module}:app", "--port", str(port), *_QUIET, *bare]


_QUIET = ["--no-access-log", "--log-level", "warning"]

OURS = amplifierd()
BASELINE = Program("baseline", _baseline)
LIMIT = Program("limit", _limit)
PROGRAMS = (OURS, BASELINE, LIMIT)


@contextmanager
def serve(program: Program, database: Path, *, cores: str = SERVER_CORE) -> Iterator[Server]:
    """`program` on its core and a free port, until the context ends."""
    port = free_port()
    log = database.with_suffix(".log")
    command = ["taskset", "--cpu-list", cores, sys.executable, *program.arguments(port, database)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMPLIFIERD_")}
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  # the commands are ours
            command,
            env=environment | _KEEP_MEMORY | {"BENCH_DATABASE": program.url or str(database)},
            stdout=file,
            stderr=file,
        )
    try:
        _wait_for_answer(program, process, port, log)
        yield Server(program, process.pid, port)
    finally:
        _stop(process)


def free_port() -> int:
    """A free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for_answer(program: Program, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        try:
            connection.request("GET", "/api/v1/sessions?limit=1")
            connection.getresponse().read()
        except ConnectionError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise BenchmarkFailed(f"The program {program.name} does not start; its log says:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
