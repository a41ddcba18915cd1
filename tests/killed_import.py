"""`python tests/killed_import.py PIECES python -m amplifierd ...`: the program, killed when it has imported these."""

import os
import runpy
import signal
import sys
from collections.abc import Iterator

from amplifierd.storage.model.records import OnConflict
from amplifierd.storage.operations.transfer import import_
from amplifierd.storage.operations.transfer.import_staging import ImportStaging
from amplifierd.storage.operations.unit_of_work import UnitOfWork

_import_some = import_.import_some


def kill_after(pieces: Iterator[int]) -> None:
    """End the process as a failing machine would, in the piece after these."""

    async def import_some(
        work: UnitOfWork, upload: ImportStaging, on_conflict: OnConflict, before: import_.Progress
    ) -> import_.Progress | None:
        if next(pieces, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return await _import_some(work, upload, on_conflict, before)

    # The storage calls it by this name.
    import_.import_some = import_some


if __name__ == "__main__":
    _, count, _, _, module, *sys.argv[1:] = sys.argv
    kill_after(iter(range(int(count))))
    runpy.run_module(module, run_name="__main__")
