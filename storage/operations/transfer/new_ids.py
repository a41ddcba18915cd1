"""The new ids of an import: which of its sessions get one, so that its forks follow their parents.

Which they are is found out before the first is written, for a fork may come before its parent, and is kept in a
temporary file: an import is of any length. A new id follows from the import and the old id, so that an import that goes
on where it was cut off gives the same ones.
"""

import hashlib
import struct
from contextlib import suppress
from tempfile import TemporaryFile
from uuid import UUID

from ...model.records import Session
from ...sql.temporary_files import spool_errors
from ...values.uuid7 import derived_session_id

# An old id, its new one, its session's place in the import, and whether the session was written with the new id before.
_RECORD = struct.Struct(">16s16sQ?")


class Renames:
    """Old ids with their new ones, added in the order of the old; `seed` is the import's, or of each try to do it."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._file = TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._count = 0
        self._written = 0

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):
            self._file.close()

    def new_id(self, session: Session) -> str:
        """The id that a session of the import gets if its own is there already."""
        digest = hashlib.sha256(f"{self._seed}\0{session.id}".encode()).digest()
        return derived_session_id(session.created_at, int.from_bytes(digest[:8]))

    def add(self, session: Session, place: int, *, is_written: bool) -> None:
        """Keep that the id of a session is there already; its new one may be from a try before, if it `is_written`."""
        record = _RECORD.pack(UUID(session.id).bytes, UUID(self.new_id(session)).bytes, place, is_written)
        with spool_errors():
            self._file.write(record)
        self._count += 1

    def go_on(self, written: int) -> None:
        """The first sessions of the import were written by a try before, each with the id that it had or got then."""
        self._written = written
        with spool_errors():
            self._file.flush()

    def find(self, session_id: str) -> str | None:
        """The new id in the place of an old one, None for one that stays."""
        wanted = UUID(session_id).bytes
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            self._file.seek(middle * _RECORD.size)
            old, new, place, is_written = _RECORD.unpack(self._file.read(_RECORD.size))
            if old == wanted:
                return str(UUID(bytes=new)) if is_written or place >= self._written else None
            low, high = (middle + 1, high) if old < wanted else (low, middle)
        return None
