"""Published messages in other formats round-trip through our parts."""

import copy
import json
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplifierd.formats import AISDK, FORMATS, Anthropic, ContentNotConvertible, Format, OpenAIChat, OpenAIResponses
from samples.published_blocks import AI_SDK_PARTS, ANTHROPIC_BLOCKS, OPENAI_RESPONSES, PUBLISHED

CASES = [(each, source) for each in FORMATS for source in PUBLISHED[each.name]]
IDS = [f"{each.name}-{number}" for each in FORMATS for number, _ in enumerate(PUBLISHED[each.name])]


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal, including types: 1 differs from 1.0 and from true."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


@pytest.mark.parametrize(("each", "source"), CASES, ids=IDS)
def test_published_message_round_trips(each: Format, source: dict[str, Any]) -> None:
    before = copy.deepcopy(source)
    message = each.read(source)
    assert same(each.write(message), before)
    # As through a server, which receives JSON.
    assert same(each.write(json.loads(json.dumps(message))), before)
    assert same(source, before)


def test_text_arguments_are_kept_byte_for_byte() -> None:
    text = '{ "city":"K\\u00f6ln",\n "days": 1.0, "days": 2 }'
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": text}}
    message = OpenAIChat().read({"role": "assistant", "content": None, "tool_calls": [call]})
    assert message["parts"] == [{"type": "tool_call", "call": "call_1", "name": "weather", "input": text}]


def test_anthropic_s_thinking_and_calls_are_parts() -> None:
    thinking, call, result = ANTHROPIC_BLOCKS[10], ANTHROPIC_BLOCKS[12], ANTHROPIC_BLOCKS[15]
    parts = Anthropic().read({"role": "user", "content": [thinking, call, result]})["parts"]
    assert parts[:2] == [
        {"type": "reasoning", "text": thinking["thinking"], "signature": thinking["signature"]},
        {
            "type": "tool_call",
            "call": "toolu_01A",
            "name": "weather",
            "input": '{"city":"Köln","days":1.0,"deep":[{}]}',
        },
    ]
    assert [(part["type"], part["call"]) for part in parts[2:]] == [
        ("tool_result", "toolu_01A"),
        ("text", "toolu_01A"),
        ("file", "toolu_01A"),
        ("data", "toolu_01A"),
    ]


def test_item_with_its_result_is_two_parts() -> None:
    item = next(each for each in OPENAI_RESPONSES if each.get("type") == "code_interpreter_call")
    parts = OpenAIResponses().read(item)["parts"]
    assert parts == [
        {"type": "tool_call", "call": "ci_1", "name": "code_interpreter", "input": "print(2 + 2)"},
        {"type": "tool_result", "call": "ci_1", "output": '[{"type":"logs","logs":"4"}]'},
    ]


def test_tool_of_the_ai_sdk_is_a_call_and_its_result() -> None:
    tool = next(each for each in AI_SDK_PARTS if each.get("state") == "output-error")
    call, result = AISDK().read({"id": "m1", "role": "assistant", "parts": [tool]})["parts"]
    assert (call["type"], call["call"], call["name"]) == ("tool_call", "call_1", "weather")
    assert result == {"type": "tool_result", "call": "call_1", "output": "It is away.", "error": True}


def test_parts_of_the_ai_sdk_s_version_4_are_calls_and_reasoning() -> None:
    old = [each for each in AI_SDK_PARTS if each["type"] == "tool-invocation" or "reasoning" in each]
    parts = AISDK().read({"id": "m1", "role": "assistant", "parts": old})["parts"]
    found = [(part["type"], part.get("output"), part.get("input"), part.get("text")) for part in parts]
    assert found == [
        ("tool_call", None, '{"city":"Köln"}', None),
        ("tool_result", '{"degrees":15.0}', None, None),
        ("tool_call", None, '{"city":"Köln"}', None),
        ("tool_result", "15 degrees", None, None),
        ("tool_call", None, '{"city":"Köln"}', None),
        ("tool_call", None, "", None),
        # It has no id.
        ("data", None, None, None),
        ("reasoning", None, None, "The user wants the weather."),
    ]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        (
            {"role": "assistant", "content": "Hi.", "tool_calls": [{
                "id": "call_1", "type": "function", "function": {"name": "now", "arguments": '{"zone": 1}'}}]},
            Anthropic(),
            {"role": "assistant", "content": [
                {"type": "text", "text": "Hi."},
                {"type": "tool_use", "id": "call_1", "name": "now", "input": {"zone": 1}}]},
        ),
        (
            {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
            Anthropic(),
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "noon"}]},
        ),
        (
            {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
            OpenAIResponses(),
            {"type": "function_call_output", "call_id": "call_1", "output": "noon"},
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a"}}]},
            OpenAIResponses(),
            {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/a"}]},
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a"}}]},
            AISDK(),
            {"role": "user", "parts": [{"type": "file", "mediaType": "image/*", "url": "https://example.com/a"}]},
        ),
    ],
)  # fmt: skip
def test_formats_exchange_common_content(source: dict[str, Any], target: Format, expected: dict[str, Any]) -> None:
    assert target.write(OpenAIChat().read(source)) == expected


def test_format_refuses_parts_that_it_cannot_represent() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": "not JSON"}}
    message = OpenAIChat().read({"role": "assistant", "content": "Hi.", "tool_calls": [call]})
    with pytest.raises(ContentNotConvertible, match="not JSON"):
        Anthropic().write(message)
    with pytest.raises(ContentNotConvertible, match="several items"):
        OpenAIResponses().write(message)


SOURCES_OF_ALL = [*chain.from_iterable(PUBLISHED.values())]
# Any JSON in place of a block, mostly with meaningful names and values.
NAMES = sorted(
    {key for source in SOURCES_OF_ALL for key in source}
    | {key for block in ANTHROPIC_BLOCKS + AI_SDK_PARTS for key in block}
    | {
        "function",
        "custom",
        "url",
        "detail",
        "file_data",
        "filename",
        "media_type",
        "image_url",
        "blocks",
        "rest",
        "own",
    }
)
TYPES = sorted(
    {
        str(block["type"])
        for source in SOURCES_OF_ALL
        for block in [
            source,
            *(source["content"] if isinstance(source.get("content"), list) else []),
            *source.get("parts", []),
        ]
        if "type" in block
    }
)
TEXTS = st.one_of(
    st.sampled_from(["", "call_1", "data:image/png;base64,AA==", "text", "list", "base64", "url", "file"]),
    st.sampled_from(["summary_text", "reasoning_text", "function", "custom", "tool", "x" * 600]),
    st.text(st.characters(codec="utf-8"), max_size=5),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
        st.builds(
            lambda block, kind: {**block, "type": kind},
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
            st.sampled_from(TYPES),
        ),
    ),
    max_leaves=8,
)
SOURCES = st.builds(
    lambda source, kind: {**source, **kind},
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
    st.one_of(st.just({}), st.sampled_from(TYPES).map(lambda kind: {"type": kind})),
)


def mutations(source: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A published message with some values replaced."""
    return st.dictionaries(st.sampled_from(sorted(source) or ["type"]), VALUES, max_size=2).map(
        lambda new: {**source, **new}
    )


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: str(each.name))
@settings(max_examples=50)
@given(data=st.data())
def test_any_object_round_trips(each: Format, data: st.DataObject) -> None:
    source = data.draw(st.one_of(SOURCES, st.sampled_from(PUBLISHED[each.name]).flatmap(mutations)))
    before = copy.deepcopy(source)
    assert same(each.write(json.loads(json.dumps(each.read(source)))), before)


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: str(each.name))
@settings(max_examples=50)
@given(data=st.data())
def test_any_block_round_trips(each: Format, data: st.DataObject) -> None:
    blocks = [
        block
        for source in PUBLISHED[each.name]
        for block in (source.get("parts") or source.get("content") or [])
        if isinstance(block, dict)
    ]
    block = st.one_of(VALUES, st.sampled_from(blocks).flatmap(mutations))
    source = {"role": "user", "parts" if each.name == "ai-sdk" else "content": data.draw(st.lists(block, max_size=3))}
    assert same(each.write(json.loads(json.dumps(each.read(source)))), source)
