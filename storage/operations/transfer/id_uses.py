"""What the ids of an import's sessions are used for before it."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ...sql.ports import Rows
from ...sql.statements.sessions import Statements

_encode = msgspec.json.Encoder().encode


class IdUse(NamedTuple):
    """How many messages the session with an id has, None if there is none; whether one is being written or removed."""

    message_count: int | None
    is_pending: bool


async def uses_of_ids(rows: Rows, statements: Statements, workspace: str, ids: Sequence[str]) -> dict[str, IdUse]:
    """The use of each of some ids."""
    if not ids:
        return {}
    bindings = {"workspace": workspace, "ids": _encode(ids).decode()}
    found = await rows.all(statements.ID_USES, dict(bindings))
    return {session_id: IdUse(count, bool(is_pending)) for session_id, count, is_pending in found}
