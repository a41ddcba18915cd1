"""Reads of a damaged file, which go on past rows that can't be decoded."""

from collections.abc import Iterator

import apsw

from ...sql.ports import Bindings, Row


class ReadableRows:
    """Runs statements on a connection, and skips the rows with text that is not UTF-8; `skipped` is their number."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.skipped = 0

    def execute(self, statement: str, bindings: Bindings | None = None) -> Iterator[Row]:
        """The rows of a statement, one by one."""
        cursor = self._connection.execute(statement, bindings)
        while True:
            try:
                row: Row | None = next(cursor, None)
            except UnicodeDecodeError:
                self.skipped += 1
                continue
            if row is None:
                return
            yield row
