"""The parts of a message, its tool calls, and its usage of the model.

The parts of a message are stored as the JSON text that was sent; the storage reads what it needs from that.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ..values.json_text import MAX_SAFE_INTEGER

# Costs are counted in billionths of their currency: a decimal with nine digits after the point is an integer of these.
_DIGITS = 9
# The cap of a sum; the largest cost added to it is still a 64-bit integer.
MAX_COST = 8 * 10**18
DEFAULT_CURRENCY = "USD"

# A longer file must be uploaded.
MAX_URL_CHARACTERS = 64 * 1024
_FILE_URL = re.compile(r"/files/([0-9a-f]{64})")
# RFC 3986, section 3.1.
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

# Between two texts of a content: an empty line.
_BETWEEN_TEXTS = "\n\n"


class NewUsage(Struct, frozen=True, forbid_unknown_fields=True):
    """The usage of a message in a request; `cost` is a decimal number with at most nine digits after its point."""

    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    cached_tokens: int | UnsetType = UNSET
    reasoning_tokens: int | UnsetType = UNSET
    cost: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET


class Usage(Struct, frozen=True, rename="camel"):
    """The usage of a message; also the sums of a session."""

    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    cached_tokens: int | UnsetType = UNSET
    reasoning_tokens: int | UnsetType = UNSET
    cost: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET

    @classmethod
    def of(cls, new: NewUsage) -> Self:
        """The usage of a message; a cost without a currency is in US dollars."""
        currency = DEFAULT_CURRENCY if new.cost and not new.currency else new.currency
        return cls(new.input_tokens, new.output_tokens, new.cached_tokens, new.reasoning_tokens, new.cost, currency)


class UsageSum(NamedTuple):
    """Sums of usage: tokens; the cost in billionths of its currency, None without one; "" for several currencies."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int | None = None
    currency: str | None = None

    def add(self, usage: Usage) -> "UsageSum":
        """The sums with the usage of another message; each is capped at its limit."""
        cost, currency = self.cost, self.currency
        if usage.cost:
            own = usage.currency or DEFAULT_CURRENCY
            cost = min((cost or 0) + _billionths(usage.cost), MAX_COST)
            currency = own if currency in {None, own} else ""
        return UsageSum(
            min(self.input_tokens + (usage.input_tokens or 0), MAX_SAFE_INTEGER),
            min(self.output_tokens + (usage.output_tokens or 0), MAX_SAFE_INTEGER),
            min(self.cached_tokens + (usage.cached_tokens or 0), MAX_SAFE_INTEGER),
            min(self.reasoning_tokens + (usage.reasoning_tokens or 0), MAX_SAFE_INTEGER),
            cost,
            currency,
        )

    @property
    def usage(self) -> Usage:
        """The sums as a session has them."""
        tokens = self.input_tokens, self.output_tokens, self.cached_tokens, self.reasoning_tokens
        if self.cost is None or not self.currency:
            return Usage(*tokens)
        return Usage(*tokens, _decimal(self.cost), self.currency)


# The columns of a session whose messages have none.
NO_USAGE: dict[str, str | int | None] = dict.fromkeys(UsageSum._fields)


class _Part(Struct, frozen=True):
    """The members of a part that the storage needs."""

    type: str
    call: str | None = None
    text: str = ""
    name: str | None = None
    input: str = ""
    output: str = ""
    url: str = ""


class Outline(NamedTuple):
    """The content that parts have, and the URLs of files among them, by the place of the part."""

    content: str
    urls: list[tuple[int, str]]


class Calls(NamedTuple):
    """The ids of a message's tool calls without a result after them in it, and of its results."""

    opened: list[str]
    answered: list[str]


class CallRows(NamedTuple):
    """How messages, in their order, change the calls of their session.

    `opened` has the sequence of each call, its id, and the sequence of its result if that is among the messages.
    `answered` has, by the id of each call with a result, the first sequence that has one: it answers earlier calls too.
    """

    opened: list[tuple[int, str, int | None]]
    answered: dict[str, int]


_decode_parts = msgspec.json.Decoder(list[_Part]).decode


def outline_of(parts: Raw) -> Outline:
    """The texts of parts, except those of calls' results, with an empty line between two, and the URLs of files."""
    decoded = _decode_parts(parts)
    texts = (part.text for part in decoded if part.type == "text" and part.call is None)
    urls = [(place, part.url) for place, part in enumerate(decoded) if part.type == "file"]
    return Outline(_BETWEEN_TEXTS.join(texts), urls)


def url_fault(url: str) -> str | None:
    """Why the URL of a file is invalid, None if it is valid: absolute, or that of a stored file."""
    if len(url) > MAX_URL_CHARACTERS:
        return f"must have at most {MAX_URL_CHARACTERS} characters, and has {len(url)}"
    if _ABSOLUTE.match(url) is None and _FILE_URL.fullmatch(url) is None:
        return "must be absolute, or the url of a file"
    return None


def is_data_url(url: str) -> bool:
    """Whether a URL contains its file (RFC 2397)."""
    return url[:5].lower() == "data:"


def file_ids_of(parts: Raw) -> list[str]:
    """The ids of the stored files that parts name, each once."""
    text = bytes(parts)
    # Only an escape could hide the word.
    if b"files" not in text and b"\\u" not in text:
        return []
    named = (_FILE_URL.fullmatch(part.url) for part in _decode_parts(parts) if part.type == "file")
    return list(dict.fromkeys(found[1] for found in named if found is not None))


def tools_of(parts: Raw) -> str:
    """The text of tools in parts: names, inputs, outputs and texts of results, each on lines of its own."""
    return "\n".join(text for part in _decode_parts(parts) for text in _said_with_tools(part))


def tool_names(parts: Raw) -> list[str]:
    """The names of the tools that parts call, in their order."""
    return [part.name for part in _decode_parts(parts) if part.type == "tool_call" and part.name is not None]


def calls_of(parts: Raw) -> Calls:
    """The calls of parts that no later part answers, and all calls that the parts answer."""
    opened: dict[str, None] = {}
    answered: dict[str, None] = {}
    for part in _decode_parts(parts):
        if part.call is None:
            continue
        if part.type == "tool_call":
            opened[part.call] = None
        elif part.type == "tool_result":
            opened.pop(part.call, None)
            answered[part.call] = None
    return Calls([*opened], [*answered])


def call_rows(messages: Iterable[tuple[int, Raw]]) -> CallRows:
    """The changes of calls by messages, given as sequences and parts."""
    opened: dict[tuple[int, str], int | None] = {}
    answered: dict[str, int] = {}
    open_calls: dict[str, list[int]] = {}
    for sequence, parts in messages:
        calls = calls_of(parts)
        for call in calls.answered:
            answered.setdefault(call, sequence)
            opened.update({(at, call): sequence for at in open_calls.pop(call, ())})
        for call in calls.opened:
            opened[sequence, call] = None
            open_calls.setdefault(call, []).append(sequence)
    return CallRows([(sequence, call, result) for (sequence, call), result in opened.items()], answered)


def _said_with_tools(part: _Part) -> Iterator[str]:
    if part.type == "tool_call":
        yield part.name or ""
        yield part.input
    elif part.type == "tool_result":
        yield part.output
    elif part.type == "text" and part.call is not None:
        yield part.text


def _billionths(cost: str) -> int:
    whole, _, fraction = cost.partition(".")
    return int(whole + fraction.ljust(_DIGITS, "0"))


def _decimal(cost: int) -> str:
    whole, fraction = divmod(cost, 10**_DIGITS)
    return f"{whole}.{fraction:0{_DIGITS}}".rstrip("0").rstrip(".")
