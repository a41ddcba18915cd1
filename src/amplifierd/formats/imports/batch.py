"""Sessions of several sources that are written together, as one export in the order of ids."""

from collections.abc import AsyncGenerator, Iterator

from ...storage.model.files import TemporarySpace
from ...storage.model.records import ExportChunk, ExportEnd, ExportHeader, ExportLine, Message, Session
from ..history import Branch, MessageFile
from .merging import merge_branches
from .records import Records

MAX_SESSIONS = 2_000
MAX_MESSAGES = 200_000
_LINES = 500
_BYTES = 256 * 1024


class Batch:
    """Branches to write; those of one session become one. `close` deletes their `messages`."""

    def __init__(self, space: TemporarySpace) -> None:
        self.messages = MessageFile(space)
        self.branches: dict[str, list[Branch]] = {}
        self._count = 0

    def close(self) -> None:
        """Delete the collected messages."""
        self.messages.close()

    @property
    def is_full(self) -> bool:
        """Whether the batch must be written before more is added."""
        return len(self.branches) >= MAX_SESSIONS or self._count >= MAX_MESSAGES

    def add(self, branches: list[Branch]) -> None:
        """Add the branches of a source."""
        for branch in branches:
            self.branches.setdefault(branch.session.id, []).append(branch)
            self._count += branch.session.message_count

    async def batches(self, records: Records) -> AsyncGenerator[list[ExportLine], None]:
        """The lines of the export, some at a time."""
        lines: list[ExportLine] = []
        size = 0
        for line in self.lines(records):
            lines.append(line)
            size += _size_of(line)
            if len(lines) >= _LINES or size >= _BYTES:
                yield lines
                lines, size = [], 0
        yield lines

    def lines(self, records: Records) -> Iterator[ExportLine]:
        """The lines of the export, with the files of `records`."""
        sessions = messages = 0
        yield ExportLine(header=ExportHeader())
        for each in merge_branches(self.branches):
            sessions += 1
            messages += each.session.message_count
            yield ExportLine(session=each.session)
            for message in each.messages():
                yield ExportLine(message=message)
        yield from records.file_lines()
        yield ExportLine(end=ExportEnd(sessions, messages, records.file_count))


def _size_of(line: ExportLine) -> int:
    if isinstance(line.session, Session):
        return len(bytes(line.session.context))
    if isinstance(line.message, Message):
        return len(bytes(line.message.parts or b"")) + len(bytes(line.message.metadata))
    return len(line.chunk.data) if isinstance(line.chunk, ExportChunk) else 0
