"""Parsers of client input take linear time; a quadratic one would make a test take hours."""

import re
from itertools import pairwise

import msgspec
import pytest
from msgspec import Raw

from amplifierd.contract.core.ijson import NotIJson, decode
from amplifierd.contract.core.problems import Problem
from amplifierd.contract.request.media_decoders import DecodeError, decoded_body
from amplifierd.contract.response.record_encoding import encode_long, is_long
from amplifierd.documents.markdown import markdown_of
from amplifierd.documents.profile_file import read_profile
from amplifierd.documents.yaml_json import MAX_VALUES, json_of
from amplifierd.storage.model.records import Message, Messages

MIB = 1024 * 1024
TIME = "2025-11-21T19:33:19.192107Z"


def message(content: str, role: str = "user") -> Message:
    return Message("tool" if role == "tool" else "user", content, TIME, Raw(b"{}"), 1)


def transcript_of(content: str, role: str = "user") -> str:
    """The text of a message in a transcript."""
    return markdown_of(msgspec.json.encode([message(content, role)])).decode().partition("\n\n")[2]


@pytest.mark.parametrize(
    "body",
    [
        b'\\"' * MIB + b"[" * 101,
        b'"' + b'\\"' * MIB + b"[" * 101,
        b'"\\' * MIB + b"[" * 101,
        b'"' * 101 + b'"\\u' * MIB,
        b'{"a":' + b"9" * MIB + b"}",
        b'{"a":1.' + b"9" * MIB + b"e}",
    ],
    ids=range(6),
)
def test_json(body: bytes) -> None:
    with pytest.raises((NotIJson, ValueError)):
        decode(body)


@pytest.mark.parametrize(
    "text",
    ["0" * 500_000 + "x", "9" * 500_000 + "x", "1." + "0" * 500_000 + "x", "1e" + "0" * 500_000 + "x", "x " * 250_000],
)
def test_word_of_yaml(text: str) -> None:
    assert json_of(text, 1, lambda _path: False).json == msgspec.json.encode(text.rstrip())


def test_yaml_of_too_many_values() -> None:
    with pytest.raises(DecodeError, match=f"more than {MAX_VALUES} values"):
        json_of(f"[{'a,' * MAX_VALUES}]", 1, lambda _path: False)


def test_long_key_over_many_elements_takes_memory_for_each_once() -> None:
    front = "---\nprofile: {name: a/b, version: 1.0.0, schema_version: 2}\ntools:\n- module: m\n  config:\n"
    text = f"{front}    ? {'k' * 200_000}\n    : [{'a,' * 60_000}]\n---\n"
    meaning = decoded_body(text.encode(), read_profile)
    assert len(meaning.json) < MIB
    assert meaning.lines.nearest("tools", "0", "config", "k" * 200_000, "59999").line == 7


def test_fault_is_reported_briefly() -> None:
    with pytest.raises(Problem) as raised:
        decoded_body(f"---\n!{'x' * 500_000} a\n---\n".encode(), read_profile)
    assert len(raised.value.detail) < 1_000
    assert len(raised.value.errors[0].detail) < 1_000


@pytest.mark.parametrize(
    ("content", "longest"),
    [
        ("```\n" * 500_001, 3),
        ("````\n" + "```\n" * MIB, 4),
        ("~~~\n```\n" * 300_000, 3),
        ("```" + " " * 8 * MIB, 3),
        ("```x`\n" * MIB, 3),
        ("`" * 8 * MIB, 8 * MIB),
        ("\n".join("`" * length for length in range(4_000, 3, -1)), 4_000),
        ("<" * 8 * MIB, 2),
    ],
    ids=range(8),
)
def test_long_text_that_may_hide_others_is_put_into_a_fence(content: str, longest: int) -> None:
    fence = "`" * (longest + 1)
    assert transcript_of(content) == f"{fence}\n{content}\n{fence}\n\n"


@pytest.mark.parametrize(
    "line", ["```\n", "<b\n", "<", "> ", "- ```\n", "`", "## 1. user ", " UTC", "<pre>\n", "    ```\n", "<details>"]
)
def test_lines_of_a_text(line: str) -> None:
    content = line * (MIB // 4 // len(line))
    assert content in transcript_of(content)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("lines", "fence"),
    [
        (["```", "x"], "```"),
        (["```", "x", "```"], ""),
        (["```", "~~~", "``", "```` ", "~~~~ a"], "~~~~"),
        (["   ~~~ a`b", "x"], "~~~"),
        (["    ```"], ""),
        (["```a`"], ""),
        (["````", "```", "`````x"], "````"),
    ],
)
def test_fence_is_closed_at_any_split(lines: list[str], fence: str, ending: str) -> None:
    for padding in ("", "x\n" * 40_000):
        content = padding + ending.join(lines)
        assert transcript_of(content) == content + (f"\n{fence}" if fence else "") + "\n\n"


def test_tool_output_gets_a_longer_fence() -> None:
    for content in ("", "`", "a `` b", "```", "`" * 1_000 + " " + "`" * 999, "` " * 4 * MIB):
        runs = [len(run) for run in re.findall("`+", content)] if len(content) < MIB else [1]
        fence = "`" * max(3, 1 + max(runs, default=0))
        assert transcript_of(content, "tool") == f"{fence}\n{content}\n{fence}\n\n"


@pytest.mark.parametrize(
    "content", ['"\\\n' * 60_000, "é💬\0\u2028" * 60_000, "x" * 192 * 1024, "x" * 192 * 1024 + '"']
)
def test_long_texts_are_encoded_in_pieces(content: str) -> None:
    long = message(content)
    assert is_long(long)
    assert encode_long(long) == msgspec.json.encode(long)
    together = Messages("id", [message("short"), long])
    assert is_long(together)
    assert encode_long(together) == msgspec.json.encode(together)


def test_lines_of_a_profile_go_up() -> None:
    text = "---\nprofile: {name: a/b, version: 1.0.0, schema_version: 2}\ntools:\n- module: a\n- module: b\n---\n"
    tools = decoded_body(text.encode(), read_profile).lines.nearest("tools")
    assert all(first.line < second.line for first, second in pairwise(tools.below.values()))
