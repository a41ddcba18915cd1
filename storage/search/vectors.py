"""Stores and compares vectors, and ranks results that are found by words and by meaning.

A vector is stored twice: the sign of each number as a bit, and the number itself as a byte. A search first compares the
signs of many messages, by the number of differences, then the numbers of the most similar ones, by the cosine.
"""

import asyncio
import logging
from array import array
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from math import isfinite, sqrt
from operator import mul
from typing import NamedTuple

from ..model.database_errors import EmbedderMissing, EmbedderRefused, EmbedderUnavailable
from ..model.queries import Embedder, SearchQuery
from ..model.records import Message, Role
from .index_entry import read_record, tool_forms_of
from .query_parser import ParsedQuery, narrow, without_syntax
from .results import Found, single
from .text_match import TextMatch

# The maximum number of texts that an embedder takes at once.
TEXTS_AT_ONCE = 32
# The maximum number of numbers in a vector: PostgreSQL's index takes no more than 2,700 bytes of signs.
MAX_DIMENSIONS = 8_192
# The maximum number of the latest messages whose vectors are compared by their signs.
MAX_COMPARED = 200_000
# The maximum number of the most similar messages that are compared by their numbers, and of results.
MAX_NEAR = 400
MAX_FOUND = 100
# The vector represents only this much of the beginning of a text.
MAX_CHARACTERS = 2_000
# The maximum time that a search waits for the vector of its query.
QUERY_SECONDS = 5
# The constant of reciprocal rank fusion, as its authors chose it (https://doi.org/10.1145/1571941.1572114).
RANK_CONSTANT = 60

_LARGEST = 127


logger = logging.getLogger(__name__)


class Vector(NamedTuple):
    """A vector as it is stored: the signs of its numbers, a bit each, and the numbers as signed bytes."""

    signs: bytes
    numbers: bytes


Embed = Callable[[Sequence[str]], Awaitable[list[Vector | None]]]


class QueryVector(NamedTuple):
    """The vector of a query, and the model that made it."""

    model: str
    vector: Vector


class Near(NamedTuple):
    """A message with the numbers of its vector."""

    session_id: str
    sequence: int
    role: Role
    numbers: bytes


def quantize(vector: Sequence[float]) -> Vector | None:
    """A vector as it is stored; None for one without a direction. Raises `EmbedderRefused`."""
    if not 0 < len(vector) <= MAX_DIMENSIONS:
        raise EmbedderRefused(f"its vector has {len(vector)} numbers; the limits are 1 and {MAX_DIMENSIONS}")
    if not all(map(isfinite, vector)):
        raise EmbedderRefused("its vector has a number that is not finite")
    largest = max(map(abs, vector), default=0.0)
    if not largest:
        return None
    numbers = [round(number / largest * _LARGEST) for number in vector]
    signs = "".join(["1" if number > 0 else "0" for number in vector])
    size = (len(signs) + 7) // 8
    return Vector(int(signs.ljust(size * 8, "0"), 2).to_bytes(size), array("b", numbers).tobytes())


async def embed_texts(embedder: Embedder, texts: Sequence[str]) -> list[Vector | None]:
    """The vectors of 1 to 32 texts, as they are stored. Raises as `Embedder.embed`."""
    vectors = await embedder.embed([text[:MAX_CHARACTERS] for text in texts])
    return await asyncio.to_thread(lambda: [*map(quantize, vectors)])


async def embed_accepted(embed: Embed, texts: Sequence[str]) -> list[Vector | None]:
    """The vectors of 1 to 32 texts that `embed` returns; None for a text that it refuses, if it accepts another text.

    Raises as `Embedder.embed`.
    """
    try:
        return await embed(texts)
    except EmbedderRefused:
        if len(texts) > 1:
            return [vector for text in texts for vector in await embed_accepted(embed, [text])]
        # It may refuse all, for example because its model does not exist.
        await embed(["text"])
    logger.warning("The embedder refuses the text of a message, which is found by its words alone")
    return [None]


async def query_vector(embedder: Embedder | None, query: SearchQuery) -> QueryVector | None:
    """The vector of a query in hybrid mode. Raises `EmbedderMissing`, `EmbedderUnavailable`."""
    if query.mode == "words":
        return None
    if embedder is None:
        raise EmbedderMissing
    text = without_syntax(query.text)
    narrowed = narrow(query)
    if not text or narrowed is None or narrowed.scope == "tools":
        return None
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            [vector] = await embed_texts(embedder, [text])
    except TimeoutError as error:
        raise EmbedderUnavailable(f"it did not answer within {QUERY_SECONDS} seconds") from error
    except EmbedderRefused as error:
        # For a search both errors have the same effect.
        raise EmbedderUnavailable(error.reason) from error
    return None if vector is None else QueryVector(embedder.model, vector)


def nearest(vector: Vector, candidates: Iterable[Near]) -> list[Near]:
    """The candidates with the most similar vectors, the most similar first; if equal, later messages first."""
    sought = memoryview(vector.numbers).cast("b")
    return sorted(candidates, key=lambda each: (_cosine(sought, each.numbers), each[:2]), reverse=True)[:MAX_FOUND]


def _cosine(sought: "memoryview[int]", numbers: bytes) -> float:
    """The cosine of the angle between two vectors, times the length of the first."""
    other = memoryview(numbers).cast("b")
    product: int = sum(map(mul, sought, other))
    return product / (sqrt(sum(map(mul, other, other))) or 1)


def has_conditions(sought: ParsedQuery) -> bool:
    """Whether a message that is found by its meaning has to be read: for its tools, or for excluded words."""
    return bool(sought.required or sought.excluded or sought.excluded_forms)


def meets_conditions(message: Message, sought: ParsedQuery, match: TextMatch) -> bool:
    """Whether a message that is found by its meaning calls the tool of a query, and has no excluded words or tools."""
    return {*sought.required} <= {*tool_forms_of(message)} and not match.is_excluded(message)


def with_conditions(
    near: Iterable[Near], records: Iterable[bytes | None], sought: ParsedQuery, match: TextMatch
) -> list[Near]:
    """The messages that meet the conditions; `records` are those of the first ones (see `read_record`)."""
    return [
        neighbor
        for neighbor, record in zip(near, records, strict=False)
        if read_record(record, partial(meets_conditions, sought=sought, match=match))
    ]


def fuse_ranks(by_words: Iterable[Found], by_meaning: Iterable[Near]) -> Iterator[Found]:
    """Combine the results of both searches, with a score between 0 and 1 by reciprocal rank fusion."""
    scores: dict[tuple[str, int, Role], float] = {}
    words = [(session_id, sequence, role) for _, session_id, sequence, role in sorted(by_words, reverse=True)]
    for ranked in (words, [hit[:3] for hit in by_meaning]):
        for rank, place in enumerate(ranked, 1):
            scores[place] = scores.get(place, 0) + 1 / (RANK_CONSTANT + rank)
    best = 2 / (RANK_CONSTANT + 1)
    for place, score in scores.items():
        yield single(score / best), *place
