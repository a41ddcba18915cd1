"""The runs, in turns: every workload on every program in each round, in an order that no round shares."""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .data import Prepared
from .load import MOST_FOREIGN, Run, measure
from .processes import busy_seconds, cpu_seconds
from .programs import BenchmarkFailed
from .workloads import Workload

_LOOK_SECONDS = 0.2
# A share of one core: what event loops without a request do.
_IDLE = 0.05
_LONGEST_WAIT_SECONDS = 60

# The runs of one workload in one round, by the program's name.
Turn = Mapping[str, Run]
Turns = Mapping[str, Sequence[Turn]]


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Rounds that were not clean are played again, up to `most_rounds` in all: the machine may be busy all day. Before a
    run, other programs have `patience` seconds to let the machine go.
    """

    rounds: int
    most_rounds: int
    seconds: int
    patience: int


def play(workloads: Sequence[Workload], programs: Sequence[Prepared], plan: Plan, tell: Callable[[str], None]) -> Turns:
    """Play rounds until each workload has `plan.rounds` clean ones or `plan.most_rounds` in all."""
    turns: defaultdict[str, list[Turn]] = defaultdict(list)
    order = random.Random()  # noqa: S311  # nobody gains by guessing it
    for number in range(plan.most_rounds):
        wanting = [workload for workload in workloads if _wanting(turns[workload.name], plan)]
        if wanting:
            tell(f"round {number + 1}: {len(wanting)} workloads")
        for workload in order.sample(wanting, len(wanting)):
            turn = _turn(workload, order.sample(programs, len(programs)), plan)
            turns[workload.name].append(turn)
            tell(f"  {workload.name}: " + ", ".join(_said(name, run) for name, run in sorted(turn.items())))
    return turns


def clean(turn: Turn) -> bool:
    """Had no run of the turn to share the machine."""
    return all(run.clean for run in turn.values())


def _wanting(turns: Sequence[Turn], plan: Plan) -> bool:
    return sum(map(clean, turns)) < plan.rounds


def _turn(workload: Workload, programs: Sequence[Prepared], plan: Plan) -> Turn:
    servers = [server for program in programs for server in program.servers]
    turn = {}
    for program in programs:
        _wait_until_idle([server.pid for server in servers], plan.patience)
        turn[program.read.program.name] = measure(workload, program, servers, plan.seconds)
    return turn


def _wait_until_idle(pids: Sequence[int], patience: int) -> None:
    # What one program has left to do would be measured as another's slowness.
    started = time.monotonic()
    while time.monotonic() < started + _LONGEST_WAIT_SECONDS:
        servers, machine = sum(map(cpu_seconds, pids)), busy_seconds()
        time.sleep(_LOOK_SECONDS)
        if sum(map(cpu_seconds, pids)) - servers > _LOOK_SECONDS * _IDLE:
            continue
        if busy_seconds() - machine <= _LOOK_SECONDS * MOST_FOREIGN or time.monotonic() > started + patience:
            return
    raise BenchmarkFailed(f"The programs are not idle after {_LONGEST_WAIT_SECONDS} seconds without a request.")


def _said(name: str, run: Run) -> str:
    return f"{name} {run.rate:,.4g}/s" + ("" if run.clean else f" (foreign CPU {run.foreign:.0%})")
