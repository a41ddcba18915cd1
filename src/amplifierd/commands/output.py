"""Output of commands: files that appear only when they are complete, and standard streams that may be closed."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import click

from ..storage.values.quantities import quantity

STANDARD = "-"


@contextmanager
def steps_bar(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error, if it is a terminal. Yields a function of the new steps."""
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error, if it is a terminal. Yields a function of the done and the total amount.

    Without an error the bar ends at 100 %, even if less than the total was done.
    """
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=hidden) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield show
        bar.update((bar.length or 0) - bar.pos)


class SkippedRecords:
    """The damaged records that a command has left out, each as a sentence."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}

    def tell(self, sentence: str) -> None:
        """Keep a sentence, once."""
        self._sentences[sentence] = None

    def report(self) -> bool:
        """Print the sentences on standard error; whether there are any."""
        for sentence in self._sentences:
            click.echo(sentence, err=True)
        if self._sentences:
            click.echo(f"Skipped {quantity(len(self._sentences), 'damaged record')}; a backup may have more.", err=True)
        return bool(self._sentences)


@contextmanager
def writing(path: str) -> Iterator[IO[bytes]]:
    """Open the file at `path` for writing, or standard output for `-`; its content is on disk at the end.

    A regular file is replaced only when the new one is complete, and is readable only by its owner. Anything else
    with that name, such as a device, is written to directly. Raises `OSError`.
    """
    if path == STANDARD:
        with open(sys.stdout.fileno(), "wb", closefd=False) as file:
            yield file
            _sync(file)
    elif _is_regular(Path(path)):
        with _replace(Path(os.path.realpath(path))) as file:
            yield file
    else:
        with Path(path).open("wb") as file:
            yield file


def _is_regular(path: Path) -> bool:
    return not path.exists() or path.is_file()


@contextmanager
def _replace(target: Path) -> Iterator[IO[bytes]]:
    # Only the owner can read a temporary file, whatever the mode of the file that it replaces.
    with NamedTemporaryFile(dir=target.parent, prefix=".amplifierd-", suffix=".part", delete=False) as part:
        try:
            yield part.file
            _sync(part.file)
            Path(part.name).replace(target)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        os.fsync(file.fileno())


def open_closed_streams() -> None:
    """Open a file for each closed standard stream, so that no database gets its number and is overwritten.

    Writing to a closed standard output then fails; a caller that closes standard error wants no messages.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # `open` takes the lowest free number, which is this one.
            os.set_inheritable(os.open(os.devnull, mode), True)
    sys.stdin = sys.stdin or open(0, closefd=False, encoding="utf-8")  # noqa: SIM115  # it stays open
    sys.stdout = sys.stdout or open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115


def discard_standard_output() -> None:
    """Discard unwritten output: the interpreter would flush it again at exit, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
