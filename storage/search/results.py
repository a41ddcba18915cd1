"""The results of a search, best first; equal scores are ordered by session, then by message, later ones first.

A position among them is an opaque text of 32 characters (base64url, RFC 4648): a score in single precision, the 16
bytes of a session's id, and a sequence. Any such text is valid. In results by session, the score is the best one of
the session when the page was made, and the sequence is counted from the end.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import nlargest
from typing import NamedTuple
from uuid import UUID

import msgspec

from ..model.directory_path import normalize_or_keep
from ..model.queries import SearchHit, SearchQuery
from ..model.records import Listing, Role
from ..sql.ports import Bindings
from ..sql.statements.session_filters import TIMES, label_clause, label_filters, plain_clause
from ..values.clock import in_utc
from ..values.uuid7 import canonical_id
from .query_parser import ParsedQuery
from .snippets import Snippets
from .text_filters import NarrowedQuery

# The number of candidates, the latest messages that contain the words; filters and short prefixes select among them.
MAX_LOOKED_AT = 10_000
# The maximum number of messages that are ranked.
MAX_RANKED = 2_000
# The limit of bytes of messages that are ranked, or matched by short prefixes; the last message may exceed it.
MAX_BYTES = 8 * 1024 * 1024
# The maximum number of matches of a message that count.
MAX_MATCHES = 1_000
# The limit of text on a page.
MAX_PAGE_BYTES = 4 * 1024 * 1024
# This number of additional words lowers a score as much as one match less.
WORDS_OF_A_MATCH = 50

_POSITION = struct.Struct(">f16sI")
_FIRST = (2.0, "g", 0)
_MAX_SEQUENCE = 2**32 - 1

# The beginnings of the names of filters that exclude a role, and a label.
_WITHOUT_ROLE = "without_role_"
_WITHOUT = "without/"

_encode = msgspec.json.Encoder().encode

_SINGLE = struct.Struct("f")

# A score, a session, a sequence.
Position = tuple[float, str, int]
# The same, and a role.
Found = tuple[float, str, int, Role]
Filters = dict[str, str]


class Result(NamedTuple):
    """A message that was found, with its position among the results."""

    position: Position
    score: float
    session_id: str
    sequence: int
    role: Role


def score_of(counts: Sequence[int], words: int) -> float:
    """The score of a message with this number of words, between 0 and 1, by the exact matches of each group.

    A group that matches only by another form counts as half a match. The share of groups that match exactly comes
    first, then the number and the density of matches. Unlike bm25, the score depends only on the message, so that a
    page begins where the previous one ended.
    """
    exact = sum(count > 0 for count in counts)
    matches = min(sum(counts), MAX_MATCHES) + (len(counts) - exact) / 2
    score = (exact / len(counts) + matches / (matches + 1 + words / WORDS_OF_A_MATCH)) / 2
    return single(score)


def single(score: float) -> float:
    """Round a score to single precision, as in a position."""
    rounded: float = _SINGLE.unpack(_SINGLE.pack(score))[0]
    return rounded


def bindings_of(workspace: str, query: NarrowedQuery) -> tuple[Bindings, Filters]:
    """The bindings of a search, and the names of its filters, which are bindings too."""
    bindings: Bindings = {"workspace": workspace, "looked_at": MAX_LOOKED_AT, "ranked": MAX_RANKED}
    filters = {
        "role": query.role,
        "profile": query.profile,
        "amplified_dir": query.amplified_dir and normalize_or_keep(query.amplified_dir),
        "id": query.session_id and canonical_id(query.session_id),
    }
    filters |= {name: moment and in_utc(moment) for name in TIMES for moment in [getattr(query, name)]}
    filters |= {f"{_WITHOUT_ROLE}{place}": role for place, role in enumerate(query.without_roles)}
    names, labels = label_filters((*query.labels, *query.without_labels))
    required, excluded = names[: len(query.labels)], names[len(query.labels) :]
    # A label is a filter whose name is not a binding itself.
    filters |= dict.fromkeys([*required, *(f"{_WITHOUT}{name}" for name in excluded)], "") | {
        name: str(value) for name, value in labels.items()
    }
    return bindings, {name: value for name, value in filters.items() if value is not None}


def message_clauses(filters: Collection[str], message: str) -> list[str]:
    """The clauses of the filters for the table `message` with its session; clauses about sessions come last."""
    return [*role_clauses(filters, f"{message}.role"), *session_clauses(filters)]


def role_clauses(filters: Collection[str], role: str) -> list[str]:
    """The clauses of the filters that are about the role of a message."""
    excluded = [f"{role} <> :{name}" for name in sorted(filters) if name.startswith(_WITHOUT_ROLE)]
    return [f"{role} = :role", *excluded] if "role" in filters else excluded


def session_clauses(filters: Collection[str]) -> list[str]:
    """The clauses of the filters that are about sessions."""
    own = {"profile": "session.profile = :profile", "amplified_dir": "session.amplified_dir = :amplified_dir"}
    plain = [plain_clause(name) for name in sorted(filters) if name in TIMES or name.startswith("label/")]
    excluded = [label_clause(name.removeprefix(_WITHOUT)) for name in sorted(filters) if name.startswith(_WITHOUT)]
    return [*(own[name] for name in own if name in filters), *plain, *(f"NOT {clause}" for clause in excluded)]


def best(found: Iterable[Found], query: SearchQuery) -> list[Result]:
    """The results of the page, best first, and one more if there is a next page."""
    start = _FIRST if query.cursor is None else _position(query.cursor)
    places = _by_session(found) if query.group == "session" else ((hit[:3], hit) for hit in found)
    return [
        Result(place, *hit) for place, hit in nlargest(query.limit + 1, (each for each in places if each[0] < start))
    ]


def _by_session(found: Iterable[Found]) -> Iterator[tuple[Position, Found]]:
    """Hits with their positions: the session with the best score comes first, and its messages in their order."""
    hits = [*found]
    best_scores: dict[str, float] = {}
    for score, session_id, *_ in hits:
        best_scores[session_id] = max(score, best_scores.get(session_id, 0))
    for hit in hits:
        _, session_id, sequence, _ = hit
        yield (best_scores[session_id], session_id, _MAX_SEQUENCE - sequence), hit


def listing(found: list[Result], query: SearchQuery, contents: Iterable[str], sought: ParsedQuery) -> Listing:
    """The page of the messages found by a query, as far as `contents` has their texts, which it reads one at a time."""
    snippets = Snippets(sought.groups, all_required=query.mode == "words")
    hits = []
    shown = 0
    for hit, content in zip(found[: query.limit], contents, strict=False):
        shown += 1
        # A damaged index finds messages that do not match.
        if (snippet := snippets.of(content)) is not None:
            hits.append(_encode(SearchHit(hit.session_id, hit.sequence, hit.role, snippet, hit.score)))
    cursor = None if shown in {0, len(found)} else _cursor(found[shown - 1].position)
    return Listing(b",".join(hits), next_cursor=cursor)


def _position(cursor: str) -> Position:
    score, identity, sequence = _POSITION.unpack(urlsafe_b64decode(cursor))
    return score, str(UUID(bytes=identity)), sequence


def _cursor(position: Position) -> str:
    score, session_id, sequence = position
    return urlsafe_b64encode(_POSITION.pack(score, UUID(session_id).bytes, sequence)).decode()
