"""Whether amplified directories can be made where they are to be, asked at the start and not at the first of them."""

import errno
import os
from pathlib import Path
from uuid import uuid4

# A daemon whose disk is full still serves what it has.
_PASSING = (errno.ENOSPC, errno.EDQUOT)


class DataPathUnusable(Exception):
    """No directory can be made below the data path; a sentence that says why and what to do."""


def check_data_path(path: Path) -> None:
    """Raises `DataPathUnusable` if no directory can be made below `path`; nothing of what is tried stays there."""
    try:
        refuse_unwritable(path.expanduser())
    except RuntimeError as error:
        raise _unusable(path, "there is no home directory") from error
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def refuse_unwritable(path: Path) -> None:
    """Raises `OSError` if `path`, or the first folder above it that is there, can't be written to."""
    folder = next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder))
    trial = folder / f".amplifierd-{uuid4().hex}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        if error.errno not in _PASSING:
            raise


def _unusable(path: Path, reason: str) -> DataPathUnusable:
    return DataPathUnusable(
        f"Directories can't be made below {path}: {reason}. Name another place with --data-path "
        "(AMPLIFIERD_DATA_PATH), or let this one be written to."
    )
