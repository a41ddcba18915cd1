"""Splits a client's bytes for the parser, and removes the extensions of chunked bodies, which have no meaning here.

A recipient must accept blanks around extensions (RFC 9112, section 7.1.1), and httptools does not.
"""

import re
from enum import IntEnum

# `1a; name = "value"`: a size, then extensions with blanks around each part of them.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_EXTENSION = rb"[\t ]*+;[\t ]*+%b(?:[\t ]*+=[\t ]*+(?:%b|%b))?+" % (_TOKEN, _TOKEN, _QUOTED)
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]++)(?:%b)*+\r\n" % _EXTENSION)


class ParseState(IntEnum):
    """The part of a request that the parser reads next; IDLE between requests."""

    IDLE = 0
    HEAD = 1
    BODY = 2


# Constants, because each access to a member of an enum class calls a Python function, and a request has about ten.
IDLE, HEAD, BODY = ParseState

_LINE_END = b"\r\n"
_END = b"\r\n\r\n"


class ChunkedBody:
    """Reads one chunked body as it arrives: passes its bytes to the parser, and finds its end."""

    def __init__(self) -> None:
        # The received part of a size line; the bytes left of a chunk with its line end; the received part of trailers.
        self._line = b""
        self._left = 0
        self._trailers: bytes | None = None

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """The part of the body at the start of `data`, without extensions, and the rest of `data` after the body.

        A size line is passed on when it is complete. An invalid one is passed on unchanged, for the parser to refuse.
        """
        chunks: list[bytes] = []
        while data and self._trailers is None:
            if self._left:
                chunks.append(data[: self._left])
                data = data[self._left :]
                self._left -= len(chunks[-1])
            else:
                line, data = self._take_line(data)
                chunks.append(line)
        if self._trailers is not None:
            trailers, data = self._take_trailers(data)
            chunks.append(trailers)
        return b"".join(chunks), data

    def _take_line(self, data: bytes) -> tuple[bytes, bytes]:
        before = len(self._line)
        self._line += data
        end = self._line.find(_LINE_END, max(0, before - 1))
        if end < 0 and b"\n" in data:
            # A lone line feed is neither a line end nor a character of a line.
            end = len(self._line)
        if end < 0:
            return b"", b""
        line, rest = self._line[: end + 2], self._line[end + 2 :]
        self._line = b""
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            return b"?" + line, rest
        size = int(found[1], 16)
        if size:
            self._left = size + len(_LINE_END)
        else:
            # The body ends at an empty line, after this one or after trailers.
            self._trailers = _LINE_END
        return found[1] + _LINE_END, rest

    def _take_trailers(self, data: bytes) -> tuple[bytes, bytes]:
        assert self._trailers is not None
        before = len(self._trailers)
        seen = self._trailers + data
        end = seen.find(_END)
        if end < 0:
            self._trailers = seen[-3:]
            return data, b""
        return data[: end + len(_END) - before], data[end + len(_END) - before :]


class Pieces:
    """Splits a client's bytes so that each chunked body starts a new piece, and no other piece has a part of it.

    `chunks` is the current chunked body, if any; `body_left` is the number of bytes left of a body with a length.
    """

    def __init__(self) -> None:
        self.chunks: ChunkedBody | None = None
        self.body_left = 0
        # The last bytes of the previous piece: the end of a head may be split between two pieces.
        self._last = b""

    def left(self, state: ParseState) -> int:
        """The number of bytes left of a body with a length; 0 for any other part of a request."""
        return self.body_left if state is BODY and self.chunks is None else 0

    def take(self, piece: bytes, state: ParseState) -> tuple[bytes, int]:
        """The bytes of a piece for the parser, and the number of bytes of the piece that they represent."""
        if state is BODY:
            if self.chunks is not None:
                taken, left = self.chunks.take(piece)
                return taken, len(piece) - len(left)
            size = min(len(piece), self.body_left) or len(piece)
        elif state is HEAD:
            end = (self._last + piece).find(_END)
            size = len(piece) if end < 0 else end + len(_END) - len(self._last)
        else:
            # A chunked body follows its head, which declares it.
            start = piece.lower().find(b"chunked")
            end = -1 if start < 0 else piece.find(_END, start)
            size = len(piece) if end < 0 else end + len(_END)
        taken = piece[:size]
        self._last = taken[-3:] if size > 2 else (self._last + taken)[-3:]
        return taken, size
