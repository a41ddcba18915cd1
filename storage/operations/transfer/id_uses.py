"""The use of ids in a workspace before an import writes sessions with them."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ...sql.ports import Rows
from ...sql.statements.sessions import Statements

_encode = msgspec.json.Encoder().encode


class IdUse(NamedTuple):
    """The number of messages of the session with an id, None if there is none.

    `is_pending` is set while a session with the id is being written or removed.
    """

    message_count: int | None
    is_pending: bool


async def uses_of_ids(rows: Rows, statements: Statements, workspace: str, ids: Sequence[str]) -> dict[str, IdUse]:
    """The use of each of these ids, by id."""
    if not ids:
        return {}
    bindings = {"workspace": workspace, "ids": _encode(ids).decode()}
    found = await rows.all(statements.ID_USES, dict(bindings))
    return {session_id: IdUse(count, bool(is_pending)) for session_id, count, is_pending in found}
