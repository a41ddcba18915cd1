"""What files still have of text that was deleted."""

import random
import string
import time
from pathlib import Path

DEADLINE_SECONDS = 60


def canary() -> str:
    """A word that nothing else has, in lower case, as the search index has it."""
    return "".join(random.choices(string.ascii_lowercase, k=24))  # noqa: S311  # it keeps no secret


def files_with(folder: Path, word: str) -> list[str]:
    """The names of the files below a folder that have most of a word.

    An index may keep the first letters of a word apart from the others, as those of the word before it.
    """
    sought = word[4:16].encode()
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and sought in _bytes(path))


def wait_until_gone(folder: Path, word: str) -> None:
    """Wait until no file below a folder has the word."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while files_with(folder, word):
        assert time.monotonic() < deadline, files_with(folder, word)
        time.sleep(0.1)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
