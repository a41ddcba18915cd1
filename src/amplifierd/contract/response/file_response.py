"""Serves the bytes of files, or a range of them (RFC 9110, section 14), so that no page can run them.

Browsers download a file and never show it as a page of this server: `nosniff` keeps them from guessing its type, the
sandbox from running anything in it, and scripts and styles are served without their media type.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple
from urllib.parse import quote

from starlette.types import Scope, Send

from ...storage.model.files import UNKNOWN_MEDIA, Download, File, FileContent
from ..core.problems import Headers, Problem
from ..core.request_state import Fields, request_state_of
from .etag import NOT_MODIFIED, Preconditions

# Sends a block; raises `ClientDisconnect` if the client does not read it.
Write = Callable[[Send, bytes], Awaitable[None]]

OK = 200
PARTIAL_CONTENT = 206
RANGE_NOT_SATISFIABLE = 416

RANGE = "Range"
IF_RANGE = "If-Range"

# Nothing in a response runs in the origin of this server.
INERT: Headers = [
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
]
# The headers of every file; it can be cached forever, because the bytes under an id never change.
_HEADERS: Headers = [
    (b"accept-ranges", b"bytes"),
    (b"cache-control", b"private, max-age=31536000, immutable"),
    *INERT,
]
# A range of bytes (section 14.1.2). Other units, and several ranges, may be ignored (section 14.2).
_RANGE = re.compile(r"bytes=[\t ]*(?:([0-9]+)-([0-9]+)?|-([0-9]+))[\t ]*", re.IGNORECASE)
# Media types that a page can include: https://mimesniff.spec.whatwg.org/#javascript-mime-type, and styles.
_INCLUDED = re.compile(
    r"(text|application)/(x-)?(java|ecma|j|live)script.*|text/css.*|application/wasm.*", re.IGNORECASE
)
# RFC 8187, section 3.2.1.
_ATTRIBUTE = "!#$&+-.^_`|~"
_NOT_QUOTED = re.compile(r'[^ -~]|["\\%/]')


class Range(NamedTuple):
    """The offsets of the first byte and the last, inclusive."""

    first: int
    last: int


async def send_file(scope: Scope, write: Write, content: FileContent, preconditions: Preconditions, send: Send) -> None:
    """Send a file, or the range of it that the request asks for.

    Raises a problem: 412 if `If-Match` names another file, 416 if the range is outside the file.
    """
    file = content.file
    tag = f'"{file.id}"'
    fields = request_state_of(scope).fields
    if preconditions.is_tag_known(tag, fields):
        headers = [(b"etag", tag.encode()), *_HEADERS[1:2]]
        await send({"type": "http.response.start", "status": NOT_MODIFIED, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    # With any other method, `Range` has no meaning (section 14.2).
    part = _range_of(fields, file, tag) if scope["method"] == "GET" else None
    first, last = part or Range(0, file.size - 1)
    headers = [
        (b"content-type", _served_media(file.media).encode()),
        (b"content-length", b"%d" % (last + 1 - first)),
        (b"content-disposition", _disposition(file).encode()),
        (b"etag", tag.encode()),
        *_HEADERS,
    ]
    status = OK if part is None else PARTIAL_CONTENT
    if part is not None:
        headers.append((b"content-range", f"bytes {first}-{last}/{file.size}".encode()))
    start = {"type": "http.response.start", "status": status, "headers": headers}
    if scope["method"] == "HEAD" or not file.size:
        await send(start)
    else:
        async with aclosing(content.read(first, last)) as blocks:
            # Read the first block before the status is sent: if that fails, a problem can still be sent.
            block: bytes | None = await anext(blocks)
            await send(start)
            while block is not None:
                await write(send, block)
                block = await anext(blocks, None)
    await send({"type": "http.response.body", "body": b""})


def download_headers(download: Download) -> Headers:
    """The headers of a text that browsers save. Its name, a session id and a suffix, needs no quoting."""
    charset = "; charset=utf-8" if download.media.startswith("text/") else ""
    return [
        (b"content-type", f"{download.media}{charset}".encode()),
        (b"content-disposition", f'attachment; filename="{download.name}"'.encode()),
        *INERT,
    ]


def _range_of(fields: Fields, file: File, tag: str) -> Range | None:
    """The requested range; None for the whole file. Raises a 416 problem."""
    requested = _values(fields, RANGE)
    if len(requested) != 1 or _values(fields, IF_RANGE) not in ([], [tag]):
        return None
    found = _RANGE.fullmatch(requested[0])
    if found is None:
        return None
    begin, end, suffix = found.groups()
    first = max(0, file.size - int(suffix)) if begin is None else int(begin)
    last = min(int(end), file.size - 1) if end else file.size - 1
    if end and int(end) < first:
        return None
    if first > last:
        detail = f"The file has {file.size} bytes, and none of the range {requested[0]}."
        headers = {"Content-Range": f"bytes */{file.size}"}
        raise Problem(RANGE_NOT_SATISFIABLE, "range-not-satisfiable", detail, headers=headers)
    return Range(first, last)


def _values(fields: Fields, name: str) -> list[str]:
    return [value.decode("latin-1").strip() for value in fields.get(name.lower().encode(), ())]


def _served_media(media: str) -> str:
    return UNKNOWN_MEDIA if _INCLUDED.fullmatch(media) else media


def _disposition(file: File) -> str:
    """The header with the name for saving a file (RFC 6266), in ASCII and, if necessary, in full (RFC 8187)."""
    if not isinstance(file.name, str):
        return "attachment"
    plain = _NOT_QUOTED.sub("_", file.name)
    if plain == file.name:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe=_ATTRIBUTE)}"
