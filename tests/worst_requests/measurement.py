"""Measures other clients while some send expensive requests: how long they wait, and how much memory it takes."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from worst_requests.clients import API, Ask, Clients

CLIENTS = 8
# Memory is returned within this time: acknowledged messages are indexed first, which takes long on a busy machine.
SETTLING_SECONDS = 150
SOCKET_SECONDS = 120
# A server that is not idle by then has a defect.
IDLE_SECONDS = 120
# If the server gets a smaller share of a processor, the measurement is meaningless.
LEAST_SHARE = 0.05
_IDLE_INTERVAL_SECONDS = 0.3
_IDLE_TICKS = 3
_PAUSE_SECONDS = 0.02
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Share:
    """The measured values: milliseconds; MiB of memory before, at most and afterwards, and of temporary files at most.

    `slowness` is how many times longer everything took because other programs used the processors. `statuses` counts
    the responses to the expensive requests by status.
    """

    slowness: float
    health_median: float
    health_worst: float
    append_worst: float
    before: float
    peak: float
    after: float
    temporary: float
    statuses: dict[int, int]


class Server:
    """The measured daemon: its process and its port."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self._session = self._post("/sessions", b"{}")["id"]

    def health(self) -> float:
        """The milliseconds until the response to `GET /health` on a new connection."""
        began = time.perf_counter()
        self._get("/health")
        return (time.perf_counter() - began) * 1e3

    def append(self) -> float:
        """The milliseconds until a message is appended."""
        began = time.perf_counter()
        self._post(f"/sessions/{self._session}/messages", b'{"content":"x"}')
        return (time.perf_counter() - began) * 1e3

    def memory(self, field: str = "VmRSS") -> float:
        """The memory in MiB: now (`VmRSS`), or its peak since the last reset (`VmHWM`)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024

    def wait_until_idle(self) -> None:
        """Wait until the server has finished the abandoned requests of earlier clients."""
        ends = time.monotonic() + IDLE_SECONDS
        # On a busy machine, a server that still indexes may get so little CPU that it seems idle.
        while self._waiting() and time.monotonic() < ends:
            time.sleep(_IDLE_INTERVAL_SECONDS)
        ends = time.monotonic() + IDLE_SECONDS
        used = self._cpu_ticks()
        while True:
            time.sleep(_IDLE_INTERVAL_SECONDS)
            before, used = used, self._cpu_ticks()
            if used - before <= _IDLE_TICKS:
                return
            assert time.monotonic() < ends, "The server does not become idle."

    def _waiting(self) -> int:
        """The number of messages that are not indexed yet, or have no vector; 1 if the server does not know."""
        index: dict[str, int] = json.loads(self._get("/status")).get("searchIndex", {})
        return index.get("waitingMessages", 1) + index.get("waitingVectors", 0)

    def _cpu_ticks(self) -> int:
        """The CPU time of the process in hundredths of a second (proc(5), stat)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def reset_peak(self) -> None:
        """Reset the peak to the current memory (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def temporary(self) -> float:
        """The size in MiB of the open files without a name."""
        return sum(_size_without_name(file) for file in Path(f"/proc/{self.pid}/fd").iterdir()) / _MEBIBYTE

    def _get(self, path: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SOCKET_SECONDS)
        connection.request("GET", f"{API}{path}")
        text = connection.getresponse().read()
        connection.close()
        return text

    def _post(self, path: str, body: bytes) -> dict[str, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SOCKET_SECONDS)
        connection.request("POST", f"{API}{path}", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status != 201:
            raise AssertionError(f"An append was refused: {response.status} {text.decode()}")
        posted: dict[str, str] = json.loads(text)
        return posted


class OtherPrograms:
    """All programs except these processes and their descendants, measured from now on."""

    def __init__(self, *processes: int) -> None:
        self._processes = processes
        self._began = time.monotonic()
        self._used = self._ticks()

    def slowness(self) -> float:
        """How many times longer a thread took because these programs used the processors; 1 if one was free."""
        processors = (self._ticks() - self._used) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - self._began)
        left = len(os.sched_getaffinity(0)) - processors
        return 1 / min(1, max(left, LEAST_SHARE))

    def _ticks(self) -> int:
        """The CPU time of all programs (proc(5), /proc/stat) except the given processes."""
        user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
        return user + nice + system + irq + softirq + steal - _ticks_of_trees(self._processes)


def _ticks_of_trees(roots: Iterable[int]) -> int:
    """The CPU time of processes and their descendants (proc(5), /proc/PID/stat)."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end meanwhile.
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            children[int(fields[1])].append(int(folder.name))
            ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    found, waiting = set[int](), [*roots]
    while waiting:
        process = waiting.pop()
        if process not in found:
            found.add(process)
            waiting += children[process]
    return sum(ticks.get(process, 0) for process in found)


def measure(server: Server, asks: list[Ask], seconds: float, kept_mib: float) -> Share:
    """Run a client for each of `asks` for some seconds, and measure other clients meanwhile.

    Afterwards, waits until the server keeps at most `kept_mib` more memory than before.
    """
    before = server.memory()
    server.reset_peak()
    health: list[float] = []
    appends: list[float] = []
    temporary = 0.0
    with Clients(server.port, asks) as clients:
        others = OtherPrograms(server.pid, clients.pid, os.getpid())
        ends = time.monotonic() + seconds
        while time.monotonic() < ends or not health:
            health.append(server.health())
            appends.append(server.append())
            temporary = max(temporary, server.temporary())
            # Other clients send requests now and then, not without a pause.
            time.sleep(_PAUSE_SECONDS)
        slowness = others.slowness()
    peak, after = server.memory("VmHWM"), _settled(server, before + kept_mib)
    server.wait_until_idle()
    return Share(
        slowness=slowness,
        health_median=median(health),
        health_worst=max(health),
        append_worst=max(appends),
        before=before,
        peak=peak,
        after=after,
        temporary=temporary,
        statuses=clients.statuses,
    )


def _settled(server: Server, most: float) -> float:
    """The server's memory, once it is at most `most`, or after SETTLING_SECONDS."""
    ends = time.monotonic() + SETTLING_SECONDS
    while (after := server.memory()) > most and time.monotonic() < ends:
        time.sleep(0.2)
    return after


def _size_without_name(file: Path) -> int:
    try:
        return file.stat().st_size if str(file.readlink()).endswith("(deleted)") else 0
    except FileNotFoundError:
        return 0
