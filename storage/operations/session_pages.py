"""Pages of lists of sessions: each examines a bounded number of sessions."""

from dataclasses import replace

import msgspec

from ..model.queries import SessionQuery
from ..model.records import Listing, SessionSummary
from ..sql.ports import Reader
from ..sql.statements.session_lists import SessionList
from ..sql.statements.session_sorts import Position

# The maximum number of sessions from an index that are sorted for one page.
MAX_SORTED = 1_000
# Several indexes in the order of the list are compared by their number of sessions, counted up to this limit.
MAX_COMPARED = 1_000
# Most pages are full after this many sessions; finding the end of more takes longer.
FIRST_SCANNED = 500
# The maximum number of sessions that are examined, in the order of the list, for one page.
MAX_SCANNED = 2_500

_decode_summary = msgspec.json.Decoder(SessionSummary).decode


async def by_best_index(rows: Reader, sessions: SessionList) -> SessionList:
    """The list by an index that finds at most MAX_SORTED sessions, unchanged if there is none."""
    for found in sessions.indexes():
        row = await rows.one(found.count(), sessions.bindings | {"most": MAX_SORTED + 1})
        if row[0] <= MAX_SORTED:
            return found
    return sessions


async def by_shortest_index(rows: Reader, sessions: SessionList) -> SessionList:
    """The list by the index in its order that has the fewest sessions, unchanged if there is none."""
    found = sessions.in_order()
    if len(found) < 2:  # nothing to compare
        return found[0] if found else sessions
    counts = [await rows.one(each.count(), each.bindings | {"most": MAX_COMPARED}) for each in found]
    return found[counts.index(min(counts))]


async def by_any_index(rows: Reader, sessions: SessionList) -> SessionList:
    """The list by the best index for reading all of it."""
    found = await by_best_index(rows, sessions)
    return await by_shortest_index(rows, sessions) if found is sessions else found


async def count_all(rows: Reader, sessions: SessionList) -> int:
    """The number of sessions in a list, regardless of its limit."""
    found = await by_any_index(rows, sessions)
    (total,) = await rows.one(found.total(), found.bindings)
    return int(total)


async def filtered_page(rows: Reader, sessions: SessionList, query: SessionQuery) -> Listing:
    """The page of a list with filters. It examines at most MAX_SCANNED sessions, so it may be short, even empty."""
    in_order = await by_shortest_index(rows, sessions)
    listed, is_whole = await _examined_page(rows, in_order, query, min(FIRST_SCANNED, MAX_SCANNED))
    if is_whole:
        return listed
    found = await by_best_index(rows, sessions)
    if found is not sessions:
        return await page(rows, found, query)
    return (await _examined_page(rows, in_order, query, MAX_SCANNED))[0]


async def _examined_page(
    rows: Reader, sessions: SessionList, query: SessionQuery, scanned: int
) -> tuple[Listing, bool]:
    """The page among the next `scanned` sessions, and whether more sessions would not change it."""
    # Sessions that arrive meanwhile before the end are examined too; later ones are left to the next page.
    end = await rows.row(sessions.end(), sessions.bindings | {"scanned": scanned - 1})
    if end is None:
        return await page(rows, sessions, query), True
    bindings = sessions.bindings | {"end_at": end[0], "end_id": end[1]}
    listed = await page(rows, replace(sessions, bindings=bindings), query, end=(end[0], end[1]))
    return listed, listed.next_cursor != sessions.sort.cursor((end[0], end[1]))


async def page(rows: Reader, sessions: SessionList, query: SessionQuery, *, end: Position | None = None) -> Listing:
    """The page of a list. The next one begins after its last session, or after `end` if the page has all up to it."""
    count, lines = await rows.one(sessions.listed(paged=True), sessions.bindings)
    assert query.limit is not None
    if count <= query.limit:
        return Listing(lines.replace(b"\n", b","), next_cursor=None if end is None else sessions.sort.cursor(end))
    listed, _, _ = lines.rpartition(b"\n")
    _, _, last = listed.rpartition(b"\n")
    position = sessions.sort.position(_decode_summary(last))
    return Listing(listed.replace(b"\n", b","), next_cursor=sessions.sort.cursor(position))
