"""Lists of sessions: filters, orders and pages."""

from collections.abc import Iterable

from msgspec import UNSET

from ..model.directory_path import ROOT, normalize_or_keep
from ..model.queries import DeletionQuery, SessionFilter, SessionQuery
from ..model.records import Listing, Session
from ..sql.pages import decode, decode_session_name, encode, encode_session_name, page_of
from ..values.clock import in_utc
from ..values.uuid7 import canonical_id
from .access import encode as encode_json
from .access import listing
from .contents import Conversation

# Takes the place of a missing name: it sorts after every name.
_NO_NAME = "\U0010ffff"
# In these orders, sessions with the same time or name have ascending ids, in all others descending ones.
_IDS_ASCEND = ("-updated_at", "created_at", "name")


def list_sessions(conversations: Iterable[Conversation], query: SessionQuery) -> Listing:
    """The page of a query."""
    found = [each for each in conversations if passes(each, query)]
    total = len(found) if query.total else None
    after = [each for each in ordered(found, query.sort) if query.cursor is None or _is_after(each, query)]
    if query.limit is None:
        whole = listing(each.summary for each in after)
        return Listing(whole.first, whole.rest, total=total)
    page, is_followed = page_of([encode_json(each.summary) for each in after[: query.limit + 1]], query.limit)
    cursor = _cursor(after[len(page) - 1], query.sort) if is_followed else None
    return Listing(b",".join(page), next_cursor=cursor, total=total)


def ordered(conversations: Iterable[Conversation], sort: str) -> list[Conversation]:
    """Sessions in the order `sort`."""
    by_id = sorted(conversations, key=lambda each: each.session.id, reverse=sort not in _IDS_ASCEND)
    return sorted(by_id, key=lambda each: _place(each.session, sort)[0], reverse=sort.startswith("-"))


def passes(conversation: Conversation, filters: SessionFilter) -> bool:
    """Whether a session passes all conditions of a filter."""
    session = conversation.session
    labels: dict[str, str] = session.labels or {}
    last_revision = filters.last_revision if isinstance(filters, DeletionQuery) else None
    return (
        (not filters.status or session.status in filters.status)
        and filters.profile in (None, session.profile)
        and (filters.amplified_dir is None or _is_in(session, filters.amplified_dir, recursive=filters.recursive))
        and (filters.parent_session_id is None or session.parent_session_id == canonical_id(filters.parent_session_id))
        and is_between(session.created_at, filters.created_after, filters.created_before)
        and is_between(session.updated_at, filters.updated_after, filters.updated_before)
        and (filters.name is None or filters.name.casefold() in (session.name or "").casefold())
        and has_labels(labels, filters.labels)
        and filters.archived in (None, session.archived is True)
        and filters.pinned in (None, session.pinned is True)
        and (not filters.roots or session.parent_session_id is UNSET)
        and (not filters.ids or session.id in map(canonical_id, filters.ids))
        and (last_revision is None or conversation.written <= last_revision)
    )


def is_between(moment: str, after: str | None, before: str | None) -> bool:
    """Whether a time is later than `after` and earlier than `before`; None does not limit it."""
    return (after is None or moment > in_utc(after)) and (before is None or moment < in_utc(before))


def has_labels(labels: dict[str, str], required: Iterable[str]) -> bool:
    """Whether labels have all that are wanted; a wanted label is a key, or `key:value`."""
    present = {*labels, *map(":".join, labels.items())}
    return all(label in present for label in required)


def _is_in(session: Session, path: str, *, recursive: bool) -> bool:
    path = normalize_or_keep(path)
    if not recursive:
        return session.amplified_dir == path
    return path == ROOT or f"{session.amplified_dir}/".startswith(f"{path}/")


def _place(session: Session, sort: str) -> tuple[str, str]:
    """The time or the name by which a session is sorted, and its id."""
    if sort.endswith("name"):
        return session.name.casefold() if isinstance(session.name, str) else _NO_NAME, session.id
    moment: str = getattr(session, sort.removeprefix("-"))
    return moment, session.id


def _is_after(conversation: Conversation, query: SessionQuery) -> bool:
    """Whether a session comes after the position of the query's cursor."""
    assert query.cursor is not None, "Only a cursor is a position."
    position = decode_session_name(query.cursor) if query.sort.endswith("name") else decode(query.cursor)
    place = _place(conversation.session, query.sort)
    if place[0] != position[0]:
        return (place[0] < position[0]) == query.sort.startswith("-")
    return place[1] > position[1] if query.sort in _IDS_ASCEND else place[1] < position[1]


def _cursor(conversation: Conversation, sort: str) -> str:
    place = _place(conversation.session, sort)
    return encode_session_name(*place) if sort.endswith("name") else encode(*place)
