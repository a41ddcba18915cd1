"""Data URLs (RFC 2397) of content in base64."""

import re

_DATA_URL = re.compile(r"data:([^;,\s/]+/[^;,\s/]+);base64,(.*)", re.DOTALL)
_MEDIA_TYPE = re.compile(r"[^;,\s/]{1,127}/[^;,\s/]{1,127}")


def data_url(media: object, data: object) -> str | None:
    """The URL of content in base64; None if that is not what these are."""
    if not isinstance(media, str) or not isinstance(data, str) or not _MEDIA_TYPE.fullmatch(media):
        return None
    return f"data:{media};base64,{data}"


def content_of(url: str) -> tuple[str, str] | None:
    """The media type of a data URL, and its content in base64; None for another URL."""
    found = _DATA_URL.fullmatch(url)
    return (found[1], found[2]) if found else None


def media_of(url: str, otherwise: str) -> str:
    """The media type that a URL says."""
    found = content_of(url)
    return found[0] if found and len(found[0]) <= _MAX_CHARACTERS else otherwise


_MAX_CHARACTERS = 255
