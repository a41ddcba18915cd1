"""Checks that the machine can run the benchmark."""

import os
import shutil

from .programs import LOAD_CORE, SERVER_CORE, BenchmarkFailed


def check_machine() -> None:
    """Raises `BenchmarkFailed` if the load generator or a core is missing."""
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise BenchmarkFailed(f"`{program}` is not installed; Debian has it (apt-get install wrk util-linux).")
    if not {int(SERVER_CORE), int(LOAD_CORE)} <= os.sched_getaffinity(0):
        raise BenchmarkFailed("It takes two cores, 0 and 1: one for the program, one for the load generator.")
