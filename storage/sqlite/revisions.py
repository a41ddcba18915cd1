"""Numbers the writes of each workspace, so that what changed since a moment can be found."""

import apsw

from ..values.clock import Clock
from .statements import SQLiteStatements


class Revisions:
    """The revisions that `writer` gives; they count on from what other processes have given, and so does `clock`."""

    def __init__(self, writer: apsw.Connection, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._last: dict[str, int] = {}
        self._seen = -1

    def workspaces(self) -> list[str]:
        """Those that have been written to."""
        return list(self._last)

    def next(self, workspace: str) -> int:
        """The revision of a write, within its transaction: higher than each that was committed before."""
        seen = self._writer.data_version()
        if seen != self._seen:
            # Another connection has committed since.
            self._last.clear()
            self._seen = seen
        if workspace not in self._last:
            [(last,)] = self._writer.execute(SQLiteStatements.LAST_REVISION, {"workspace": workspace})
            self._last[workspace] = last
            bindings = {"workspace": workspace, "horizon": self._clock.horizon()}
            [(newest,)] = self._writer.execute(SQLiteStatements.LAST_UPDATE, bindings)
            self._clock.catch_up(newest)
        self._last[workspace] += 1
        return self._last[workspace]
