"""Reads CPU time and memory of processes from the kernel, and the CPU time of the whole machine."""

import os
import resource
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process and its running children, in user and kernel mode."""
    # The name in parentheses may contain anything; only numbers follow the last parenthesis.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS + sum(map(_of_child, _children(pid)))


def _of_child(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        # It has ended since it was listed.
        return 0.0


def _children(pid: int) -> list[int]:
    return [child for thread in Path(f"/proc/{pid}/task").iterdir() for child in _children_of(thread)]


def _children_of(thread: Path) -> list[int]:
    try:
        return [int(child) for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        # It has ended since it was listed.
        return []


def busy_seconds() -> float:
    """The CPU time of the whole machine, all cores together, including time stolen by its host."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, hard, soft, stolen = map(int, fields[:8])
    return (user + nice + system + hard + soft + stolen) / _TICKS


def own_seconds() -> float:
    """The CPU time of this process and of its children that have ended: the load generators."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mebibytes(pid: int) -> float:
    """The peak resident memory of a process, since its start or since `reset_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def reset_peak(pid: int) -> None:
    """Reset the peak to the current resident memory (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def open_files(pid: int) -> int:
    """The number of open files and sockets of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
