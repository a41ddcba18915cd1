"""Exports for tests: read completely, built from lines, or changed to look as if an older program had written them."""

from collections.abc import AsyncGenerator
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ...storage.model.interface import Storage
from ...storage.model.records import Export, ExportLine, Message, Session
from ...storage.values.clock import DAY_SECONDS, after
from ...storage.values.uuid7 import new_session_id

Transcripts = dict[str, tuple[Session, list[Message]]]

_TIMES = ("created_at", "updated_at", "started_at", "ended_at")


async def exported(storage: Storage, workspace: str = "default") -> list[ExportLine]:
    """The lines of an export."""
    export = await storage.export_sessions(workspace)
    return [line async for batch in export.batches for line in batch]


def export_of(lines: list[ExportLine], size: int = 3) -> Export:
    """An export of these lines, in batches of this size."""

    async def batches() -> AsyncGenerator[list[ExportLine], None]:
        for start in range(0, len(lines), size):
            yield lines[start : start + size]

    return Export(batches())


def transcripts(lines: list[ExportLine]) -> Transcripts:
    """The sessions of an export with their messages."""
    found: Transcripts = {}
    messages: list[Message] = []
    for line in lines:
        if isinstance(line.session, Session):
            messages = []
            found[line.session.id] = (line.session, messages)
        elif isinstance(line.message, Message):
            messages.append(line.message)
    return found


def older(lines: list[ExportLine]) -> list[ExportLine]:
    """The same sessions as others would be that were made fifty days before."""
    moved: list[tuple[Session, list[ExportLine]]] = []
    for session, messages in transcripts(lines).values():
        times = {name: _before(getattr(session, name)) for name in _TIMES}
        earlier = replace(session, id=new_session_id(times["created_at"]), **times)
        moved.append(
            (
                earlier,
                [ExportLine(message=replace(message, timestamp=_before(message.timestamp))) for message in messages],
            )
        )
    moved.sort(key=lambda each: each[0].id)
    return [
        lines[0],
        *(line for session, others in moved for line in (ExportLine(session=session), *others)),
        lines[-1],
    ]


def _before(moment: Any) -> Any:
    return moment if moment is UNSET else after(moment, -50 * DAY_SECONDS)
