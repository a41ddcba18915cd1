"""Parts of a message as Markdown (CommonMark, https://spec.commonmark.org/0.31.2/)."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .fences import contained, in_fence, longest_run

Part = dict[str, Any]

# Longer input and output of tools is folded.
MAX_UNFOLDED_CHARACTERS = 2_000
MAX_UNFOLDED_LINES = 30
MAX_NAME_CHARACTERS = 200

_decode = msgspec.json.Decoder(list[Part]).decode
# The allowed schemes of links; another one might run code in the page that shows it.
_SCHEMES = frozenset({"", "http", "https"})
# Characters that would end a link's destination in angle brackets (section 6.3), percent-encoded.
_DESTINATION = {character: f"%{character:02X}" for character in (*range(0x21), 0x3C, 0x3E, 0x5C, 0x7F)}
_ESCAPED = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")


def parts_of(parts: msgspec.Raw, role: str) -> str:
    """The parts, each as a paragraph or a block; input and output of tools are in fences."""
    texts = (_WRITERS[part["type"]](part, role) for part in _decode(parts))
    # A list in one part may take in the beginning of the next.
    return contained("\n\n".join(text for text in texts if text))


def _text(part: Part, role: str) -> str:
    if role == "tool" or "call" in part:
        return _tool_text(part["text"])
    return contained(part["text"])


def _reasoning(part: Part, _role: str) -> str:
    return _details("Reasoning", contained(part["text"])) if part["text"] else "*Reasoning that the provider keeps*"


def _call(part: Part, _role: str) -> str:
    return f"**Call** of {_code(part['name'])} ({_code(part['call'])})\n\n{_tool_text(part['input'])}"


def _result(part: Part, _role: str) -> str:
    heading = f"**Result** of {_code(part['call'])}{', an error' if part.get('error') else ''}"
    return f"{heading}\n\n{_tool_text(part['output'])}" if "output" in part else heading


def _file(part: Part, _role: str) -> str:
    return f"**File** {_link(part.get('name') or part['media'], part['url'])} ({_code(part['media'])})"


def _source(part: Part, _role: str) -> str:
    name = part.get("title") or part.get("name") or part.get("url") or "without a name"
    return f"**Source** {_link(name, part.get('url'))}"


def _data(part: Part, _role: str) -> str:
    return f"**Data** of the kind {_code(part['kind'])}"


_WRITERS: dict[str, Callable[[Part, str], str]] = {
    "text": _text,
    "reasoning": _reasoning,
    "tool_call": _call,
    "tool_result": _result,
    "file": _file,
    "source": _source,
    "data": _data,
}


def _tool_text(text: str) -> str:
    """The input or the output of a tool; a long text is folded."""
    if len(text) <= MAX_UNFOLDED_CHARACTERS and text.count("\n") <= MAX_UNFOLDED_LINES:
        return in_fence(text)
    return _details(f"{len(text)} characters", in_fence(text))


def _details(summary: str, block: str) -> str:
    # An empty line ends the HTML (section 4.6), so that what follows is Markdown.
    return f"<details>\n<summary>{summary}</summary>\n\n{block}\n\n</details>"


def _code(text: str) -> str:
    """A text as a code span (section 6.1), on one line."""
    line = " ".join(text[:MAX_NAME_CHARACTERS].split()) or " "
    fence = "`" * (longest_run(line) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _link(name: str, url: str | None) -> str:
    text = _ESCAPED.sub(r"\\\1", " ".join(name[:MAX_NAME_CHARACTERS].split()))
    return f"[{text}](<{url.translate(_DESTINATION)}>)" if url is not None and _leads_somewhere(url) else text


def _leads_somewhere(url: str) -> bool:
    try:
        return urlsplit(url).scheme in _SCHEMES
    except ValueError:
        return False
