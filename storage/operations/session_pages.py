"""Pages of lists of sessions: each examines a bounded number of sessions."""

from dataclasses import replace

import msgspec

from ..model.queries import SessionQuery
from ..model.records import Listing, SessionSummary
from ..sql.cursors import encode
from ..sql.ports import Reader
from ..sql.statements.session_lists import Position, SessionList

# As many sessions that an index finds are sorted for one page.
MAX_SORTED = 5_000
# As many sessions, in the order of the list, are examined for one page.
MAX_SCANNED = 10_000

_decode_summary = msgspec.json.Decoder(SessionSummary).decode


async def by_best_index(rows: Reader, sessions: SessionList) -> SessionList:
    """The same list, by an index that finds few sessions, if there is one."""
    for found in sessions.indexes():
        row = await rows.one(found.count(), sessions.bindings | {"most": MAX_SORTED + 1})
        if row[0] <= MAX_SORTED:
            return found
    return sessions


async def filtered_page(rows: Reader, sessions: SessionList, query: SessionQuery) -> Listing:
    """The page of a list with filters; it ends when enough sessions were examined, even if it is empty."""
    found = await by_best_index(rows, sessions)
    if found is not sessions:
        return await page(rows, found, query)
    # Sessions that arrive before the end meanwhile are examined too; later ones are left to the next page.
    end = await rows.row(sessions.end(), sessions.bindings | {"scanned": MAX_SCANNED - 1})
    if end is None:
        return await page(rows, sessions, query)
    bindings = sessions.bindings | {"end_at": end[0], "end_id": end[1]}
    return await page(rows, replace(sessions, bindings=bindings), query, end=(end[0], end[1]))


async def page(rows: Reader, sessions: SessionList, query: SessionQuery, *, end: Position | None = None) -> Listing:
    """The page of a list; the next begins after its last session, or after `end` if no more match up to there."""
    count, lines = await rows.one(sessions.listed(paged=True), sessions.bindings)
    assert query.limit is not None
    if count <= query.limit:
        return Listing(lines.replace(b"\n", b","), next_cursor=None if end is None else encode(*end))
    listed, _, _ = lines.rpartition(b"\n")
    _, _, last = listed.rpartition(b"\n")
    position = sessions.sort.position(_decode_summary(last))
    return Listing(listed.replace(b"\n", b","), next_cursor=encode(*position))
