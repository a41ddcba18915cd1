"""Transcripts as Markdown (CommonMark, https://spec.commonmark.org/0.31.2/): a heading a message."""

import re

import msgspec
from msgspec import UNSET

from .storage.records import Message

_decode = msgspec.json.Decoder(Message).decode

# A code fence (section 4.5): three or more of one character, indented by three spaces at most.
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_BACKTICKS = re.compile(r"`+")
_SHORTEST = 3


def markdown_of(records: list[msgspec.Raw]) -> bytes:
    """The messages, each a heading and what it says; a fence that it leaves open is closed."""
    return "".join(_turn(_decode(record)) for record in records).encode()


def _turn(message: Message) -> str:
    speaker = message.role if message.agent is UNSET else f"{message.role} ({message.agent})"
    moment = message.timestamp[:19].replace("T", " ")
    said = _fenced(message.content) if message.role == "tool" else _closed(message.content)
    return f"## {message.sequence}. {speaker}, {moment} UTC\n\n{said}\n\n"


def _fenced(content: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(content)), default=0)
    fence = "`" * max(_SHORTEST, longest + 1)
    return f"{fence}\n{content}\n{fence}"


def _closed(content: str) -> str:
    fence = ""
    for line in re.split(r"\r\n|\r|\n", content):
        found = _FENCE.fullmatch(line)
        if found is None:
            continue
        marks, rest = found.groups()
        if not fence:
            fence = marks
        elif marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip():
            fence = ""
    return f"{content}\n{fence}" if fence else content
