"""The results of a search, best first; equal scores are ordered by session, then by message, later ones first.

A position among them is an opaque text of 32 characters (base64url, RFC 4648), and any such text is valid: a score in
single precision, the sixteen bytes of a session's id, a sequence.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Iterable, Sequence
from heapq import nlargest
from uuid import UUID

import msgspec

from ..model.directory_path import normalize_or_keep
from ..model.queries import SearchHit, SearchQuery
from ..model.records import Listing, Role
from ..sql.ports import Bindings
from ..sql.statements.session_filters import TIMES, label_filters, plain_clause
from ..values.clock import in_utc
from ..values.uuid7 import canonical_id
from .query_parser import ParsedQuery
from .snippets import Snippets

# As many of the latest messages that contain the words are candidates; filters and short prefixes select among them.
MAX_LOOKED_AT = 10_000
# As many messages are ranked.
MAX_RANKED = 2_000
# Messages are ranked, and short prefixes matched, in as many bytes; the last message may exceed it.
MAX_BYTES = 8 * 1024 * 1024
# At most as many matches of a message count.
MAX_MATCHES = 1_000
# The limit of text on a page.
MAX_PAGE_BYTES = 4 * 1024 * 1024
# As many more words weigh as much as one match less.
WORDS_OF_A_MATCH = 50

_POSITION = struct.Struct(">f16sI")
_FIRST = (2.0, "g", 0)

_encode = msgspec.json.Encoder().encode

_SINGLE = struct.Struct("f")

# A score, a session, a sequence.
Position = tuple[float, str, int]
# The same, and a role.
Found = tuple[float, str, int, Role]
Filters = dict[str, str]


def score_of(counts: Sequence[int], words: int) -> float:
    """The score of a message with this number of words, between 0 and 1, by the exact matches of each group.

    A group that matches by another form alone counts half a match. The share of groups that match exactly comes first,
    then the number and the density of matches. It depends on the message alone, unlike bm25, so that a page begins
    where the previous one ended.
    """
    exact = sum(count > 0 for count in counts)
    matches = min(sum(counts), MAX_MATCHES) + (len(counts) - exact) / 2
    score = (exact / len(counts) + matches / (matches + 1 + words / WORDS_OF_A_MATCH)) / 2
    # In the precision that a position has.
    rounded: float = _SINGLE.unpack(_SINGLE.pack(score))[0]
    return rounded


def bindings_of(workspace: str, query: SearchQuery) -> tuple[Bindings, Filters]:
    """The bindings of a search; and its filters, which are bindings too."""
    bindings: Bindings = {"workspace": workspace, "looked_at": MAX_LOOKED_AT, "ranked": MAX_RANKED}
    filters = {
        "role": query.role,
        "profile": query.profile,
        "amplified_dir": query.amplified_dir and normalize_or_keep(query.amplified_dir),
        "id": query.session_id and canonical_id(query.session_id),
    }
    filters |= {name: moment and in_utc(moment) for name in TIMES for moment in [getattr(query, name)]}
    names, labels = label_filters(query.labels)
    # A label is a filter by its name, which binds nothing itself.
    filters |= dict.fromkeys(names, "") | {name: str(value) for name, value in labels.items()}
    return bindings, {name: value for name, value in filters.items() if value is not None}


def session_clauses(filters: Collection[str]) -> list[str]:
    """The clauses of the filters that are about sessions."""
    own = {"profile": "session.profile = :profile", "amplified_dir": "session.amplified_dir = :amplified_dir"}
    plain = [plain_clause(name) for name in sorted(filters) if name in TIMES or name.startswith("label/")]
    return [*(own[name] for name in own if name in filters), *plain]


def best(found: Iterable[Found], query: SearchQuery) -> list[Found]:
    """The results of the page, best first, and one more if there is a next page."""
    position = _FIRST if query.cursor is None else _position(query.cursor)
    if query.group is None:
        return nlargest(query.limit + 1, (hit for hit in found if hit[:3] < position))
    hits = [*found]
    order = _order_by_session(hits)
    first = order(position)
    return nlargest(query.limit + 1, (hit for hit in hits if order(hit[:3]) < first), key=lambda hit: order(hit[:3]))


def _order_by_session(hits: Iterable[Found]) -> Callable[[Position], tuple[float, str, float, int]]:
    """The sort key of hits that are grouped by session: the best score of a session comes first."""
    best_scores: dict[str, float] = {}
    for score, session_id, *_ in hits:
        best_scores[session_id] = max(score, best_scores.get(session_id, 0))

    def key(position: Position) -> tuple[float, str, float, int]:
        score, session_id, sequence = position
        return best_scores.get(session_id, score), session_id, score, sequence

    return key


def listing(found: list[Found], query: SearchQuery, contents: Sequence[str], sought: ParsedQuery) -> Listing:
    """The page of the messages found by a query, as far as `contents` has their texts."""
    page = [*zip(found[: query.limit], contents, strict=False)]
    snippets = Snippets(sought.groups)
    hits = [
        SearchHit(session_id, sequence, role, snippet, score)
        for (score, session_id, sequence, role), content in page
        # A damaged index finds messages that do not match.
        if (snippet := snippets.of(content)) is not None
    ]
    cursor = None if len(found) == len(page) else _cursor(*page[-1][0][:3])
    return Listing(b",".join(map(_encode, hits)), next_cursor=cursor)


def _position(cursor: str) -> Position:
    score, identity, sequence = _POSITION.unpack(urlsafe_b64decode(cursor))
    return score, str(UUID(bytes=identity)), sequence


def _cursor(score: float, session_id: str, sequence: int) -> str:
    return urlsafe_b64encode(_POSITION.pack(score, UUID(session_id).bytes, sequence)).decode()
