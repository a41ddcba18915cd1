"""Converts items of the Responses API that are calls and results."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .blocks import fits, text_of, value_of
from .interface import Object


@dataclass(frozen=True, slots=True)
class CallShape:
    """An item that is a call, a result, or both: the keys of its id, name, input and output.

    `name` is fixed if the item has none. The keys in `json` have any JSON value in the item.
    """

    call: str
    name: str = ""
    name_key: str = ""
    input_key: str = ""
    output_key: str = ""
    json: frozenset[str] = field(default_factory=frozenset)

    def read(self, item: Object) -> tuple[list[Object], set[str]]:
        """The parts of an item, and the keys that they use; none if the item lacks the fields of its type."""
        call = item.get(self.call)
        if not fits("call", call):
            return [], set()
        parts: list[Object] = []
        consumed = {self.call}
        if self.input_key:
            texts, consumed_here = self._texts(item, {"name": self.name_key, "input": self.input_key})
            if not fits("name", texts.setdefault("name", self.name)) or "input" not in texts:
                return [], set()
            parts.append({"type": "tool_call", "call": call, **texts})
            consumed |= consumed_here
        if self.output_key:
            texts, consumed_here = self._texts(item, {"output": self.output_key})
            parts.append({"type": "tool_result", "call": call, **texts})
            consumed |= consumed_here
        return parts, consumed

    def write(self, parts: list[Object]) -> Object:
        """The members of the item for these parts."""
        members: Object = {self.call: parts[0]["call"]}
        for part in parts:
            for name, key in (("name", self.name_key), ("input", self.input_key), ("output", self.output_key)):
                if key and name in part:
                    members[key] = value_of(part[name]) if key in self.json else part[name]
        return members

    def _texts(self, item: Object, keys: Mapping[str, str]) -> tuple[Object, set[str]]:
        texts: Object = {}
        consumed: set[str] = set()
        for name, key in keys.items():
            value = item.get(key)
            if key in self.json and key in item:
                value = text_of(value)
            if key and fits(name, value):
                texts[name] = value
                consumed.add(key)
        return texts, consumed


CALLS = {
    "function_call": CallShape("call_id", name_key="name", input_key="arguments"),
    "custom_tool_call": CallShape("call_id", name_key="name", input_key="input"),
    "computer_call": CallShape("call_id", "computer", input_key="action", json=frozenset({"action"})),
    "local_shell_call": CallShape("call_id", "local_shell", input_key="action", json=frozenset({"action"})),
    "shell_call": CallShape("call_id", "shell", input_key="action", json=frozenset({"action"})),
    "apply_patch_call": CallShape("call_id", "apply_patch", input_key="operation", json=frozenset({"operation"})),
    "computer_call_output": CallShape("call_id", output_key="output", json=frozenset({"output"})),
    "local_shell_call_output": CallShape("id", output_key="output"),
    "shell_call_output": CallShape("call_id", output_key="output", json=frozenset({"output"})),
    "apply_patch_call_output": CallShape("call_id", output_key="output"),
    # The provider executes these calls: each item already contains its result.
    "web_search_call": CallShape(
        "id", "web_search", input_key="action", output_key="results", json=frozenset({"action", "results"})
    ),
    "file_search_call": CallShape(
        "id", "file_search", input_key="queries", output_key="results", json=frozenset({"queries", "results"})
    ),
    "code_interpreter_call": CallShape(
        "id", "code_interpreter", input_key="code", output_key="outputs", json=frozenset({"outputs"})
    ),
    "mcp_call": CallShape("id", name_key="name", input_key="arguments", output_key="output"),
}
