"""Sessions of several sources that are written together, as one export in the order of ids."""

from collections.abc import AsyncGenerator, Iterator

from ...storage.model.records import ExportHeader, ExportLine
from ..history import Branch, Collection

MAX_SESSIONS = 2_000
MAX_MESSAGES = 200_000
_LINES = 500
_BYTES = 256 * 1024


class Batch:
    """Branches to write, each session once; `close` deletes the temporary files of their collections."""

    def __init__(self) -> None:
        self._branches: dict[str, Branch] = {}
        self._collections: list[Collection] = []
        self._messages = 0

    def close(self) -> None:
        """Delete what was collected."""
        for each in self._collections:
            each.close()

    @property
    def is_full(self) -> bool:
        """Whether it is to be written before more is added."""
        return len(self._branches) >= MAX_SESSIONS or self._messages >= MAX_MESSAGES

    def has_any(self, branches: list[Branch]) -> bool:
        """Whether it has another branch of one of the sessions: they must be written one after the other."""
        return any(branch.session.id in self._branches for branch in branches)

    def add(self, collection: Collection, branches: list[Branch]) -> None:
        """Add the branches of a collection, which is then closed with the batch."""
        self._collections.append(collection)
        for branch in branches:
            self._branches[branch.session.id] = branch
            self._messages += branch.session.message_count

    async def lines(self) -> AsyncGenerator[list[ExportLine], None]:
        """The lines of the export."""
        # Version 1 has no end: these lines are complete once the generator ends.
        yield [ExportLine(header=ExportHeader(version=1))]
        lines: list[ExportLine] = []
        size = 0
        for line, length in self._lines():
            lines.append(line)
            size += length
            if len(lines) >= _LINES or size >= _BYTES:
                yield lines
                lines, size = [], 0
        yield lines

    def _lines(self) -> Iterator[tuple[ExportLine, int]]:
        for _, branch in sorted(self._branches.items()):
            yield ExportLine(session=branch.session), len(bytes(branch.session.context))
            for message in branch.messages():
                parts = message.parts or b""
                yield ExportLine(message=message), len(bytes(parts)) + len(bytes(message.metadata))
