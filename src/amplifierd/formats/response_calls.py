"""Converts items of the Responses API that are calls and results."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .blocks import fits, native_of, text_of, value_of, with_native
from .interface import Object


@dataclass(frozen=True, slots=True)
class CallShape:
    """An item that is a call, a result, or both: the keys of its id, name, input and output.

    `name` is fixed if the item has none. The keys in `json` have any JSON value in the item. An item that is both may
    lack its id and its input: the name of the tool is used as the id, and an empty text as the input.
    """

    call: str
    name: str = ""
    name_key: str = ""
    input_key: str = ""
    output_key: str = ""
    json: frozenset[str] = field(default_factory=frozenset)

    def read(self, item: Object, format_name: str) -> tuple[list[Object], set[str]]:
        """The parts of an item, and the keys that they use; none if the item lacks the fields of its type."""
        named = item.get(self.name_key) if self.name_key else self.name
        is_both = bool(self.input_key and self.output_key)
        call = item.get(self.call)
        lacking: list[str] = []
        if is_both and not fits("call", call):
            call = named
            lacking.append(self.call)
        if not fits("call", call):
            return [], set()
        parts: list[Object] = []
        consumed = {self.call} - {*lacking}
        if self.input_key:
            texts, consumed_here = self._texts(item, {"name": self.name_key, "input": self.input_key})
            if "input" not in texts and is_both:
                texts["input"] = ""
                lacking.append(self.input_key)
            if not fits("name", texts.setdefault("name", self.name)) or "input" not in texts:
                return [], set()
            native = {"lacks": lacking} if lacking else {}
            parts.append(with_native({"type": "tool_call", "call": call, **texts}, format_name, native))
            consumed |= consumed_here
        if self.output_key:
            texts, consumed_here = self._texts(item, {"output": self.output_key})
            parts.append({"type": "tool_result", "call": call, **texts})
            consumed |= consumed_here
        return parts, consumed

    def write(self, parts: list[Object], format_name: str) -> Object:
        """The members of the item for these parts."""
        lacking = native_of(parts[0], format_name).get("lacks", ())
        members: Object = {} if self.call in lacking else {self.call: parts[0]["call"]}
        for part in parts:
            for name, key in (("name", self.name_key), ("input", self.input_key), ("output", self.output_key)):
                if key and key not in lacking and name in part:
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
    "tool_search_call": CallShape("call_id", "tool_search", input_key="arguments", json=frozenset({"arguments"})),
    "tool_search_output": CallShape("call_id", output_key="tools", json=frozenset({"tools"})),
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
