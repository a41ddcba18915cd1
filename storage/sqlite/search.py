"""Finding messages by their words."""

from typing import cast

import apsw

from ..hits import Found, bindings_of, listing
from ..records import Listing, SearchQuery
from ..snippets import fts5
from ..words import phrases_of
from . import search_statements as statements
from .score import register_score


def find(connection: apsw.Connection, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    phrases = phrases_of(query.text)
    if not phrases:
        return Listing(b"")
    words = fts5(phrases)
    bindings, filters = bindings_of(workspace, query)
    register_score(connection)
    found = connection.execute(statements.search(filters), bindings | filters | {"words": " ".join(words)}).fetchall()
    return listing(cast("list[Found]", found), query, words)
