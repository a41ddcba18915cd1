"""Runs the load generator against one program, and measures rate, latency, CPU and memory."""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .processes import busy_seconds, cpu_seconds, own_seconds, peak_mebibytes, reset_peak
from .programs import LOAD_CORE, BenchmarkFailed, Server

# The limit of CPU, as a share of one core, that other programs than the measured ones and the load generator use.
MAX_FOREIGN = 0.15

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Load:
    """One kind of request, from a number of concurrent clients on `cores`, which cycle through paths and bodies."""

    method: str
    paths: Sequence[str]
    bodies: Sequence[str] = ()
    clients: int = 16
    cores: str = LOAD_CORE


class Run(msgspec.Struct, frozen=True):
    """The result of one run of a workload; times in microseconds, memory in MiB."""

    rate: float
    p50: float
    p99: float
    cpu: float
    peak: float
    foreign: float
    refused: int

    @property
    def clean(self) -> bool:
        """Whether no other program used the machine."""
        return self.foreign <= MAX_FOREIGN


class _Outcome(msgspec.Struct):
    requests: int
    refused: int
    broken: int
    microseconds: int
    bytes: int
    mean: float
    p50: int
    p99: int


def measure(load: Load, server: Server, servers: Sequence[Server], seconds: int) -> Run:
    """Put `load` on a program for some seconds; only `servers` may use CPU during this time."""
    reset_peak(server.pid)
    before, foreign_before, started = cpu_seconds(server.pid), _foreign_seconds(servers), time.monotonic()
    outcome = _generate(load, server, seconds)
    cpu, elapsed = cpu_seconds(server.pid) - before, time.monotonic() - started
    foreign = (_foreign_seconds(servers) - foreign_before) / elapsed
    if outcome.broken:
        raise BenchmarkFailed(
            f"{server.program.name} broke {outcome.broken} connections under {load.method} {load.paths[0]}."
        )
    responses = outcome.requests - outcome.refused
    return Run(
        rate=_rate(load, outcome, responses),
        p50=outcome.p50,
        p99=outcome.p99,
        cpu=cpu * 1e6 / max(responses, 1),
        peak=peak_mebibytes(server.pid),
        foreign=max(foreign, 0.0),
        refused=outcome.refused,
    )


def _rate(load: Load, outcome: _Outcome, responses: int) -> float:
    if load.clients == 1 and not outcome.refused:
        # With three requests a second, the one that is cut off at the end would be a quarter of the rate.
        return 1e6 / outcome.mean
    return responses * 1e6 / outcome.microseconds


def _generate(load: Load, server: Server, seconds: int) -> _Outcome:
    with tempfile.TemporaryDirectory() as folder:
        command: list[Any] = [
            *("taskset", "--cpu-list", load.cores, "wrk", "--threads", 1, "--connections", load.clients),
            *("--duration", f"{seconds}s", "--timeout", "30s", "--script", _SCRIPT, server.url),
            *(
                "--",
                load.method,
                _save(folder, "paths", load.paths),
                _save(folder, "bodies", load.bodies),
            ),
        ]
        ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode != 0:
        raise BenchmarkFailed(f"The load generator ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return msgspec.json.decode(ended.stdout.splitlines()[-1], type=_Outcome)


def _save(folder: str, name: str, lines: Sequence[str]) -> Path:
    path = Path(folder, name)
    path.write_text("\n".join(lines))
    return path


def _foreign_seconds(servers: Sequence[Server]) -> float:
    return busy_seconds() - own_seconds() - sum(cpu_seconds(server.pid) for server in servers)
