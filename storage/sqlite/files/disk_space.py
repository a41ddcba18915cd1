"""Whether the disk of a database takes more, asked with a file that is gone before it gets there."""

from pathlib import Path
from tempfile import TemporaryFile

from ...model.errors import StorageUnavailable

# As much as the log of some small writes.
TRIAL_BYTES = 64 * 1024


def check_room(path: Path) -> None:
    """Raises `StorageUnavailable` if no file can be made beside the database, or it can't grow.

    A file system keeps the space for what it is given at once, and never writes what was deleted by then.
    """
    try:
        with TemporaryFile(dir=path.parent, prefix=".amplifierd-") as file:
            file.write(bytes(TRIAL_BYTES))
    except OSError as error:
        raise StorageUnavailable(f"its disk takes no writes: {error.strerror}") from error
