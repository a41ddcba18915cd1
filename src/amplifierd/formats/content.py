"""The content of a provider's message: a text or a list of blocks, and the provider's own fields."""

from collections.abc import Callable
from typing import Any

from .blocks import data_part, is_data_of, native_of, text_of, value_of, with_native
from .interface import ROLES, Message, Object

# The roles that a format does not have, by the format, and how it writes them.
_OTHER_ROLES = {
    "anthropic": {"tool": "user", "developer": "system"},
    "ai-sdk": {"tool": "assistant", "developer": "system"},
}

# In place of a result's content in its `native`: the output is the JSON text of a value.
_JSON = "json"

BlockReader = Callable[[Any], Object]
# The block for the first of these parts, and the number of parts in it; None if the format has no such block.
BlockWriter = Callable[[list[Object]], tuple[list[Any], int]]


def write_blocks(parts: list[Object], name: str, write_block: BlockWriter) -> list[Any]:
    """The blocks of parts."""
    blocks: list[Any] = []
    place = 0
    while place < len(parts):
        part = parts[place]
        if part["type"] == "data":
            blocks += [part["value"]] if is_data_of(part, name) else []
            place += 1
        else:
            written, count = write_block(parts[place:])
            blocks += written
            place += count
    return blocks


def text_of_parts(parts: list[Object]) -> str:
    """The text of parts."""
    return "".join(part["text"] for part in parts if part["type"] == "text")


def read_result(call: str, content: Any, name: str, native: Object, read_block: BlockReader) -> list[Object]:
    """The parts of a call's result, whose content is a text, a list of blocks, or another JSON value."""
    head: Object = {"type": "tool_result", "call": call}
    if isinstance(content, str):
        return [with_native({**head, "output": content}, name, native)]
    if content is None:
        return [with_native(head, name, {**native, "content": None})]
    if not isinstance(content, list):
        return [with_native({**head, "output": text_of(content)}, name, {**native, "content": _JSON})]
    # None of its blocks can be a call: a part belongs to one result at most.
    inner = [data_part(block, name) if "call" in part else part for block in content for part in [read_block(block)]]
    # An empty list differs from a missing one.
    head = with_native(head, name, native if inner else {**native, "content": []})
    return [head, *({**part, "call": call} for part in inner)]


def write_result(parts: list[Object], name: str, write_block: BlockWriter) -> tuple[Object, int]:
    """The members of the result at the beginning of the parts, without its call, and the number of parts in it."""
    head = parts[0]
    count = 1 + _count_related(parts)
    inner = [{key: value for key, value in part.items() if key != "call"} for part in parts[1:count]]
    native = native_of(head, name)
    if native.get("content") == _JSON:
        native["content"] = value_of(head.get("output", "null"))
    if not inner:
        return ({"content": head["output"]} if "output" in head else {}) | native, count
    if "output" in head:
        inner.insert(0, {"type": "text", "text": head["output"]})
    return {**native, "content": write_blocks(inner, name, write_block)}, count


def _count_related(parts: list[Object]) -> int:
    count = 0
    for part in parts[1:]:
        if part.get("call") != parts[0]["call"] or part["type"] in {"tool_call", "tool_result"}:
            break
        count += 1
    return count


def message_of(
    source: Object, parts: list[Object], name: str, consumed: set[str], role: str, form: str = ""
) -> Message:
    """A message of these parts; members of its source that are not `consumed` go into its metadata.

    `role` is used if the contract lacks the source's own role; `form` says how the content was written.
    """
    rest = {key: value for key, value in source.items() if key not in consumed}
    metadata: Object = {}
    own = source.get("role")
    if isinstance(own, str) and own in ROLES:
        role = own
        # A role that would be written as another one is kept as in the source.
        if own not in _OTHER_ROLES.get(name, {}):
            rest.pop("role", None)
    elif "role" not in source:
        metadata["role"] = False
    if rest:
        metadata["fields"] = rest
    if form:
        metadata["content"] = form
    return {"role": role, "parts": parts, "metadata": {name: metadata}} if metadata else {"role": role, "parts": parts}


def source_of(message: Message, name: str) -> tuple[Object, str]:
    """The members of a source that `message_of` kept, with its role as the format names it, and the content's form."""
    kept: Object = message.get("metadata", {}).get(name, {})
    source = dict(kept.get("fields", {}))
    if kept.get("role", True):
        source.setdefault("role", _OTHER_ROLES.get(name, {}).get(message["role"], message["role"]))
    return source, str(kept.get("content", ""))
