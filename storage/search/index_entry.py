"""The searchable text of a message within a scope, and its entry in an index.

The entry has the words and forms of the whole text, and a form for each tool that the message calls.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import TypeVar

from msgspec import MsgspecError, Raw, json

from ..model.part_records import tool_names, tools_of
from ..model.queries import SearchScope
from ..model.records import Message
from .characters import fold
from .tokenizer import IndexedText, Tokenizer, never_pause

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# The scope of the index of words.
EVERYWHERE: SearchScope = "all"

# No word of a text has a colon.
_TOOL = "tool:"

_decode = json.Decoder(Message).decode


def read_record(record: bytes | str | None, read: Callable[[Message], Result]) -> Result | None:
    """The result of `read` for the message in a record.

    None if it was deleted meanwhile, or if it or one of its parts is damaged: then only it can't be found.
    """
    if not record:
        return None
    try:
        return read(_decode(record))
    except (MsgspecError, UnicodeDecodeError):
        logger.warning("A search leaves out a message that is damaged; check the database")
        return None


def found_text(record: bytes | None, scope: SearchScope) -> str:
    """The text of a message that a search found; empty if it can't be read."""
    return read_record(record, partial(searched_text, scope=scope)) or ""


def searched_text(message: Message, scope: SearchScope = EVERYWHERE) -> str:
    """The text of a message within this scope."""
    if not isinstance(message.parts, Raw):
        return "" if scope == "tools" else message.content
    tools = "" if scope == "text" else tools_of(message.parts)
    if scope == "tools":
        return tools
    return f"{message.content}\n{tools}" if tools else message.content


def entry_of(message: Message, tokenizer: Tokenizer, pause: Callable[[], None] = never_pause) -> IndexedText:
    """The entry of a message; calls `pause` every few milliseconds."""
    entry = entry_within(message, tokenizer, EVERYWHERE, pause)
    tools = tool_forms_of(message)
    return replace(entry, forms=[*tools, *entry.forms]) if tools else entry


def entry_within(
    message: Message, tokenizer: Tokenizer, scope: SearchScope, pause: Callable[[], None] = never_pause
) -> IndexedText:
    """The words and forms of a message within a scope, as far as the limits of the whole message allow."""
    if scope == "text" or not isinstance(message.parts, Raw):
        return tokenizer.indexed(searched_text(message, scope), pause)
    content, tools = tokenizer.indexed_texts([message.content, tools_of(message.parts)], pause)
    if scope == "tools":
        return tools
    words = "  ".join([each.words for each in (content, tools) if each.words])
    return IndexedText(words, content.size + tools.size, list(dict.fromkeys([*content.forms, *tools.forms])))


def tool_forms_of(message: Message) -> list[str]:
    """The forms for the tools that a message calls, each once."""
    return tool_forms(message.parts) if isinstance(message.parts, Raw) else []


def tool_forms(parts: Raw) -> list[str]:
    """The forms for the tool calls among parts, each once."""
    return list(dict.fromkeys(map(tool_form, tool_names(parts))))


def tool_form(name: str) -> str:
    """The form of a tool's name, which may have any characters and is compared like a word."""
    return _TOOL + blake2b(fold(name).encode(), digest_size=8).hexdigest()
