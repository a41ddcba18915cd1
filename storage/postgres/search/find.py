"""Finds messages by their words: an index finds whole words as lexemes; other patterns are matched in the texts."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import cast

import msgspec

from ...model.queries import SearchQuery
from ...model.records import Listing
from ...search import results
from ...search.index_entry import EVERYWHERE, found_text
from ...search.query_parser import ParsedQuery, Term, parse_query
from ...search.results import Filters, Found, Result, best, bindings_of, listing, message_clauses, score_of
from ...search.suggestions import MAX_COUNTED
from ...search.text_filters import NarrowedQuery
from ...search.text_match import TextMatch
from ...search.tokenizer import FORM_MARK
from ...search.vectors import Near, QueryVector, fuse_ranks, has_conditions, with_conditions
from ...sql.ports import Bindings, Row
from ..pool import ConnectionRows, Pool
from .candidates import ESTIMATE, EXPECTED, Estimate, Range
from .statements import COUNT_MESSAGES, PLAN_FOR_VALUES, RECORDS, USE_INDEX, search
from .tsvector import Tokenizer, is_lexeme, lexeme_of, patterns, tsquery
from .vectors import find_near


class _Node(msgspec.Struct, rename={"rows": "Plan Rows"}):
    rows: float


class _Plan(msgspec.Struct, rename={"plan": "Plan"}):
    plan: _Node


_decode_plans = msgspec.json.Decoder(list[_Plan]).decode


async def find(pool: Pool, workspace: str, query: SearchQuery, vector: QueryVector | None = None) -> Listing:
    """The hits of one page: by words, and with a vector by meaning as well."""
    # Parsing takes longer than the event loop may be blocked, as do the results.
    parsed = await asyncio.to_thread(_parse, query)
    if parsed is None:
        return Listing(b"")
    sought, query = parsed
    bindings, filters = bindings_of(workspace, query)
    rows = await _find_matches(pool, query, sought, bindings, filters)
    near = None
    if vector is not None:
        near = await find_near(pool, workspace, vector, filters, bindings)
        if has_conditions(sought):
            records = await _records(pool, workspace, near)
            match = TextMatch(sought, query.scope, Tokenizer())
            near = await asyncio.to_thread(with_conditions, near, records, sought, match)
    found = await asyncio.to_thread(_best, rows, near, query)
    # It may have been deleted meanwhile.
    records = await _records(pool, workspace, found[: query.limit])
    return await asyncio.to_thread(_page, found, records, query, sought)


async def _find_matches(
    pool: Pool, query: NarrowedQuery, sought: ParsedQuery, bindings: Bindings, filters: Filters
) -> list[Row]:
    """The rows of `search`: the latest messages that match."""
    # In this case everything that the index finds has the terms, and no text has to be matched.
    by_words_alone = (
        query.scope == EVERYWHERE
        and sought.is_in_index
        and not sought.excluded
        and not sought.excluded_forms
        and all(map(is_lexeme, sought.terms))
    )
    by_words = bool(sought.in_index or sought.required)
    selected = results.MAX_RANKED if by_words_alone else results.MAX_LOOKED_AT
    is_filtered = bool(message_clauses(filters, "message"))
    limits = {
        "bytes": results.MAX_BYTES,
        "most": results.MAX_MATCHES,
        "looked_at": results.MAX_LOOKED_AT if is_filtered else min(results.MAX_LOOKED_AT, selected),
        "filtered": selected,
    }
    values = {**bindings, **filters, **_columns(sought), **limits}
    names = frozenset(filters)
    most = limits["looked_at"]
    async with _connection_with(pool, PLAN_FOR_VALUES) as lent:
        # How many messages pass filters is not known.
        for enough_bytes in (None,) if is_filtered else (results.MAX_BYTES, None):
            estimate = Estimate(most)
            if by_words and "id" not in filters:
                estimate = await _estimate(lent, {**values, "enough_bytes": enough_bytes}, most)
            statement = search(
                names,
                query.scope,
                by_words=by_words,
                by_words_alone=by_words_alone,
                has_excluded_forms=bool(sought.excluded_forms),
                within=estimate.range,
            )
            *rows, (_, is_complete, *_) = await lent.all(statement, {**values, **asdict(estimate)})
            if is_complete or estimate.looked_at == most:
                break
        return rows


async def _estimate(rows: ConnectionRows, values: Mapping[str, object], most: int) -> Estimate:
    """Estimate how many messages are enough, and the range with that number."""
    [plan] = await rows.row(EXPECTED, values) or ()
    expected = _decode_plans(plan)[0].plan.rows
    row = await rows.row(ESTIMATE, {**values, "expected": expected})
    return Estimate.of(cast("tuple[Range, int, str | None, int] | None", row), most)


def _parse(query: SearchQuery) -> tuple[ParsedQuery, NarrowedQuery] | None:
    return parse_query(query, Tokenizer().sought)


def _best(rows: Iterable[Row], near: Iterable[Near] | None, query: SearchQuery) -> list[Result]:
    hits: Iterator[Found] = ((score_of(row[0], row[1]), *row[2:]) for row in rows)
    return best(hits if near is None else fuse_ranks(hits, near), query)


def _page(found: list[Result], records: Iterable[bytes | None], query: SearchQuery, sought: ParsedQuery) -> Listing:
    contents = [found_text(record, query.scope) for record in records]
    return listing(found, query, contents, sought)


async def count_words(pool: Pool, workspace: str, words: Sequence[str], *, with_forms: bool) -> Mapping[str, int]:
    """The number of messages with each word, or form, up to `MAX_COUNTED`."""
    queries = [f"'{word}' | '{FORM_MARK}{word}'" if with_forms else f"'{word}'" for word in words]
    bindings = {"workspace": workspace, "words": words, "queries": queries, "most": MAX_COUNTED}
    bindings["looked_at"] = results.MAX_LOOKED_AT
    async with _connection_with(pool, USE_INDEX) as lent:
        rows = await lent.all(COUNT_MESSAGES, bindings)
    return {str(word): int(count) for word, count in rows}


@asynccontextmanager
async def _connection_with(pool: Pool, setting: str) -> AsyncIterator[ConnectionRows]:
    """A connection in a read-only transaction with a setting of the planner."""
    async with pool.connection() as lent, lent.connection.transaction(readonly=True):
        await lent.connection.execute(setting)
        yield lent


def _columns(sought: ParsedQuery) -> dict[str, object]:
    """The patterns of a query: patterns of terms are counted; one match of another form is enough for a group."""
    exact = [(number, term) for number, group in enumerate(sought.groups) for term in group]
    forms = [(number, pattern) for number, term in exact for pattern in patterns(term)]
    return {
        "groups": [number for number, _ in exact],
        "patterns": [term.pattern for _, term in exact],
        "repeating": [_overlaps(term.pattern) for _, term in exact],
        "leads": [_lead(term) for _, term in exact],
        "form_groups": [number for number, _ in forms],
        "forms": [pattern for _, pattern in forms],
        "excluded": [pattern for term in sought.excluded for pattern in (term.pattern, *patterns(term))],
        "lexemes": tsquery(sought),
        "excluded_forms": " | ".join(map(lexeme_of, sought.excluded_forms)),
    }


async def _records(pool: Pool, workspace: str, found: Sequence[Result] | Sequence[Near]) -> list[bytes | None]:
    """The records of the first of these messages, up to the size limit of a page; None for a deleted one."""
    bindings: dict[str, object] = {
        "workspace": workspace,
        "ids": [hit.session_id for hit in found],
        "sequences": [hit.sequence for hit in found],
        "bytes": results.MAX_PAGE_BYTES,
    }
    return [record for (record,) in await pool.all(RECORDS, bindings)]


def _overlaps(pattern: str) -> bool:
    """Whether two matches may share words, as matches of "a a" do in "a a a"."""
    return any(pattern.endswith(pattern[:length]) for length in range(2, len(pattern)))


def _lead(term: Term) -> str:
    """A regular expression that matches the first word of each match of a term."""
    pattern = term.pattern
    first = f" {term.words[0]} "
    return f"{re.escape(first)}(?={re.escape(pattern.removeprefix(first))})"
