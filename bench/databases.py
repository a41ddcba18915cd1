"""`python -m bench.databases`: compares SQLite, PostgreSQL and the baseline; writes bench/DATABASES.md.

AMPLIFIERD_TEST_POSTGRES names the PostgreSQL; `python tests/postgres.py` starts one for a command.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import median

import asyncpg

from amplifierd.storage import open_storage
from amplifierd.storage.model.records import BatchMessage, NewMessages, NewSession

from .data import NEW_MESSAGE, NEW_SESSION, SESSIONS, messages_of, post
from .figures import LEAST_CLEAN
from .load import Load, Run
from .machine import check_machine
from .programs import BOTH_CORES, BenchmarkFailed, Program, Server, amplifierd, baseline_on, limit_on, serve
from .report import log, machine, table
from .rounds import Contest, Entry, Plan, Turn, Turns, clean, play

_HERE = Path(__file__).parent
_PLAN = Plan(rounds=3, most_rounds=5, seconds=3, patience=0)
_CLIENTS = (1, 16, 64)
_SESSIONS = 1_000
_TRANSCRIPT = 50
_SQLITE, _POSTGRESQL, _TWO = "SQLite", "PostgreSQL", "PostgreSQL, two processes"
_BASELINE = "PostgreSQL, the baseline"
_LIMIT = "PostgreSQL, the limit"
_TIMES_BASELINE = 8
_OF_LIMIT = 0.8
# With 1 client the round trip dominates, with 64 the machine.
_CLIENTS_WITH_GOALS = 16
_CONTENT = "What is asked and what is answered. " * 8


@dataclass(frozen=True)
class _Data:
    """A server, and the sessions in it; the first has a transcript."""

    server: Server
    sessions: list[str]

    def loads(self, clients: int) -> dict[str, Load]:
        transcript = messages_of(self.sessions[0])
        return {
            "append": Load(
                "POST", [messages_of(session_id) for session_id in self.sessions[1:]], [NEW_MESSAGE], clients
            ),
            "get session": Load("GET", [f"{SESSIONS}/{session_id}" for session_id in self.sessions], clients=clients),
            "page of 50 sessions": Load("GET", [f"{SESSIONS}?limit=50"], clients=clients),
            "transcript of 50": Load("GET", [transcript], clients=clients),
        }


def main() -> int:
    """Measure. Returns 1 if that is impossible."""
    parser = argparse.ArgumentParser(prog="python -m bench.databases", description="Measure both databases.")
    parser.add_argument("--clients", type=int, help="only so many clients at once; nothing is written")
    clients: int | None = parser.parse_args().clients
    try:
        check_machine()
        url = os.environ.get("AMPLIFIERD_TEST_POSTGRES")
        if not url:
            raise BenchmarkFailed("AMPLIFIERD_TEST_POSTGRES names no PostgreSQL; run it by `python tests/postgres.py`.")
        _measure(url, _CLIENTS if clients is None else (clients,))
    except BenchmarkFailed as error:
        log(str(error))
        return 1
    return 0


def _measure(url: str, clients: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory(prefix=".data-", dir=_HERE) as folder:
        database = Path(folder) / "a.db"
        sessions = {
            name: asyncio.run(_fill(at)) for name, at in [(_SQLITE, f"sqlite:///{database}"), (_POSTGRESQL, url)]
        }
        with (
            serve(amplifierd(), database) as sqlite,
            serve(_on(url), Path(folder) / "b.db") as postgres,
            serve(_on(url, "--workers", "2"), Path(folder) / "c.db", cores=BOTH_CORES) as two,
            serve(baseline_on(url), Path(folder) / "d.db") as baseline,
            serve(limit_on(url), Path(folder) / "e.db") as limit,
        ):
            data = {
                _SQLITE: _Data(sqlite, sessions[_SQLITE]),
                _POSTGRESQL: _Data(postgres, sessions[_POSTGRESQL]),
                _TWO: _Data(two, sessions[_POSTGRESQL]),
                _BASELINE: _Data(baseline, _fill_server(baseline)),
                _LIMIT: _Data(limit, _fill_server(limit)),
            }
            # PostgreSQL's CPU time does not count as another program's.
            server = Server(
                Program("PostgreSQL", lambda _port, _database: []), asyncio.run(_first_process(url)), port=0
            )
            servers = [sqlite, postgres, two, baseline, limit, server]
            _tell(clients, play([*_contests(data, clients)], servers, _PLAN, log))


def _tell(clients: Sequence[int], turns: Turns) -> None:
    rows = [row for name, played in turns.items() for row in _rows(name, played)]
    text = table(("workload", "clients", "database", "requests/s", "p50 ms", "p99 ms", "CPU us/request"), sorted(rows))
    head = ("workload", "clients", "times the baseline", "goal", "of the limit", "goal", "clean rounds")
    ratios = table(head, sorted(_ratio(name, played) for name, played in turns.items()))
    sys.stdout.write(f"{ratios}\n\n{text}\n")
    if clients == _CLIENTS:
        (_HERE / "DATABASES.md").write_text(_REPORT.format(ratios=ratios, table=text, machine=machine()))


_REPORT = """# SQLite and PostgreSQL

Made by `python tests/postgres.py python -m bench.databases`: one amplifierd on core 0, the load generator on core 1,
PostgreSQL with its defaults (each commit synced) on both, so that it takes from either. Two processes are one
`amplifierd serve --workers 2` on both cores, which the load generator shares. The baseline is what a user would write
instead, in `bench/peers`, with SQLAlchemy and asyncpg, on core 0. The limit is a bare ASGI function on asyncpg, there
too, with one statement for each request, and nothing checked. Ratios are medians of those between programs of the same
round. Medians of three to five rounds in turns; CPU is the program's own. Appends go round over 999 sessions.

## Beside the baseline and the limit, on PostgreSQL

{ratios}

## Each database

{table}

## The machine

{machine}
"""


def _contests(data: dict[str, _Data], numbers: Sequence[int]) -> Iterator[Contest]:
    for clients in numbers:
        loads = {name: each.loads(clients) for name, each in data.items()}
        for workload in loads[_SQLITE]:
            entries = {name: Entry(data[name].server, repeat(loads[name][workload])) for name in data}
            yield Contest(f"{workload}/{clients:02}", entries)


def _rows(name: str, turns: Sequence[Turn]) -> Iterator[tuple[str, ...]]:
    workload, _, clients = name.partition("/")
    for database in (_SQLITE, _POSTGRESQL, _TWO, _BASELINE, _LIMIT):
        runs: list[Run] = [turn[database] for turn in turns]
        yield (
            workload,
            f"{int(clients):>2}",
            database,
            f"{median(run.rate for run in runs):,.0f}",
            f"{median(run.p50 for run in runs) / 1_000:.2f}",
            f"{median(run.p99 for run in runs) / 1_000:.2f}",
            f"{median(run.cpu for run in runs):,.0f}",
        )


def _ratio(name: str, turns: Sequence[Turn]) -> tuple[str, ...]:
    workload, _, clients = name.partition("/")
    counted = [turn for turn in turns if clean(turn)]
    has_goals = int(clients) == _CLIENTS_WITH_GOALS
    return (
        workload,
        f"{int(clients):>2}",
        _median_ratio(counted, _BASELINE, 1),
        str(_TIMES_BASELINE) if has_goals else "",
        _median_ratio(counted, _LIMIT, 2),
        str(_OF_LIMIT) if has_goals else "",
        f"{len(counted)} of {len(turns)}",
    )


def _median_ratio(turns: Sequence[Turn], other: str, digits: int) -> str:
    """The ratio of amplifierd's rate to another program's; a dash if too few rounds count."""
    if len(turns) < LEAST_CLEAN:
        return "-"
    return f"{median(turn[_POSTGRESQL].rate / turn[other].rate for turn in turns):.{digits}f}"


def _on(url: str, *options: str) -> Program:
    def arguments(port: int, _database: Path) -> list[str]:
        serve = ["-m", "amplifierd", "serve", "--port", str(port), "--database", url]
        return [*serve, "--log-level", "warning", *options]

    return Program("amplifierd on PostgreSQL", arguments)


async def _fill(url: str) -> list[str]:
    async with open_storage(url) as storage:
        new = NewSession()
        sessions = await asyncio.gather(*(storage.create_session("default", new) for _ in range(_SESSIONS)))
        turn = NewMessages([BatchMessage(content=_CONTENT)] * _TRANSCRIPT)
        await storage.append_messages("default", sessions[0].id, turn)
        return [session.id for session in sessions]


def _fill_server(server: Server) -> list[str]:
    sessions = post(server, SESSIONS, [NEW_SESSION] * _SESSIONS)
    post(server, messages_of(sessions[0]), [f'{{"content":"{_CONTENT}"}}'] * _TRANSCRIPT)
    return sessions


async def _first_process(url: str) -> int:
    """The id of PostgreSQL's first process, the parent of all others."""
    connection = await asyncpg.connect(url)
    try:
        pid: int = await connection.fetchval("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::INT")
    finally:
        await connection.close()
    return pid


if __name__ == "__main__":
    sys.exit(main())
