"""Queries of lists and searches: which sessions or messages, in which order."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Literal, TypeVar

from msgspec import Struct

from .records import Listing, Role, SessionStatus

SessionSort = Literal["-updated_at", "updated_at", "-created_at", "created_at", "name", "-name"]
MessageOrder = Literal["asc", "desc"]
SearchScope = Literal["text", "tools", "all"]
SearchGrouping = Literal["session"]
SearchMode = Literal["words", "hybrid"]
# The maximum length of a query, in characters.
MAX_QUERY = 1_000
Record = TypeVar("Record")


class SessionFilter(Struct, frozen=True, forbid_unknown_fields=True, rename={"labels": "label"}):
    """Which sessions to select: those that pass each filter that is not None.

    `name` is a part of the name in any case; `recursive` includes subdirectories of `amplified_dir`. Times have six
    digits. A session passes with one of the statuses and one of the ids, if there are any, and with all of the labels:
    a key, or a key and a value with a colon between them. `roots` are sessions without a parent.
    """

    status: tuple[SessionStatus, ...] = ()
    profile: str | None = None
    amplified_dir: str | None = None
    recursive: bool = False
    parent_session_id: str | None = None
    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None
    name: str | None = None
    labels: tuple[str, ...] = ()
    archived: bool | None = None
    pinned: bool | None = None
    roots: bool = False
    ids: tuple[str, ...] = ()


class SessionQuery(SessionFilter, frozen=True):
    """Which sessions to list, in which order.

    `limit` is at least 1, None for all; `cursor` is a listing's `next_cursor`. With `total` all that pass are counted,
    on each page.

    By name sessions are sorted without case, by code points; those without a name are the last, with a minus the first.

    With filters and a limit, 10,000 sessions in the order of the list are examined for one page: it may have fewer than
    `limit`, even none, and still lead to the next.
    """

    sort: SessionSort = "-updated_at"
    total: bool = False
    limit: int | None = None
    cursor: str | None = None


class DeletionQuery(SessionQuery, frozen=True, kw_only=True):
    """Which sessions a deletion lists: none that was written after the revision `last_revision`."""

    last_revision: int


class SessionDeletion(Struct, frozen=True, forbid_unknown_fields=True):
    """Which sessions to delete, or with `dry_run` to report."""

    filter: SessionFilter
    dry_run: bool = True


class MessageQuery(Struct, frozen=True):
    """Which messages of a session to list, in which order.

    Messages with `after_sequence` < sequence < `before_sequence`, of `role` if that is not None, with a call that has
    no result if `open_calls` is set, with the client's own `id` if that is given; at most `limit` of them (at least 1,
    None for all): the last ones if `before_sequence` is given or `order` is desc, else the first. With a role and a
    limit they are found among the last, or the first, 10,000, and the listing leads to the next page.
    """

    limit: int | None = None
    after_sequence: int | None = None
    before_sequence: int | None = None
    role: Role | None = None
    order: MessageOrder = "asc"
    open_calls: bool = False
    id: str | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether messages must be examined to find those that match."""
        return self.role is not None or self.open_calls or self.id is not None

    @property
    def from_end(self) -> bool:
        """Whether a limited list has the last messages rather than the first."""
        return self.before_sequence is not None or self.order == "desc"

    @property
    def page_after(self) -> str:
        """The name of the member that leads to the next page."""
        return "before_sequence" if self.from_end else "after_sequence"


class SearchQuery(Struct, frozen=True, rename={"text": "q", "scope": "in", "labels": "label"}):
    """A search: `text` as a person types it, within `scope`; each filter that is not None must match.

    `labels` and times are those of the messages' sessions, as in a `SessionQuery`; `tool` is one that messages call.
    With `group` the hits of a session follow each other in the order of its messages, the session with the best hit
    first. In `hybrid` mode messages are found by their meaning too.

    `limit` is at least 1; `cursor` is a listing's `next_cursor`.
    """

    text: str
    role: Role | None = None
    profile: str | None = None
    amplified_dir: str | None = None
    session_id: str | None = None
    limit: int = 50
    cursor: str | None = None
    scope: SearchScope = "all"
    labels: tuple[str, ...] = ()
    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None
    tool: str | None = None
    group: SearchGrouping | None = None
    mode: SearchMode = "words"


class SearchHit(Struct, frozen=True, rename="camel"):
    """A message that was found; `snippet` is HTML with matches in `<mark>`, `score` is between 0 and 1."""

    session_id: str
    sequence: int
    role: Role
    snippet: str
    score: float


class Replacement(Struct, frozen=True):
    """A word of a query, and its replacement."""

    word: str
    replacement: str


class SearchSuggestion(Struct, frozen=True):
    """A query in which mistyped words are replaced with words from messages."""

    q: str
    replacements: list[Replacement]


class Embedder(ABC):
    """A model that turns texts into vectors: texts of similar meaning have vectors of similar direction.

    `model` names it, in at most 200 characters: vectors are compared only with those of the same name.
    """

    model: str

    @abstractmethod
    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        """A vector for each of 1 to 32 texts of at most 2,000 characters, in their order, all of the same length.

        A vector has 1 to 8,192 finite numbers. Raises `EmbedderRefused` if it will never accept one of the texts, and
        `EmbedderUnavailable` if a retry may succeed.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; calls that are under way may fail."""


class Search(ABC):
    """Searches the messages of a workspace; see `Storage` for what all methods have in common."""

    @abstractmethod
    async def search_messages(self, workspace: str, query: SearchQuery) -> Listing:
        """List `SearchHit` records of messages that contain all words and phrases of a text, best first.

        Hits with equal scores are ordered by session, later ones first, and within a session by message, later ones
        first. The scope of the query selects the text: what a message says, its tools, or both as one text; tools are
        the names and inputs of calls, the outputs of results, and the texts that belong to those. Words are separated,
        and compared without case and accents, as Unicode defines; without quotes other forms of a word match as well,
        and rank below it (see `search/tokenizer.py`). Everything written before the call is found. A score depends on
        its message alone: later writes do not shift pages.

        The first 16 different terms are used, and the first 64 words of each. The latest 10,000 messages that contain
        all words are candidates, within the session if the query names one; the scope, filters, phrases, excluded
        words and prefixes of 1 or 2 letters select among them. The latest 2,000 of these are ranked, or fewer at 8
        MiB in all; phrases, excluded words and such prefixes are matched in 8 MiB. Of a message the first 900,000
        bytes of different words and forms are indexed. Up to 1,000 matches of a message count. A page ends at 4 MiB
        of text, with its cursor. Other workspaces have no influence.

        In `hybrid` mode the 100 messages with the most similar vectors are found as well, also without the words, if
        they match the filters, call the tools and have no excluded words, for which 4 MiB of them are read; the scope
        `tools` has none. The vector is that of the first 2,000 characters of a text; among those of the latest 200,000
        messages, within the session if the query names one, the 10,000 most similar ones are examined. A message
        without a vector yet is found by its words alone.
        Reciprocal rank fusion combines both orders (Cormack, Clarke and Buettcher 2009,
        https://doi.org/10.1145/1571941.1572114), so that a score depends on the other messages that are found. Raises
        `EmbedderMissing` if the storage has no embedder, `EmbedderUnavailable` if that does not answer in 5 seconds.

        Raises `SearchIndexNotReady` within a second if more than 10,000 messages of the workspace, or more than 16 MiB,
        wait to be indexed, and `StorageUnavailable` if other searches leave it no slot for 5 seconds.
        """

    @abstractmethod
    async def suggest_searches(self, workspace: str, text: str, limit: int) -> Listing:
        """List at most `limit` `SearchSuggestion` records for a query that finds nothing because words are mistyped.

        A word without quotes of 3 to 32 letters, in a script with spaces, is mistyped if no message has it in any form.
        Other words that differ from it by one edit take its place, those of the most messages first, then in order of
        the alphabet; messages past 1,000 do not count. The list is empty if no word is mistyped, one of them has no
        such neighbor, or there are more than 3. Raises as `search_messages` does.
        """

    @abstractmethod
    async def waiting_messages(self) -> int | None:
        """How many messages of all workspaces wait to be indexed, as of the last seconds.

        At most 100,000 changed sessions of each workspace are counted. It is None if the database does not answer
        within a second.
        """

    @abstractmethod
    async def waiting_vectors(self) -> int | None:
        """How many messages of all workspaces wait for a vector, as `waiting_messages` counts.

        It is None without an embedder, or if the database does not answer within a second.
        """


async def all_records(
    list_page: Callable[[str | None], Awaitable[Listing]], decode: Callable[[bytes], list[Record]]
) -> AsyncIterator[Record]:
    """The records of all pages; `list_page` returns the page at a cursor."""
    cursor: str | None = None
    while True:
        page = await list_page(cursor)
        for record in decode(b"[" + page.first + b"]"):
            yield record
        cursor = page.next_cursor
        if cursor is None:
            return
