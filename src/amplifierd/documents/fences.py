"""Code fences of Markdown (CommonMark, https://spec.commonmark.org/0.31.2/, section 4.5)."""

import re
from collections.abc import Iterator
from functools import lru_cache

# A code fence: three or more of one character, indented by three spaces at most.
_OPENING = re.compile(r"^ {0,3}(`{3,}(?=[^`\n]*$)|~{3,})", re.MULTILINE)
_SHORTEST = 3
_BACKTICKS, _TILDES = "`" * _SHORTEST, "~" * _SHORTEST
# The number of characters that one call searches: a longer call would block all other requests.
_PIECE_CHARACTERS = 64 * 1024


def in_fence(content: str) -> str:
    """Put a text into a fence that is longer than any run of backticks in it."""
    fence = "`" * max(_SHORTEST, longest_run(content) + 1)
    return f"{fence}\n{content}\n{fence}"


def longest_run(content: str) -> int:
    """The length of the longest run of backticks, by binary search: a list of all runs could have millions."""
    least, most = 0, 1
    while "`" * most in content:
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if "`" * middle in content else (least, middle)
    return least


def close_fence(content: str) -> str:
    """Close the last fence of a text if it is open."""
    if _BACKTICKS not in content and _TILDES not in content:
        return content
    fence = ""
    for piece in _pieces(content.replace("\r\n", "\n").replace("\r", "\n")):
        fence = _fence_after(piece, fence)
    return f"{content}\n{fence}" if fence else content


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces of whole lines."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PIECE_CHARACTERS) + 1 or len(text)
        yield text[start:end]
        start = end


def _fence_after(lines: str, fence: str) -> str:
    """The fence that is open after some lines, if `fence` was open before them; empty for none."""
    position = 0
    while True:
        found = (_closing_pattern(fence) if fence else _OPENING).search(lines, position)
        if found is None:
            return fence
        fence = "" if fence else found[1]
        position = found.end()


@lru_cache(maxsize=16)
def _closing_pattern(fence: str) -> re.Pattern[str]:
    """The pattern of a closing fence: at least as many of the same character, and nothing after them."""
    return re.compile(rf"^ {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
