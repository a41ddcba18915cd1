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
# After this number of chunks, which take about a millisecond, the other connections get their turn.
CHUNKS_OF_A_TURN = 1_000
_LAST_SIZE_LINE = b"0\r\n"
# A larger size is invalid (RFC 9112, section 7.1: a recipient must prevent overflows).
_MAX_SIZE = 2**63 - 1


class ChunkedBody:
    """Reads one chunked body as it arrives: passes what it contains to the parser in longer chunks, and finds its end.

    A parser calls a function for each chunk: for those of one byte, that takes longer than others may wait.
    """

    def __init__(self) -> None:
        # The received part of a size line; the bytes left of a chunk with its line end; the received part of trailers.
        self._line = b""
        self._left = 0
        self._trailers: bytes | None = None
        # The number of chunks that `take` has begun.
        self.count = 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """The body at the start of `data`, as one chunk, and the rest of `data` after the body.

        An invalid line is passed on with a character that the parser refuses.
        """
        if self._line:
            if b"\n" not in data:
                self._line += data
                return b"", b""
            data, self._line = self._line + data, b""
        content: list[bytes] = []
        place, is_valid = 0, True
        is_over = self._trailers is not None
        while is_valid and place < len(data) and self._trailers is None:
            take = self._take_content if self._left else self._take_line
            place, is_valid = take(data, place, content)
        chunk = _chunk(b"".join(content))
        if not is_valid:
            return chunk + b"?" + data[place:], b""
        if self._trailers is None:
            return chunk, b""
        trailers, rest = self._take_trailers(data[place:])
        return chunk + (b"" if is_over else _LAST_SIZE_LINE) + trailers, rest

    def _take_content(self, data: bytes, place: int, content: list[bytes]) -> tuple[int, bool]:
        """Take the rest of a chunk, or a part of it, and its line end.

        Returns the next place, and whether what was taken is valid.
        """
        size = self._left - len(_LINE_END)
        if size > 0:
            taken = data[place : place + size]
            content.append(taken)
            place += len(taken)
            self._left -= len(taken)
        line_end = data[place : place + self._left] if self._left <= len(_LINE_END) else b""
        is_valid = line_end == _LINE_END[len(_LINE_END) - self._left :][: len(line_end)]
        self._left -= len(line_end)
        return place + len(line_end), is_valid

    def _take_line(self, data: bytes, place: int, content: list[bytes]) -> tuple[int, bool]:
        """Take a size line, or keep a part of it, and its chunk if that is whole. Returns the same."""
        found = _SIZE_LINE.match(data, place)
        if found is None:
            # A lone line feed is neither a line end nor a character of a line.
            is_valid = data.find(b"\n", place) < 0
            if is_valid:
                self._line, place = data[place:], len(data)
            return place, is_valid
        size, start = int(found[1], 16), found.end()
        end = start + size
        self.count += 1
        if not size:
            # The body ends at an empty line, after this one or after trailers.
            self._trailers = _LINE_END
        elif data.startswith(_LINE_END, end):
            content.append(data[start:end])
            return end + len(_LINE_END), True
        else:
            self._left = size + len(_LINE_END)
        return start, size <= _MAX_SIZE

    def _take_trailers(self, data: bytes) -> tuple[bytes, bytes]:
        assert self._trailers is not None
        before = len(self._trailers)
        seen = self._trailers + data
        end = seen.find(_END)
        if end < 0:
            self._trailers = seen[-3:]
            return data, b""
        return data[: end + len(_END) - before], data[end + len(_END) - before :]


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""


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

    def has_many_chunks(self) -> bool:
        """Whether CHUNKS_OF_A_TURN chunks were taken since the last time that there were as many."""
        if self.chunks is None or self.chunks.count < CHUNKS_OF_A_TURN:
            return False
        self.chunks.count = 0
        return True

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
