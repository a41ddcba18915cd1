"""Full-text search in messages."""

from ..storage.model.interface import Storage
from ..storage.model.queries import SearchQuery, SearchScope
from ..storage.model.records import Listing, Role


async def search_messages(
    q: str,
    role: Role | None,
    profile: str | None,
    amplified_dir: str | None,
    in_: SearchScope,
    session_id: str | None,
    label: tuple[str, ...] | None,
    created_after: str | None,
    created_before: str | None,
    updated_after: str | None,
    updated_before: str | None,
    limit: int,
    cursor: str | None,
    *,
    storage: Storage,
    workspace: str,
) -> Listing:
    """The matching messages, best first."""
    times = (created_after, created_before, updated_after, updated_before)
    query = SearchQuery(q, role, profile, amplified_dir, session_id, limit, cursor, in_, label or (), *times)
    return await storage.search_messages(workspace, query)
