"""Full-text search in messages."""

from ..storage.model.interface import Storage
from ..storage.model.queries import SearchQuery
from ..storage.model.records import Listing


async def search_messages(query: SearchQuery, *, storage: Storage, workspace: str) -> Listing:
    """The matching messages, best first."""
    return await storage.search_messages(workspace, query)


async def suggest_searches(q: str, limit: int, *, storage: Storage, workspace: str) -> Listing:
    """Corrections of a query with mistyped words, best first."""
    return await storage.suggest_searches(workspace, q, limit)
