"""Full-text search in messages."""

from ..storage.model.interface import Storage
from ..storage.model.queries import SearchGrouping, SearchMode, SearchQuery, SearchScope
from ..storage.model.records import Listing, Role


async def search_messages(
    q: str,
    role: Role | None,
    profile: str | None,
    amplified_dir: str | None,
    in_: SearchScope,
    tool: str | None,
    group: SearchGrouping | None,
    mode: SearchMode,
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
    filters = (role, profile, amplified_dir, session_id)
    query = SearchQuery(q, *filters, limit, cursor, in_, label or (), *times, tool, group, mode)
    return await storage.search_messages(workspace, query)


async def suggest_searches(q: str, limit: int, *, storage: Storage, workspace: str) -> Listing:
    """Queries with other words in the place of mistyped ones, best first."""
    return await storage.suggest_searches(workspace, q, limit)
