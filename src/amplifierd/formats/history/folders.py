"""Joins the files of a folder that a format reads together into one source, with a line for each file.

A line is an object with the `file`'s path in the folder, and its JSON value as `record`, or with a fault in it.
"""

import io
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import PurePath
from typing import IO, Any, NamedTuple, cast

import msgspec

from .interface import Fault, FolderFormat, HistoryFormat
from .json_records import MAX_BYTES, decode, read_records

_encode = msgspec.json.Encoder().encode

OpenFile = Callable[[], AbstractContextManager[IO[bytes]]]


class FileRecord(NamedTuple):
    """The JSON value of a file, whose path is in the folder."""

    file: str
    value: Any


def folder_of(formats: Iterable[HistoryFormat], path: PurePath) -> tuple[FolderFormat, PurePath] | None:
    """The folder that a format reads as a whole and to which a file belongs; None for any other file."""
    for form in formats:
        if isinstance(form, FolderFormat) and (folder := form.folder_of(path)) is not None:
            return form, folder
    return None


def open_folder(form: FolderFormat, files: dict[str, OpenFile], replaced: Collection[str] = ()) -> IO[bytes]:
    """The files as one source, which can be rewound to its beginning. Reading it raises `OSError`.

    Files that `replaced` another file of the same path have a fault.
    """
    names = [*form.in_order(files)]
    return cast(IO[bytes], io.BufferedReader(_JoinedFiles(names, files, replaced)))


def read_files(source: IO[bytes]) -> Iterator[FileRecord | Fault]:
    """The values of the files of a source, in its order, and the faults of the others."""
    for record in read_records(source):
        if isinstance(record, Fault):
            yield record
            continue
        value = record.value
        file = f"{value.get('file')}"
        if "record" in value:
            yield FileRecord(file, value["record"])
        else:
            line = value.get("line")
            yield Fault(
                kind=f"{value.get('kind')}",
                line=line if isinstance(line, int) and line > 0 else 1,
                sentence=f"{value.get('sentence')}",
                file=file,
            )


class _JoinedFiles(io.RawIOBase):
    """Reads one file after another, each when its line is requested."""

    def __init__(self, names: list[str], files: dict[str, OpenFile], replaced: Collection[str]) -> None:
        super().__init__()
        self._names = names
        self._files = files
        self._replaced = replaced
        self._restart()

    def _restart(self) -> None:
        self._lines = (line for name in self._names for line in self._lines_of(name))
        self._left = memoryview(b"")
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """To its beginning."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to the beginning. Raises `OSError` for any other place."""
        if (offset, whence) != (0, 0):
            raise OSError(0, "a folder can be read only from its beginning")
        self._restart()
        return 0

    def tell(self) -> int:
        """The number of bytes that were read."""
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        """Read some bytes."""
        if not self._left:
            self._left = memoryview(next(self._lines, b""))
        with memoryview(buffer).cast("B") as target:
            size = min(len(target), len(self._left))
            target[:size] = self._left[:size]
        self._left = self._left[size:]
        self._place += size
        return size

    def _lines_of(self, name: str) -> Iterator[bytes]:
        # The name of a file may be any bytes.
        shown = name.encode(errors="surrogateescape").decode(errors="replace")
        if name in self._replaced:
            sentence = "Another file has the same path; the last one is read."
            yield _encode({"file": shown, **_fault("same path twice", sentence)}) + b"\n"
        for found in _values_of(self._files[name]):
            yield _encode({"file": shown, **found}) + b"\n"


def _values_of(opened: OpenFile) -> Iterator[dict[str, Any]]:
    try:
        with opened() as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        yield _fault("not readable", f"It cannot be read: {error.strerror or error}.")
        return
    if len(text) > MAX_BYTES:
        yield _fault("too large", f"The file has more than {MAX_BYTES} bytes, which is the limit.")
        return
    try:
        value, note = decode(text.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        yield _fault("not JSON", f"The file is not JSON: {error}.", getattr(error, "lineno", 1))
        return
    if note is not None:
        yield _fault("text replaced", note)
    yield {"record": value}


def _fault(kind: str, sentence: str, line: int = 1) -> dict[str, Any]:
    return {"kind": kind, "line": line, "sentence": sentence}
