"""Hits of a search, the best first: of those that are alike the later session's, of one session the later message.

A position among them is an opaque text of 32 characters (base64url, RFC 4648), and any such text is a position: a score
in single precision, the sixteen bytes of a session's id, a sequence.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

import msgspec

from .directory_path import spelt
from .identity import canonical_id
from .records import Listing, Role, SearchHit, SearchQuery
from .snippets import snippets

MOST_RANKED = 10_000

_POSITION = struct.Struct(">f16sI")
_FIRST = (2.0, "g", 0)

_encode = msgspec.json.Encoder().encode

# A score, a session, a sequence, a role, and what the message says.
Found = tuple[float, str, int, Role, str]
Bindings = dict[str, str | int | float]
Filters = dict[str, str]


def bindings_of(workspace: str, query: SearchQuery) -> tuple[Bindings, Filters]:
    """What a search is given; and its filters, which it is given as well. It reads one hit more than the page has."""
    score, session_id, sequence = _FIRST if query.cursor is None else _position(query.cursor)
    bindings: Bindings = {
        "workspace": workspace,
        "score": score,
        "after_id": session_id,
        "after_sequence": sequence,
        "ranked": MOST_RANKED,
        "limit": query.limit + 1,
    }
    filters = {
        "role": query.role,
        "profile": query.profile,
        "amplified_dir": query.amplified_dir and spelt(query.amplified_dir),
        "id": query.session_id and canonical_id(query.session_id),
    }
    return bindings, {name: value for name, value in filters.items() if value is not None}


def listing(found: list[Found], query: SearchQuery, phrases: Sequence[str]) -> Listing:
    """The page of what was found by `phrases`, which are in FTS5's language."""
    page = found[: query.limit]
    texts = snippets([content for *_, content in page], phrases)
    hits = [
        SearchHit(session_id, sequence, role, snippet, score)
        for (score, session_id, sequence, role, _), snippet in zip(page, texts, strict=True)
        # An index that is damaged finds what is not there.
        if snippet is not None
    ]
    cursor = None if len(found) == len(page) else _cursor(*page[-1][:3])
    return Listing(b",".join(map(_encode, hits)), next_cursor=cursor)


def _position(cursor: str) -> tuple[float, str, int]:
    score, identity, sequence = _POSITION.unpack(urlsafe_b64decode(cursor))
    return score, str(UUID(bytes=identity)), sequence


def _cursor(score: float, session_id: str, sequence: int) -> str:
    return urlsafe_b64encode(_POSITION.pack(score, UUID(session_id).bytes, sequence)).decode()
