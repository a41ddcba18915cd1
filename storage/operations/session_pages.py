"""Pages of lists of sessions, each of which examines a bounded number of sessions, and the lineage of a session."""

from dataclasses import replace

import msgspec

from ..model.queries import SessionQuery
from ..model.records import Lineage, Listing, SessionSummary
from ..sql.dialect import Dialect
from ..sql.pages import MAX_RELATIVES, PAGE_BYTES, RELATIVES_BYTES, first_records, page_of
from ..sql.ports import Reader, session_key
from ..sql.statements.session_lists import SessionList
from ..sql.statements.session_sorts import Position
from ..sql.statements.sessions import Statements
from ..values.uuid7 import canonical_id

# The database joins the sessions of a page up to this limit, which is faster than reading each. All may be large.
MAX_JOINED = 50
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
    assert query.limit is not None
    count, lines = await _lines(rows, sessions, query.limit)
    is_followed = count > query.limit
    if len(lines) > PAGE_BYTES:
        taken, is_followed = page_of(lines.splitlines(), query.limit)
        lines = b"\n".join(taken)
    elif is_followed:
        lines, _, _ = lines.rpartition(b"\n")
    if is_followed:
        _, _, last = lines.rpartition(b"\n")
        end = sessions.sort.position(_decode_summary(last))
    return Listing(lines.replace(b"\n", b","), next_cursor=None if end is None else sessions.sort.cursor(end))


async def _lines(rows: Reader, sessions: SessionList, limit: int) -> tuple[int, bytes]:
    """The number of the next sessions, and a line for each: one more than the limit, or the first beyond a page."""
    if limit <= MAX_JOINED:
        count, lines = await rows.one(sessions.listed(paged=True), sessions.bindings)
        return count, lines
    statement = sessions.listed(paged=False)
    found = await first_records(rows, sessions.dialect, statement, sessions.bindings, PAGE_BYTES + 1)
    return len(found), b"\n".join(found)


async def lineage(rows: Reader, statements: Statements, dialect: Dialect, workspace: str, session_id: str) -> Lineage:
    """The ancestors and the children of a session, as far as they fit."""
    session_id = canonical_id(session_id)
    bindings = session_key(workspace, session_id) | {"most": MAX_RELATIVES}
    ancestors, children = [
        [_decode_summary(each) for each in await first_records(rows, dialect, statement, bindings, RELATIVES_BYTES)]
        for statement in (statements.ANCESTORS, statements.CHILDREN)
    ]
    return Lineage(session_id, _without_circle(session_id, ancestors), children)


def _without_circle(session_id: str, ancestors: list[SessionSummary]) -> list[SessionSummary]:
    """The ancestors up to the first repetition; imported sessions may form a cycle."""
    seen = {session_id}
    for place, ancestor in enumerate(ancestors):
        if ancestor.id in seen:
            return ancestors[:place]
        seen.add(ancestor.id)
    return ancestors
