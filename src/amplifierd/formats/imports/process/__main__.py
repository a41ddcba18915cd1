"""The process: `python -m amplifierd.formats.imports.process TASK CONTRACT`.

TASK is a `Task` in JSON, CONTRACT the file descriptor of the contract in JSON.
"""

import gc
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from ....storage.model.errors import StorageUnavailable
from .protocol import (
    COPIES,
    DONE,
    FAILED,
    NO_ROOM,
    TOO_LARGE,
    UNREADABLE,
    Channel,
    Failure,
    HistoryTooLarge,
    HistoryUnreadable,
    Task,
    too_much,
)

# Other requests come first.
_NICENESS = 10
# If the machine has no memory left, this process is ended, and not the daemon (proc(5), oom_score_adj).
_OOM_SCORE = b"1000"


def main() -> None:
    """Convert the file that the task names."""
    task = msgspec.json.decode(sys.argv[1], type=Task)
    channel = Channel(sys.stdin.buffer, sys.stdout.buffer)
    _limit(task)
    failure = _run(task, int(sys.argv[2]), channel)
    if failure is None:
        channel.send(DONE)
    else:
        channel.send(FAILED, failure)
    # The parent may be gone.
    with suppress(OSError):
        channel.close()


def _run(task: Task, contract: int, channel: Channel) -> Failure | None:
    try:
        # Within the limits.
        from ....contract import decode_document
        from .reading import read_file

        with os.fdopen(contract, "rb") as text:
            document = decode_document(text.read())
        gc.freeze()
        os.lseek(task.file, 0, os.SEEK_SET)
        with os.fdopen(task.file, "rb") as file:
            read_file(task, document, file, channel)
    except HistoryUnreadable as error:
        return Failure(UNREADABLE, f"{error}")
    except HistoryTooLarge as error:
        return Failure(TOO_LARGE, f"{error}")
    except StorageUnavailable as error:
        return Failure(NO_ROOM, error.reason)
    except MemoryError:
        return Failure(UNREADABLE, too_much(f"{task.memory_bytes} bytes of memory"))
    return None


def _limit(task: Task) -> None:
    os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_OOM_SCORE)
    # The soft limit sends SIGXCPU, the hard one SIGKILL. The members of an archive may raise the soft limit later.
    cpu = task.cpu_seconds_for(os.fstat(task.file).st_size)
    most_cpu = max(cpu, task.cpu_seconds_for(task.max_file))
    for kind, most, hard in (
        (resource.RLIMIT_CPU, cpu, most_cpu + 1),
        (resource.RLIMIT_AS, task.memory_bytes, task.memory_bytes),
        # For SQLite's own temporary files; others are counted as they grow.
        (resource.RLIMIT_FSIZE, COPIES * task.max_file, COPIES * task.max_file),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        # A lower limit stays.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, hard))


if __name__ == "__main__":
    main()
