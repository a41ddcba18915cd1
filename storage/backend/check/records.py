"""Checks that an import would take each session: the rules of the contract apply to all that is stored about it."""

from collections.abc import AsyncGenerator

import msgspec

from ...model.database_errors import ReadLine
from ...model.maintenance import Finding
from ...operations.transfer.export import CONTEXT
from ...operations.transfer.import_rules import is_importable, stored_session
from ...sql.statements.integrity import SESSIONS
from .rows import Read


class _Named(msgspec.Struct):
    """A profile's name."""

    name: str


_decode_profile = msgspec.json.Decoder(_Named).decode


async def check_records(read: Read, read_line: ReadLine) -> AsyncGenerator[Finding, None]:
    """The findings of the rows of sessions, without their messages; `read_line` refuses damaged ones."""
    async for workspace, profile, *columns in read(SESSIONS, {}):
        session_id = columns[0]
        session, damaged = stored_session(columns)
        # Other checks report a lost context, and labels that can't be read.
        if "context" in damaged and columns[CONTEXT] is not None:
            yield Finding.of(workspace, session_id, "record", "has a damaged context, which cannot be recovered.")
        elif session is None or not is_importable(session, read_line):
            yield Finding.of(workspace, session_id, "record", "has a damaged value, which an import would refuse.")
        elif profile is not None and not _is_named(profile, session.profile):
            yield Finding.of(workspace, session_id, "record", "names another profile than the one that it keeps.")


def _is_named(profile: str, name: str) -> bool:
    try:
        return _decode_profile(profile).name == name
    except msgspec.MsgspecError:
        # The check of profiles reports it.
        return True
