"""A server, or its database, that is killed at random moments under sixteen clients: nothing acknowledged is lost.

`--torture-rounds 100` is the long form; `make torture` runs it.
"""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random

import apsw
import pytest

from amplifierd.storage.sql.statements.integrity import parts
from daemon import Daemon
from faults.torture import Torture
from postgres import PostgresServer

SEED = 20251121
BUSY_TIMEOUT_MS = 30_000
# Forks and deletions take several transactions, and can be killed between two.
SMALL_PIECES = [sys.executable, str(Path(__file__).parents[2] / "faults/small_pieces.py")]


def served(database: str, workers: int = 1) -> Daemon:
    return Daemon(database, "--workers", str(workers), check_responses=False, within=SMALL_PIECES)


def check_integrity(path: Path) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        # Workers may be about to open the database.
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        # The search index checks its own integrity with this statement.
        assert connection.pragma("integrity_check") == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute(parts("session_number")).fetchall() == []


def begin_to_start(database: str, random: Random) -> None:
    """Start a daemon, and kill it while it may be opening or recovering the database."""
    command = [sys.executable, "-m", "amplifierd", "serve", "--port", "0", "--database", database]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        time.sleep(random.uniform(0.2, 1.0))
        process.kill()


def print_figures(config: pytest.Config, database: str, torture: Torture) -> None:
    config.get_terminal_writer().line(f"{database}: {torture.figures}.")


@pytest.mark.timeout(0)
def test_sqlite_keeps_acknowledged_writes(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    path = tmp_path / "a.db"
    torture, random = Torture(SEED), Random(SEED)  # noqa: S311  # no secret
    for number in range(pytestconfig.getoption("--torture-rounds")):
        with Daemon(
            f"sqlite:///{path}", "--workers", str(1 + number % 2), check_responses=False, within=SMALL_PIECES
        ) as daemon:
            check_integrity(path)
            torture.check(daemon.api)
            torture.round(daemon.api, daemon.kill)
            torture.figures.kills += 1
        if number % 3 == 2:
            begin_to_start(f"sqlite:///{path}", random)
            torture.figures.kills += 1
    with served(f"sqlite:///{path}") as daemon:
        check_integrity(path)
        torture.check(daemon.api)
        torture.check_shared(daemon.api)
    print_figures(pytestconfig, "SQLite", torture)


@pytest.mark.timeout(0)
def test_postgresql_keeps_acknowledged_writes(pytestconfig: pytest.Config) -> None:
    torture = Torture(SEED)
    with PostgresServer("max_connections=300") as server:
        for number in range(pytestconfig.getoption("--torture-rounds")):
            with Daemon(
                server.url(), "--workers", str(1 + number % 2), check_responses=False, within=SMALL_PIECES
            ) as daemon:
                torture.check(daemon.api)
                torture.round(daemon.api, [daemon.kill, server.kill, server.crash][number % 3])
                torture.figures.kills += 1
                if daemon.process.poll() is None:
                    server.start()
                    torture.check(daemon.api)
                    daemon.kill()
                    torture.figures.kills += 1
            server.check()
        with served(server.url()) as daemon:
            torture.check(daemon.api)
            torture.check_shared(daemon.api)
    print_figures(pytestconfig, "PostgreSQL", torture)
