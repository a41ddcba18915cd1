"""What a storage should know of the parts of messages and of usage: written from the contract's words."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from amplifierd.storage.model.errors import MessageInvalid, MetadataTooLarge
from amplifierd.storage.model.part_records import NewUsage, Usage
from amplifierd.storage.model.queries import SearchScope
from amplifierd.storage.model.records import Message, MessagePatch
from exact_json import merged, text_of, tree

# Times as clients send them, and as they are stored.
OWN_TIMES = {
    "2023-03-01T10:00:00+01:00": "2023-03-01T09:00:00.000000Z",
    "2016-12-31t23:59:60.25z": "2016-12-31T23:59:59.999999Z",
    "2031-05-06T07:08:09.123456789Z": "2031-05-06T07:08:09.123456Z",
    "9999-12-31T23:59:59-23:59": "9999-12-31T23:59:59.999999Z",
}

TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
MOST_TOKENS = 2**53 - 1
MAX_MEMBERS = 1_024


def parts_of(parts: Raw | UnsetType) -> list[dict[str, Any]]:
    """The parts of a message, none where it has none."""
    decoded: list[dict[str, Any]] = [] if isinstance(parts, UnsetType) else json.loads(bytes(parts))
    return decoded


def said_by(parts: Raw | UnsetType) -> str:
    """What parts say together."""
    return "\n\n".join(part["text"] for part in parts_of(parts) if part["type"] == "text" and "call" not in part)


def replaced(session_id: str, before: Message, patch: MessagePatch) -> Message:
    """A message with what a patch says, and its metadata merged."""
    content, parts = before.content, before.parts
    if isinstance(patch.parts, Raw):
        content, parts = said_by(patch.parts), patch.parts
    elif patch.content is not None:
        if isinstance(parts, Raw) and patch.content != content:
            detail = "is not what the texts of the parts say; send the parts as well, or an empty list for none"
            raise MessageInvalid("/content", detail)
        content = patch.content
    metadata = before.metadata
    if isinstance(patch.metadata, Raw):
        members = merged(tree(bytes(metadata)), tree(bytes(patch.metadata)))
        if len(members) > MAX_MEMBERS:
            raise MetadataTooLarge(session_id, before.sequence, f"{len(members)} members; the most is {MAX_MEMBERS}")
        metadata = Raw(text_of(members).encode())
    return replace(before, content=content, parts=parts, metadata=metadata, version=before.version + 1)


def usage(new: NewUsage) -> Usage:
    """The usage of a message that was sent with this."""
    currency = "USD" if new.cost is not UNSET and new.currency is UNSET else new.currency
    return Usage(new.input_tokens, new.output_tokens, new.cached_tokens, new.reasoning_tokens, new.cost, currency)


def usage_sums(messages: Sequence[Message]) -> Usage | UnsetType:
    """The sums of a session with these messages."""
    used = [message.usage for message in messages if isinstance(message.usage, Usage)]
    if not used:
        return UNSET
    sums = [min(sum(getattr(it, name) or 0 for it in used), MOST_TOKENS) for name in TOKENS]
    tokens = Usage(sums[0], sums[1], sums[2], sums[3])
    costs = [(Decimal(it.cost), it.currency) for it in used if isinstance(it.cost, str)]
    if len({currency for _, currency in costs}) != 1:
        return tokens
    total = sum((cost for cost, _ in costs), Decimal(0))
    text = f"{total:f}"
    return replace(tokens, cost=text.rstrip("0").rstrip(".") if "." in text else text, currency=costs[0][1])


def open_calls(messages: Sequence[Message]) -> set[int]:
    """The sequences of messages with a call that has no result, there or later."""
    return {
        message.sequence
        for message in messages
        for part in parts_of(message.parts)
        if part["type"] == "tool_call"
        and not any(
            other["type"] == "tool_result" and other["call"] == part["call"]
            for later in messages
            if later.sequence >= message.sequence
            for other in parts_of(later.parts)
        )
    }


def searched(message: Message, scope: SearchScope) -> list[str]:
    """The texts in which a search of this scope looks."""
    fields = {"tool_call": ("name", "input"), "tool_result": ("output",), "text": ("text",)}
    tools = [
        part.get(name, "")
        for part in parts_of(message.parts)
        for name in fields.get(part["type"], ())
        if part["type"] != "text" or "call" in part
    ]
    return {"text": [message.content], "tools": tools, "all": [message.content, *tools]}[scope]
