"""Runs every workload on every program in each round, in a different order in each round."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .load import MAX_FOREIGN, Load, Run, measure
from .processes import busy_seconds, cpu_seconds
from .programs import BenchmarkFailed, Server

_LOOK_SECONDS = 0.2
# The share of one core that idle event loops use.
_IDLE = 0.05
_MAX_WAIT_SECONDS = 60

# The runs of one contest in one round, by the entry's name.
Turn = Mapping[str, Run]
Turns = Mapping[str, Sequence[Turn]]


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Rounds that were not clean are repeated, up to `most_rounds` in total, because the machine may always be busy.
    Before a run, other programs have `patience` seconds to become idle.
    """

    rounds: int
    most_rounds: int
    seconds: int
    patience: int


@dataclass(frozen=True)
class Entry:
    """An entry in a contest: a server, and a load for each of its runs."""

    server: Server
    loads: Iterator[Load]


@dataclass(frozen=True)
class Contest:
    """Entries by name that are compared with each other."""

    name: str
    entries: Mapping[str, Entry]


def play(contests: Sequence[Contest], servers: Sequence[Server], plan: Plan, log: Callable[[str], None]) -> Turns:
    """Play rounds until each contest has `plan.rounds` clean ones or `plan.most_rounds` in all.

    `servers` are all servers that run at the same time.
    """
    turns: defaultdict[str, list[Turn]] = defaultdict(list)
    order = random.Random()  # noqa: S311  # nobody gains by guessing it
    for number in range(plan.most_rounds):
        wanting = [contest for contest in contests if _needs_rounds(turns[contest.name], plan)]
        if wanting:
            log(f"round {number + 1}: {len(wanting)} workloads")
        for contest in order.sample(wanting, len(wanting)):
            turn = _turn(order.sample(sorted(contest.entries.items()), len(contest.entries)), servers, plan)
            turns[contest.name].append(turn)
            log(f"  {contest.name}: " + ", ".join(_summary(name, run) for name, run in sorted(turn.items())))
    return turns


def clean(turn: Turn) -> bool:
    """Whether no other program used the machine in any run of the turn."""
    return all(run.clean for run in turn.values())


def _needs_rounds(turns: Sequence[Turn], plan: Plan) -> bool:
    return sum(map(clean, turns)) < plan.rounds


def _turn(entries: Sequence[tuple[str, Entry]], servers: Sequence[Server], plan: Plan) -> Turn:
    turn = {}
    for name, entry in entries:
        _wait_until_idle([server.pid for server in servers], plan.patience)
        turn[name] = measure(next(entry.loads), entry.server, servers, plan.seconds)
    return turn


def _wait_until_idle(pids: Sequence[int], patience: int) -> None:
    # Remaining work of one program would slow another one during the measurement.
    started = time.monotonic()
    while time.monotonic() < started + _MAX_WAIT_SECONDS:
        servers, machine = sum(map(cpu_seconds, pids)), busy_seconds()
        time.sleep(_LOOK_SECONDS)
        if sum(map(cpu_seconds, pids)) - servers > _LOOK_SECONDS * _IDLE:
            continue
        if busy_seconds() - machine <= _LOOK_SECONDS * MAX_FOREIGN or time.monotonic() > started + patience:
            return
    raise BenchmarkFailed(f"The programs are not idle after {_MAX_WAIT_SECONDS} seconds without a request.")


def _summary(name: str, run: Run) -> str:
    return f"{name} {run.rate:,.4g}/s" + ("" if run.clean else f" (foreign CPU {run.foreign:.0%})")
