"""Temporary files of what is too long for memory, in the system's directory for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import StorageUnavailable


@contextmanager
def growing() -> Iterator[None]:
    """Raises `StorageUnavailable` where a temporary file takes no more: its disk may be full."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"a temporary file can't be written: {error}") from error
