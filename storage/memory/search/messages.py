"""Matches and ranks the latest messages that have all words of a query, by their texts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Raw

from ...model.directory_path import normalize_or_keep
from ...model.interface import Storage
from ...model.queries import SearchQuery
from ...model.records import Listing, Message, Session
from ...search import results
from ...search.index_entry import entry_of, searched_text, tool_form, tool_forms
from ...search.query_parser import parse_query
from ...search.results import Found, best, listing
from ...search.suggestions import MAX_COUNTED, suggest
from ...search.text_filters import NarrowedQuery
from ...search.text_match import TextMatch
from ...search.tokenizer import Tokenizer
from ...search.vectors import fuse_ranks, meets_conditions, query_vector
from ...values.uuid7 import canonical_id
from ..access import MemoryAccess
from ..contents import Workspace
from ..session_lists import has_labels, is_between


class MemorySearch(MemoryAccess, Storage):
    """Implements the search."""

    async def search_messages(self, workspace: str, query: SearchQuery) -> Listing:
        vector = await query_vector(self._options.embedder, query)
        stored = await self._workspace(workspace)
        tokenizer = Tokenizer()
        parsed = parse_query(query, tokenizer.sought)
        if parsed is None:
            return Listing(b"")
        sought, narrowed = parsed
        match = TextMatch(sought, narrowed.scope, tokenizer)
        hits: Iterator[Found] = islice(_found(stored, narrowed, match), results.MAX_RANKED)
        if vector is not None and self._options.embedder is not None:
            candidates = [found for found in _filtered(stored, narrowed) if meets_conditions(found[1], sought, match)]
            hits = fuse_ranks(hits, await self._vectors.nearest(self._options.embedder, stored, vector, candidates))
        found = best(hits, narrowed)
        contents = []
        size = 0
        for hit in found[: narrowed.limit]:
            message = stored.find(hit.session_id).message(hit.session_id, hit.sequence)
            contents.append(searched_text(message, narrowed.scope))
            size += len(contents[-1])
            if size > results.MAX_PAGE_BYTES:
                break
        return listing(found, narrowed, contents, sought)

    async def suggest_searches(self, workspace: str, text: str, limit: int) -> Listing:
        stored = await self._workspace(workspace)
        tokenizer = Tokenizer()
        entries = [entry_of(message, tokenizer) for _, message in _messages(stored, SearchQuery(text))]

        async def count(words: Sequence[str], *, with_forms: bool) -> Mapping[str, int]:
            in_entries = ({*entry.different_words(), *(entry.forms if with_forms else ())} for entry in entries)
            found = Counter(word for each in in_entries for word in each)
            return {word: min(found[word], MAX_COUNTED) for word in words}

        return await suggest(text, limit, count)

    async def waiting_vectors(self) -> int | None:
        # Each search computes the vectors that it needs.
        return None if self._options.embedder is None else 0

    async def waiting_messages(self) -> int | None:
        # There is no index.
        return 0


def _found(workspace: Workspace, query: NarrowedQuery, match: TextMatch) -> Iterator[Found]:
    """The matching messages among the latest ones that have the words, the latest first."""
    candidates = (
        (session, message)
        for session, message in _messages(workspace, query)
        if _calls(message, query.tool) and match.has_words(message)
    )
    for session, message in islice(candidates, results.MAX_LOOKED_AT):
        score = match.score(message)
        if score is not None and _passes(session, message, query):
            yield score, session.id, message.sequence, message.role


def _filtered(workspace: Workspace, query: NarrowedQuery) -> Iterator[tuple[Session, Message]]:
    """The messages with a text that pass the filters."""
    for session, message in _messages(workspace, query):
        if message.content and _passes(session, message, query):
            yield session, message


def _messages(workspace: Workspace, query: SearchQuery) -> Iterator[tuple[Session, Message]]:
    for session_id, conversation in sorted(workspace.conversations.items(), reverse=True):
        if query.session_id is None or canonical_id(query.session_id) == session_id:
            yield from ((conversation.session, message) for message in reversed(conversation.messages))


def _calls(message: Message, tool: str | None) -> bool:
    """Whether a message calls `tool`; true if that is None."""
    return tool is None or (isinstance(message.parts, Raw) and tool_form(tool) in tool_forms(message.parts))


def _passes(session: Session, message: Message, query: NarrowedQuery) -> bool:
    return (
        query.role in (None, message.role)
        and message.role not in query.without_roles
        and query.profile in (None, session.profile)
        and (query.amplified_dir is None or session.amplified_dir == normalize_or_keep(query.amplified_dir))
        and has_labels(session.labels or {}, query.labels)
        and not any(has_labels(session.labels or {}, (label,)) for label in query.without_labels)
        and is_between(session.created_at, query.created_after, query.created_before)
        and is_between(session.updated_at, query.updated_after, query.updated_before)
    )
