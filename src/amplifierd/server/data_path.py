"""Checks at the start that amplified directories can be created, instead of failing at the first one."""

import errno
import os
from pathlib import Path
from uuid import uuid4

# A daemon with a full disk can still serve reads.
_PASSING = (errno.ENOSPC, errno.EDQUOT)


class DataPathUnusable(Exception):
    """No directory can be created below the data path; the message says why and what to do."""


def check_data_path(path: Path) -> None:
    """Raises `DataPathUnusable` if no directory can be created below `path`; leaves nothing there."""
    try:
        refuse_unwritable(path.expanduser())
    except RuntimeError as error:
        raise _unusable(path, "there is no home directory") from error
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def refuse_unwritable(path: Path) -> None:
    """Raises `OSError` if `path`, or its nearest existing parent, is not writable."""
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
        f"Cannot create directories below {path}: {reason}. Choose another path with --data-path "
        "(AMPLIFIERD_DATA_PATH), or make this one writable."
    )
