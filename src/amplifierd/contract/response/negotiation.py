"""Chooses the representation of records that a client prefers (RFC 9110, section 12.5.1)."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from ..core.problems import Problem, shorten
from ..core.request_state import Fields
from ..request.body import JSON, NDJSON

# The number of `Accept` headers whose choices are cached for an operation.
MAX_REMEMBERED = 32

_records = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode_lines = msgspec.json.Encoder().encode_lines

# Writes the records of a JSON array in a media type, one after the other.
Renderer = Callable[[bytes], bytes]


class Representation(NamedTuple):
    """A representation: `block` converts records, given as JSON with commas between them and perhaps one before."""

    content_type: bytes
    block: Callable[[bytes], bytes]
    before: bytes = b""
    after: bytes = b""


JSON_ARRAY = Representation(JSON.encode(), lambda block: block, b"[", b"]")


class Representations:
    """The representations of an operation's response by media type; the first is the default."""

    def __init__(self, media_types: list[str], renderers: Mapping[str, Renderer]) -> None:
        """Raises KeyError for a media type without a renderer."""
        self._media_types = media_types
        self._forms = {name: _representation(name, renderers) for name in media_types}
        # Clients mostly repeat the same header.
        self._chosen = lru_cache(maxsize=MAX_REMEMBERED)(self._choose)

    def choose(self, fields: Fields) -> Representation:
        """The representation that a request's `Accept` prefers. Raises a 406 problem if it accepts none."""
        return self._chosen(fields.get(b"accept", ()))

    def _choose(self, values: tuple[bytes, ...]) -> Representation:
        accepts = [value.decode("latin-1") for value in values if value]
        if not accepts:
            return self._forms[self._media_types[0]]
        accept = ", ".join(accepts)
        best = preferred(accept, self._media_types)
        if best is None:
            names = ", ".join(self._media_types)
            detail = f"Accept '{shorten(accept, 200)}' allows none of {names}."
            raise Problem(406, "not-acceptable", detail, headers={"Vary": "Accept"})
        return self._forms[best]


def preferred(accept: str, media_types: list[str]) -> str | None:
    """The media type that an `Accept` header prefers, the first of equals; None if it accepts none.

    Parameters do not count, because each representation has only one charset.
    """
    ranges = [(name.partition(";")[0].rstrip(), quality) for name, quality in parse_accept_header(accept)]
    return MIMEAccept(ranges).best_match(media_types)


def _representation(media_type: str, renderers: Mapping[str, Renderer]) -> Representation:
    if media_type == JSON:
        return JSON_ARRAY
    rendering = _lines_of if media_type == NDJSON else renderers[media_type]
    charset = b"; charset=utf-8" if media_type.startswith("text/") else b""
    return Representation(media_type.encode() + charset, lambda block: rendering(_array(block)))


def _array(block: bytes) -> bytes:
    return b"[" + block.removeprefix(b",") + b"]"


def _lines_of(array: bytes) -> bytes:
    return _encode_lines(_records(array))
