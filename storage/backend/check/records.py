"""Checks that an import would take each session: the rules of the contract apply to all that is stored about it."""

from collections.abc import AsyncGenerator

import msgspec

from ...model.database_errors import ReadLine
from ...model.maintenance import Finding
from ...operations.labels import readable_labels
from ...operations.sessions import session_of
from ...operations.transfer.import_rules import is_importable, is_object
from ...sql.ports import Row
from ...sql.statements.integrity import SESSIONS
from .rows import Read

# The places in the columns of a session.
_PROFILE, _CONTEXT, _LABELS = 2, 3, 17


class _Named(msgspec.Struct):
    """A profile's name."""

    name: str


_decode_profile = msgspec.json.Decoder(_Named).decode


async def check_records(read: Read, read_line: ReadLine) -> AsyncGenerator[Finding, None]:
    """The findings of the rows of sessions, without their messages; `read_line` refuses damaged ones."""
    async for workspace, profile, *columns in read(SESSIONS, {}):
        session_id, context, labels = columns[0], columns[_CONTEXT], columns[_LABELS]
        if context is not None and not is_object(context):
            yield Finding.of(workspace, session_id, "record", "has a damaged context, which cannot be recovered.")
        elif not _is_importable(columns, labels, read_line):
            yield Finding.of(workspace, session_id, "record", "has a damaged value, which an import would refuse.")
        elif profile is not None and not _is_named(profile, columns[_PROFILE]):
            yield Finding.of(workspace, session_id, "record", "names another profile than the one that it keeps.")


def _is_importable(columns: list[object], labels: object, read_line: ReadLine) -> bool:
    row: Row = tuple(columns)
    # Other checks report a lost context, and labels that can't be read.
    if columns[_CONTEXT] is None:
        row = (*row[:_CONTEXT], "{}", *row[_CONTEXT + 1 :])
    if isinstance(labels, str) and readable_labels(labels) is None:
        row = (*row[:_LABELS], None, *row[_LABELS + 1 :])
    try:
        return is_importable(session_of("", row), read_line)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False


def _is_named(profile: str, name: object) -> bool:
    try:
        return _decode_profile(profile).name == name
    except msgspec.MsgspecError:
        # The check of profiles reports it.
        return True
