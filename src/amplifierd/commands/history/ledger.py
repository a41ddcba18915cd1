"""Records the imported files, so that unchanged ones are not read again.

There is one file for each database and workspace, in the user's data directory on this machine: paths and inodes have
no meaning on another machine. An entry is valid only while its sessions are in the database: if one was deleted or
lost, the file is imported again.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from ...formats.history import Fault
from ..output import writing
from .sources import Source, Stamp

# Increase this when a format reads more than before, so that every file is read again.
VERSION = 3
# The number of a file's faults that later imports repeat.
MAX_FAULTS = 100


class Entry(msgspec.Struct, frozen=True):
    """What the last import of a file found: its sessions, each with the id of its last message, and its faults."""

    stamp: Stamp
    format: str
    sessions: dict[str, str | None]
    faults: list[Fault] = []


class _Ledger(msgspec.Struct):
    version: int = VERSION
    files: dict[str, Entry] = {}


class Ledger:
    """The entries of one database and workspace; `save` after each change."""

    def __init__(self, folder: Path | None, database: str, workspace: str) -> None:
        # The name reveals nothing about the database's address.
        name = hashlib.sha256(f"{database}\0{workspace}".encode()).hexdigest()[:32]
        self._path = None if folder is None else folder / f"{name}.json"
        self._files = {} if self._path is None else _load(self._path)
        self._is_changed = False
        self._by_last_message: dict[tuple[str, str], str] = {}

    def entry_of(self, source: Source, format_name: str | None) -> Entry | None:
        """The entry of a file that has not changed since; if a format is given, the entry must have it."""
        entry = self._files.get(str(source.path)) if source.path is not None else None
        if entry is None or entry.stamp != source.stamp or format_name not in {None, entry.format}:
            return None
        return entry

    def session_with(self, format_name: str, message_id: str) -> str | None:
        """The id of the imported session of a format whose last message has `message_id`; None without one."""
        if not self._by_last_message:
            self._by_last_message = {
                (entry.format, last): session_id
                for entry in self._files.values()
                for session_id, last in entry.sessions.items()
                if last is not None
            }
        return self._by_last_message.get((format_name, message_id))

    def record(self, source: Source, format_name: str, sessions: dict[str, str | None], faults: list[Fault]) -> None:
        """Record the import of a file; `save` writes the record to disk."""
        if source.path is not None and source.stamp is not None:
            self._files[str(source.path)] = Entry(source.stamp, format_name, sessions, faults[:MAX_FAULTS])
            self._is_changed = True
            self._by_last_message = {}

    def save(self) -> None:
        """Write the entries to disk. Raises `OSError`."""
        if self._is_changed and self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with writing(os.fspath(self._path)) as file:
                file.write(msgspec.json.encode(_Ledger(files=self._files)))
            self._is_changed = False


def _load(path: Path) -> dict[str, Entry]:
    try:
        ledger = msgspec.json.decode(path.read_bytes(), type=_Ledger)
    except (OSError, msgspec.DecodeError):
        # Without it every file is read again.
        return {}
    return ledger.files if ledger.version == VERSION else {}
