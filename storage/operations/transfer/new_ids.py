"""The new ids of an import: which of its sessions get one, so that its forks follow their parents.

They are determined before the first session is written, because a fork may come before its parent, and kept in a
temporary file, because an import has any length. A new id is derived from the import and the old id, so that an import
that resumes after an interruption gives the same ones.
"""

import hashlib
import struct
from contextlib import suppress
from tempfile import TemporaryFile
from uuid import UUID

from ...model.records import Session
from ...sql.temporary_files import spool_errors
from ...values.uuid7 import derived_session_id

# An old id, its new one, its session's place in the import, and whether an earlier attempt wrote it with the new id.
_RECORD = struct.Struct(">16s16sQ?")


class Renames:
    """Old ids with their new ones, added in the order of the old; `seed` identifies the import, or each attempt."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._file = TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._count = 0
        self._written = 0

    def close(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            self._file.close()

    def new_id(self, session: Session) -> str:
        """The new id of a session of the import whose own already exists."""
        digest = hashlib.sha256(f"{self._seed}\0{session.id}".encode()).digest()
        return derived_session_id(session.created_at, int.from_bytes(digest[:8]))

    def add(self, session: Session, place: int, *, is_written: bool) -> None:
        """Add the id of a session that already exists; its new one is from an earlier attempt if `is_written`."""
        record = _RECORD.pack(UUID(session.id).bytes, UUID(self.new_id(session)).bytes, place, is_written)
        with spool_errors():
            self._file.write(record)
        self._count += 1

    def go_on(self, written: int) -> None:
        """An earlier attempt wrote the first sessions of the import, each with the id that it had or got then."""
        self._written = written
        with spool_errors():
            self._file.flush()

    def find(self, session_id: str) -> str | None:
        """The new id for an old one, None for one that is kept."""
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
