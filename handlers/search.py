"""Full-text search in messages."""

from ..storage.model.interface import Storage
from ..storage.model.records import Listing, Role, SearchQuery, SearchScope


async def search_messages(
    q: str,
    role: Role | None,
    profile: str | None,
    amplified_dir: str | None,
    in_: SearchScope,
    session_id: str | None,
    limit: int,
    cursor: str | None,
    *,
    storage: Storage,
    workspace: str,
) -> Listing:
    """The matching messages, best first."""
    query = SearchQuery(q, role, profile, amplified_dir, session_id, limit, cursor, in_)
    return await storage.search_messages(workspace, query)
