"""Code fences of Markdown (CommonMark, https://spec.commonmark.org/0.31.2/, section 4.5)."""

import re
from collections.abc import Iterator
from functools import lru_cache

# A code fence: three or more of one character, indented by three spaces at most.
_OPENING = re.compile(r"^ {0,3}(`{3,}(?=[^`\n]*$)|~{3,})", re.MULTILINE)
_SHORTEST = 3
# So much is looked through at a time: a call that takes longer would stop everybody else.
_PIECE_CHARACTERS = 64 * 1024


def in_fence(content: str) -> str:
    """A text in a fence that is long enough for it."""
    fence = "`" * max(_SHORTEST, longest_run(content) + 1)
    return f"{fence}\n{content}\n{fence}"


def longest_run(content: str) -> int:
    """How many backticks stand side by side at most, found by halving: a list of all runs could be millions."""
    least, most = 0, 1
    while "`" * most in content:
        least, most = most, 2 * most
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if "`" * middle in content else (least, middle)
    return least


def close_fence(content: str) -> str:
    """A text whose last fence is closed."""
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
    """The fence that is open after some lines, before which `fence` was; an empty one for none."""
    position = 0
    while True:
        found = (_closing_pattern(fence) if fence else _OPENING).search(lines, position)
        if found is None:
            return fence
        fence = "" if fence else found[1]
        position = found.end()


@lru_cache(maxsize=16)
def _closing_pattern(fence: str) -> re.Pattern[str]:
    """What closes a fence: as many of its character, or more, and nothing after them."""
    return re.compile(rf"^ {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
