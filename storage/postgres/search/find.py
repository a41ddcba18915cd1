"""Finding messages by their words: whole words are lexemes, of which an index tells; texts tell of the rest."""

import asyncio
from collections.abc import Sequence

import msgspec

from ...model.records import Listing, Message, SearchQuery, SearchScope
from ...search import results
from ...search.query_parser import Term, terms_of
from ...search.results import Found, best, bindings_of, listing, score_of
from ...search.searched_text import EVERYWHERE, searched_text
from ..pool import Pool
from .statements import RECORDS, search
from .tsvector import Tokenizer, is_lexeme, lexemes_of

_decode_message = msgspec.json.Decoder(Message).decode


async def find(pool: Pool, tokenizer: Tokenizer, workspace: str, query: SearchQuery) -> Listing:
    """The hits of one page."""
    terms = terms_of(query.text, tokenizer.tokens)
    if not terms:
        return Listing(b"")
    bindings, filters = bindings_of(workspace, query)
    whole = [term for term in terms if not term.prefix]
    # Then what the index finds has the terms, and nothing else has to be looked at.
    is_by_lexemes = query.scope == EVERYWHERE and all(map(is_lexeme, terms))
    sought = {
        "patterns": [term.pattern for term in terms],
        "repeating": [_overlaps(term.pattern) for term in terms],
        "leads": [_lead(term) for term in terms],
        "lexemes": " & ".join(lexemes_of(term) for term in whole),
        "bytes": results.MAX_BYTES,
        "most": results.MAX_MATCHES,
        "filtered": bindings["ranked"] if is_by_lexemes else results.MAX_LOOKED_AT,
    }
    statement = search(frozenset(filters), query.scope, by_words=bool(whole))
    rows = await pool.all(statement, bindings | filters | sought)
    found = best(((score_of(row[0], row[1]), *row[2:]) for row in rows), query)
    contents = await _contents(pool, workspace, found[: query.limit], query.scope)
    return await asyncio.to_thread(listing, found, query, contents, terms)


async def _contents(pool: Pool, workspace: str, found: Sequence[Found], scope: SearchScope) -> list[str]:
    """What the first of these messages say, as far as that is not too much."""
    bindings: dict[str, object] = {
        "workspace": workspace,
        "ids": [session_id for _, session_id, *_ in found],
        "sequences": [hit[2] for hit in found],
        "bytes": results.MAX_PAGE_BYTES,
    }
    # It may have been deleted meanwhile.
    rows = await pool.all(RECORDS, bindings)
    return ["" if record is None else searched_text(_decode_message(record), scope) for (record,) in rows]


def _overlaps(pattern: str) -> bool:
    """Whether two matches may share words, as those of twice the same word do in three of them."""
    return any(pattern.endswith(pattern[:length]) for length in range(2, len(pattern)))


def _lead(term: Term) -> str:
    """A regular expression that matches the first word of each match of a term."""
    pattern = term.pattern
    first = f" {term.words[0]} "
    return f"{first}(?={pattern.removeprefix(first)})"
