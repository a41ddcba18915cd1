"""`python tests/faults/killed_import.py PIECES copy ...`: kills `amplifierd copy ...` after this number of pieces."""

import os
import runpy
import signal
import sys
from itertools import count
from typing import Any

from amplifierd.storage.operations.transfer import import_


def kill_after(pieces: int) -> None:
    """Kill the process in the piece after this number of pieces."""
    numbers, import_some = count(), import_.import_some

    async def counted(*arguments: Any) -> Any:
        if next(numbers) == pieces:
            os.kill(os.getpid(), signal.SIGKILL)
        return await import_some(*arguments)

    # The storage looks the function up by this name.
    import_.__dict__["import_some"] = counted


if __name__ == "__main__":
    kill_after(int(sys.argv.pop(1)))
    runpy.run_module("amplifierd", run_name="__main__")
