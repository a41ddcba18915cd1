"""Renders messages as HTML, with tool calls and reasoning folded, and all text escaped."""

from collections.abc import Callable
from html import escape
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from ...storage.model.records import Message
from .html_markdown import html_of, image, link

Part = dict[str, Any]

MAX_NAME_CHARACTERS = 200
# A longer message is not rendered as Markdown, which can take a tenth of a millisecond for each character.
MAX_RENDERED_CHARACTERS = 64 * 1024

_decode = msgspec.json.Decoder(list[Part]).decode


def message_html(message: Message) -> str:
    """A message: its heading, and its content or its parts."""
    if message.deleted_at is not UNSET:
        body = '<p class="note">This message was deleted.</p>'
    elif isinstance(message.parts, Raw):
        parts = _plain_if_long(_decode(message.parts))
        body = "\n".join(_WRITERS[part["type"]](part, message.role) for part in parts)
    else:
        body = "".join(
            _text(part, message.role) for part in _plain_if_long([{"type": "text", "text": message.content}])
        )
    author = message.role + (f" ({message.agent})" if isinstance(message.agent, str) else "")
    about = [f'<time datetime="{escape(message.timestamp)}">{escape(spoken_time(message.timestamp))}</time>']
    about += [escape(message.model)] if isinstance(message.model, str) else []
    about += [f"{message.token_count} tokens"] if isinstance(message.token_count, int) else []
    about += [] if message.edited_at is UNSET else ["edited"]
    heading = f"<h2>{escape(shortened(author))}</h2><p>#{message.sequence} · {' · '.join(about)}</p>"
    return (
        f'<article class="{message.role}" id="m{message.sequence}"><header>{heading}</header>\n'
        f'<div dir="auto">{body}</div></article>\n'
    )


def spoken_time(moment: str) -> str:
    """A time to the second."""
    return f"{moment[:19].replace('T', ' ')} UTC"


def shortened(text: str) -> str:
    """A text on one line, of bounded length."""
    return " ".join(text[:MAX_NAME_CHARACTERS].split())


def _plain_if_long(parts: list[Part]) -> list[Part]:
    """The parts; the parts of a long message are marked to be shown unrendered."""
    if sum(len(part.get("text", "")) for part in parts) <= MAX_RENDERED_CHARACTERS:
        return parts
    return [{**part, "is_plain": True} for part in parts]


def _markdown(part: Part) -> str:
    return _plain(part["text"]) if "is_plain" in part else html_of(part["text"])


def _text(part: Part, role: str) -> str:
    if role == "tool" or "call" in part:
        return _plain(part["text"])
    return f'<div class="text">{_markdown(part)}</div>'


def _reasoning(part: Part, _role: str) -> str:
    if not part["text"]:
        return '<p class="note">Reasoning that the provider keeps</p>'
    return _details("Reasoning", _markdown(part))


def _call(part: Part, _role: str) -> str:
    return _details(f"Call of {escape(shortened(part['name']))}", _plain(part["input"]))


def _result(part: Part, _role: str) -> str:
    heading = f"Result of {escape(shortened(part['call']))}{', an error' if part.get('error') else ''}"
    return _details(heading, _plain(part["output"])) if "output" in part else f'<p class="note">{heading}</p>'


def _file(part: Part, _role: str) -> str:
    name = shortened(part.get("name") or part["media"])
    if part["media"].startswith("image/"):
        return f"<p>{image(part['url'], name)}</p>"
    shown = escape(f"File: {name} ({part['media']})")
    return f'<p class="file">{link(part["url"], shown)}</p>'


def _source(part: Part, _role: str) -> str:
    name = escape(shortened(part.get("title") or part.get("name") or part.get("url") or "without a name"))
    return f'<p class="file">{link(part.get("url", ""), f"Source: {name}")}</p>'


def _data(part: Part, _role: str) -> str:
    value = msgspec.json.format(msgspec.json.encode(part["value"]), indent=2).decode()
    return _details(f"Data: {escape(part['kind'])}", _plain(value))


_WRITERS: dict[str, Callable[[Part, str], str]] = {
    "text": _text,
    "reasoning": _reasoning,
    "tool_call": _call,
    "tool_result": _result,
    "file": _file,
    "source": _source,
    "data": _data,
}


def _details(summary: str, block: str) -> str:
    return f"<details><summary>{summary}</summary>{block}</details>"


def _plain(text: str) -> str:
    return f"<pre>{escape(text.replace(chr(0), chr(0xFFFD)))}</pre>"
