"""Converts the Markdown of messages to HTML that runs and loads nothing (CommonMark, https://spec.commonmark.org).

HTML in the Markdown is shown as text. Links lead only to web and mail addresses. Only images with a data URL are
shown; the others appear by name.
"""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

# Some texts take quadratic time: a longer text is divided between its blocks, and a longer block is shown unrendered.
MAX_CHARACTERS = 4 * 1024
_FENCE = re.compile(r" {0,3}(```|~~~)")
_LINK = re.compile(r"(https?|mailto):", re.IGNORECASE)
# Ignoring the case of the data as well would take half a second for an image of 15 MB.
_IMAGE = re.compile(r"(?i:data:image/(png|gif|jpeg|webp|avif);base64,)[A-Za-z0-9+/=]*")
_ALIGNED = {"text-align:right": "right", "text-align:center": "center"}


def is_link(url: str) -> bool:
    """Whether a URL is allowed as the target of a link."""
    return _LINK.match(url) is not None


def image(url: str, name: str) -> str:
    """An image element for a data URL; otherwise the name, as a link if the URL is on the web."""
    text = escape(name) or "image"
    if _IMAGE.fullmatch(url):
        return f'<img src="{escape(url)}" alt="{escape(name)}">'
    return f'<span class="file">{link(url, f"Image: {text}")}</span>'


def link(url: str, text: str) -> str:
    """A link around the HTML `shown`; only the HTML if the URL is not allowed."""
    if not is_link(url):
        return text
    return f'<a href="{escape(url)}" rel="noopener noreferrer nofollow">{text}</a>'


def html_of(text: str) -> str:
    """The HTML of a text in Markdown."""
    return "".join(map(_piece_html, _pieces(text.replace("\0", "\ufffd"))))


def _piece_html(piece: str) -> str:
    if len(piece) > MAX_CHARACTERS:
        return f"<pre>{escape(piece)}</pre>"
    rendered: str = _MARKDOWN.render(piece)
    return rendered


def _pieces(text: str) -> Iterator[str]:
    """Split a text into pieces of whole blocks, at empty lines outside of fences."""
    if len(text) <= MAX_CHARACTERS:
        yield text
        return
    lines: list[str] = []
    size = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if found and fence in {"", found[1]}:
            fence = "" if fence else found[1]
        if size + len(line) > MAX_CHARACTERS // 2 and not fence and not line.strip():
            yield "".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    yield "".join(lines)


class _Renderer(RendererHTML):
    """Writes links, images and table cells without anything that could load or run."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, _env: MutableMapping[str, Any]) -> str:
        token = tokens[idx]
        token.attrs = {"href": token.attrs["href"], "rel": "noopener noreferrer nofollow"}
        if not is_link(str(token.attrs["href"])):
            token.attrs = {}
        return self.renderToken(tokens, idx, options, _env)

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]) -> str:
        token = tokens[idx]
        name = self.renderInlineAsText(token.children or [], options, env)
        return image(str(token.attrs["src"]), name)

    def td_open(self, tokens: Sequence[Token], idx: int, options: Any, env: MutableMapping[str, Any]) -> str:
        token = tokens[idx]
        aligned = _ALIGNED.get(str(token.attrs.pop("style", "")))
        token.attrs = {"class": aligned} if aligned else {}
        return self.renderToken(tokens, idx, options, env)

    th_open = td_open


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  # the library's name
        """Whether a link or an image with this URL is rendered; otherwise it stays text."""
        return is_link(url) or _IMAGE.fullmatch(url) is not None


_MARKDOWN = _Markdown("commonmark", {"html": False}, renderer_cls=_Renderer).enable(["table", "strikethrough"])
