"""The new ids of sessions in an import, by which its forks refer to their parents.

They are determined before the first session is written, because a fork may come before its parent, and kept in a
temporary file, because an import may have any length. A new id is derived from a seed and the old id. The seed is
random, so that each import gives different ids; an import that resumes after an interruption has the same seed.
"""

import hashlib
import struct
from contextlib import suppress
from os import SEEK_END
from tempfile import TemporaryFile
from uuid import UUID

from ...model.records import Session
from ...sql.temporary_files import spool_errors
from ...values.uuid7 import derived_session_id

# The old id, the new one, the session's place in the import, and whether an earlier attempt wrote it with the new id.
_RECORD = struct.Struct(">16s16sQ?")
# The number of records kept in memory before they become a run in the file. A search for an id reads each run.
RUN_RECORDS = 50_000


class Renames:
    """Maps old ids to new ones, in sorted runs; `seed` is the seed of the import."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self._file = TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._unsorted: list[bytes] = []
        # The lengths of the runs in the file, and its last record.
        self._runs: list[int] = []
        self._last = b""
        self._written = 0

    def close(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            self._file.close()

    def new_id(self, session: Session) -> str:
        """The new id for a session of the import whose id exists already."""
        digest = hashlib.sha256(f"{self.seed}\0{session.id}".encode()).digest()
        return derived_session_id(session.created_at, int.from_bytes(digest[:8]))

    def add(self, session: Session, place: int, *, is_written: bool) -> None:
        """Add a session whose id exists already. `is_written` is set if an earlier attempt wrote it with the new id."""
        record = _RECORD.pack(UUID(session.id).bytes, UUID(self.new_id(session)).bytes, place, is_written)
        self._unsorted.append(record)

    def spill(self) -> None:
        """Write the records in memory to the file, if they reach their limit."""
        if len(self._unsorted) >= RUN_RECORDS:
            self._write_run()

    def resume_after(self, written: int) -> None:
        """Keep the ids that the first `written` sessions got in an earlier attempt, and prepare for `find`."""
        self._written = written
        self._write_run()

    def _write_run(self) -> None:
        run = sorted(self._unsorted)
        if not run:
            return
        with spool_errors():
            self._file.seek(0, SEEK_END)
            self._file.write(b"".join(run))
            self._file.flush()
        # Exports are in the order of ids, so that usually all records form one run.
        before = self._runs.pop() if self._runs and self._last < run[0] else 0
        self._runs.append(before + len(run))
        self._unsorted, self._last = [], run[-1]

    def find(self, session_id: str) -> str | None:
        """The new id for an old one; None if the session keeps its id."""
        target, start = UUID(session_id).bytes, 0
        for count in self._runs:
            record = self._search(target, start, start + count)
            if record is not None:
                _, new, place, is_written = record
                return str(UUID(bytes=new)) if is_written or place >= self._written else None
            start += count
        return None

    def _search(self, target: bytes, low: int, high: int) -> tuple[bytes, bytes, int, bool] | None:
        while low < high:
            middle = (low + high) // 2
            self._file.seek(middle * _RECORD.size)
            record = _RECORD.unpack(self._file.read(_RECORD.size))
            if record[0] == target:
                return record
            low, high = (middle + 1, high) if record[0] < target else (low, middle)
        return None
