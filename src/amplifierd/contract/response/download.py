"""Texts that browsers save and never show as a page of this server; see `file_response`."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing

from starlette.types import Scope, Send

from ...storage.model.files import Download
from ..core.problems import Headers
from ..core.request_state import request_state_of
from .content_coding import Compression
from .file_response import INERT, OK

Write = Callable[[Send, bytes], Awaitable[None]]


async def send_download(scope: Scope, send: Send, write: Write, compression: Compression, download: Download) -> None:
    """Send a text in blocks. Its name is the id of a session and a suffix, which need no quoting."""
    charset = "; charset=utf-8" if download.media.startswith("text/") else ""
    headers: Headers = [
        (b"content-type", f"{download.media}{charset}".encode()),
        (b"content-disposition", f'attachment; filename="{download.name}"'.encode()),
        *INERT,
    ]
    async with aclosing(download.blocks) as blocks:
        # Before the status is sent, which may still be that of a problem.
        block = await anext(blocks)
        stream = compression.stream(request_state_of(scope).fields)
        await send({"type": "http.response.start", "status": OK, "headers": stream.headers(headers)})
        if scope["method"] != "HEAD":
            await write(send, await stream.block(block))
            async for block in blocks:
                await write(send, await stream.block(block))
    await send({"type": "http.response.body", "body": await stream.block(b"", last=True)})
