"""Texts in Markdown that hide nothing after them (CommonMark, https://spec.commonmark.org/0.31.2/, chapter 4)."""

import re

_SHORTEST = 3
# The number of spaces that make a line code.
_CODE = 4
# A longer text that may hide what follows it is put into a fence, as reading its lines would take too long.
MAX_CHARACTERS = 256 * 1024

# What may hide the texts that follow, or look like one of their headings.
_HEADING = re.compile(r"(?:##[ \t]+)?[0-9]+\\?\.[ \t]+(?:user|assistant|system|developer|tool)\b.{0,300} UTC")
_RISK = re.compile(rf"```|~~~|<[!?/A-Za-z]|^[ >]*{_HEADING.pattern}", re.MULTILINE)
_PREFIX = re.compile(r"[ >]*")
_ITEM = re.compile(r"(?:[-*+]|[0-9]{1,9}[.)])(?:[ \t]|$)")
_OPENING = re.compile(r"(`{3,})[^`]*|(~{3,}).*")
# By the beginning of an HTML block, the text that ends it; other blocks end at an empty line.
_HTML = re.compile(
    r"<(?:(script|pre|style|textarea)(?=[\s>]|$)|(!--)|(\?)|((?-i:!\[CDATA\[))|(![A-Z])|/?[A-Z])", re.IGNORECASE
)
_HTML_ENDS = (None, r"</(?:script|pre|style|textarea)>", "-->", r"\?>", r"\]\]>", ">")
_FOLD = re.compile(r"<(/?)details\b", re.IGNORECASE)


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


def contained(content: str) -> str:
    """The text, so that what follows it is read as if it were alone, whatever the text has left open.

    An open fence is closed. A text that may hide what follows, or look like another message, is put into a fence.
    """
    # Each text with a risk has one of these; most have none, and this is much faster than the pattern.
    if not ("```" in content or "<" in content or "~~~" in content or " UTC" in content):
        return content
    if len(content) > MAX_CHARACTERS:
        return in_fence(content)
    if _RISK.search(content) is None:
        return content
    lines = _Lines()
    is_certain = all(map(lines.read, content.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
    if not is_certain or lines.is_html_open or lines.folds:
        return in_fence(content)
    return f"{content}\n{lines.closing}" if lines.closing else content


class _Lines:
    """What is open after the lines that were read: it only knows quotes, and fences that no list can have ended.

    `closing` is the line that closes the open fence; empty without one. `folds` counts open `<details>` elements.
    """

    def __init__(self) -> None:
        self.closing = ""
        self.folds = 0
        self._opened = ""
        self._has_items = False
        self._html_end: re.Pattern[str] | None = None
        self._is_element = False

    @property
    def is_html_open(self) -> bool:
        """Whether an HTML block needs a certain text to end."""
        return self._html_end is not None

    def read(self, line: str) -> bool:
        """Read the next line; returns whether it is certain what is open after it."""
        prefix = _PREFIX.match(line)[0]  # type: ignore[index]  # it matches the empty text
        text = line[len(prefix) :]
        if self.closing:
            return self._read_in_fence(prefix, text)
        if self._html_end is not None:
            self._html_end = None if self._html_end.search(line) else self._html_end
            return self._count_folds(line)
        self._is_element &= bool(text.strip())
        # Without a list, what is indented by four spaces is code.
        if _OPENING.fullmatch(text) and (self._has_items or len(prefix) < _CODE or ">" in prefix):
            return self._open_fence(prefix, text)
        html = _HTML.match(text)
        if html is not None:
            is_certain = self._open_html(html, text, prefix)
        else:
            # A fence that begins in an item of a list ends with the item.
            is_item = _ITEM.match(text) is not None
            self._has_items |= is_item
            is_certain = not (is_item and ("```" in text or "~~~" in text))
        return is_certain and not _HEADING.match(text) and text[:1] != "\t" and self._count_folds(line)

    def _open_fence(self, prefix: str, text: str) -> bool:
        mark = text[0] * (len(text) - len(text.lstrip(text[0])))
        self._opened = prefix
        self.closing = (prefix if self._has_items or ">" in prefix else "") + mark
        return not self._is_element

    def _read_in_fence(self, prefix: str, text: str) -> bool:
        opened = self._opened
        is_quoted = ">" in opened
        if not is_quoted and ">" in prefix:
            # In a fence outside of quotes, it is a character like others.
            text = prefix.lstrip(" ") + text
            prefix = prefix[: prefix.index(">")]
        is_outside = self._has_items and text and len(prefix) < len(opened)
        if is_outside or (is_quoted and prefix.count(">") != opened.count(">")):
            # A quote, or an item of a list, may have ended, and the fence with it.
            return False
        mark = self.closing.lstrip(" >")
        ends = text.rstrip(" \t")
        if not ends.startswith(mark) or ends.strip(mark[0]):
            return True
        if not self._has_items and ">" not in prefix and len(prefix) >= _CODE:
            return True
        self.closing = ""
        return len(prefix) - len(opened) < _CODE and (len(opened) >= _CODE or len(prefix) < _CODE or ">" in prefix)

    def _open_html(self, html: re.Match[str], text: str, prefix: str) -> bool:
        ends = _HTML_ENDS[html.lastindex or 0]
        if ends is None:
            self._is_element = True
            return True
        pattern = re.compile(ends, re.IGNORECASE)
        if pattern.search(text, html.start() + 1):
            return True
        self._html_end = pattern
        # A block in a quote, or in an item of a list, ends with it; and in another element, this is no block.
        return not prefix and not self._is_element

    def _count_folds(self, line: str) -> bool:
        for fold in _FOLD.finditer(line):
            self.folds += -1 if fold[1] else 1
            if self.folds < 0:
                return False
        return True
