"""Chunked bodies (RFC 9112, section 7.1) without their chunk extensions, which mean nothing here.

httptools takes no blanks around them, which a recipient has to take.
"""

import re

# `1a; name = "value"`: a size, then extensions with blanks around each part of them.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_EXTENSION = rb"[\t ]*+;[\t ]*+%b(?:[\t ]*+=[\t ]*+(?:%b|%b))?+" % (_TOKEN, _TOKEN, _QUOTED)
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]++)(?:%b)*+\r\n" % _EXTENSION)

_LINE_END = b"\r\n"
_END = b"\r\n\r\n"


def end_of_head(piece: bytes, before: bytes | None) -> int:
    """Where the first head of a chunked body ends in what a client sends, or else the piece: what is there is no body.

    `before` is what came before the piece of a head that has begun; None if none has.
    """
    if before is None:
        start = piece.lower().find(b"chunked")
        end = -1 if start < 0 else piece.find(_END, start)
        return len(piece) if end < 0 else end + len(_END)
    end = (before + piece).find(_END)
    return len(piece) if end < 0 else end + len(_END) - len(before)


class ChunkedBody:
    """One chunked body as it comes: what the parser is given of it, and where it ends."""

    def __init__(self) -> None:
        # What came of a line with a size; how much of a chunk and of its line end is to come; what came of trailers.
        self._line = b""
        self._left = 0
        self._trailers: bytes | None = None

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """The part of the body that `data` begins with, without extensions, and what comes after the body in it.

        A line with a size is given when it is whole. One that is invalid is given as it is, for the parser to refuse.
        """
        taken: list[bytes] = []
        while data and self._trailers is None:
            if self._left:
                taken.append(data[: self._left])
                data = data[self._left :]
                self._left -= len(taken[-1])
            else:
                line, data = self._take_line(data)
                taken.append(line)
        if self._trailers is not None:
            trailers, data = self._take_trailers(data)
            taken.append(trailers)
        return b"".join(taken), data

    def _take_line(self, data: bytes) -> tuple[bytes, bytes]:
        before = len(self._line)
        self._line += data
        end = self._line.find(_LINE_END, max(0, before - 1))
        if end < 0 and b"\n" in data:
            # No line end, and nothing that a line has.
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
            # The end is an empty line, after this one or after trailers.
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
