"""Texts that browsers save and never show as a page of this server; see `file_response`."""

from starlette.types import Scope, Send

from ...storage.model.files import Download
from ..core.problems import Headers
from .blocks import CodedBlocks, send_blocks
from .file_response import INERT, OK


async def send_download(scope: Scope, blocks: CodedBlocks, download: Download, send: Send) -> None:
    """Send a text in blocks. Its name is the id of a session and a suffix, which need no quoting."""
    charset = "; charset=utf-8" if download.media.startswith("text/") else ""
    headers: Headers = [
        (b"content-type", f"{download.media}{charset}".encode()),
        (b"content-disposition", f'attachment; filename="{download.name}"'.encode()),
        *INERT,
    ]
    await send_blocks(scope, OK, headers, blocks, send)
