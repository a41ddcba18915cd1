"""Converts attachments and columns of rows, for both generations of `llm`'s tables."""

from base64 import b64encode
from urllib.parse import quote

from ...blocks import fits
from ..interface import Object
from ..values import texts_of, without
from .rows import plain

NAME = "llm"


def non_null_columns(row: Object, *omitted: str) -> Object:
    """The columns of a row that are not NULL, without the `omitted` ones."""
    return {name: plain(value) for name, value in without(row, *omitted).items() if value is not None}


def file_part(row: Object) -> Object:
    """An attachment, with its bytes if the database has them."""
    media, path, url = texts_of(row, "type", "path", "url")
    content = row.get("content")
    if isinstance(content, bytes):
        media = media if media is not None and fits("media", media) else "application/octet-stream"
        url = f"data:{media};base64,{b64encode(content).decode()}"
    elif path is not None:
        url = f"file://{quote(path)}"
    if url is None:
        return {"type": "data", "kind": f"{NAME}.attachment", "value": non_null_columns(row)}
    native = {"attachment": non_null_columns(row, "content", "url")}
    return {"type": "file", "media": media or "application/octet-stream", "url": url, "native": {NAME: native}}
