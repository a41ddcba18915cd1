"""I-JSON (RFC 7493) is recognized in any spelling: escapes, spaces and keys of any kind."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amplifierd.contract.core.ijson import MAX_DEPTH, NotIJson, decode, is_surely_i_json

# Text that a parser may mistake for syntax, and characters that clients escape.
CHARACTERS = [":", '"', "\\", ",", "{", "a", "b", "/", "<", "\n", "\0", "\x1f", "\x7f", "é", "中", "😀"]
# Rarely a lone surrogate, which only an escape can express.
STRINGS = st.lists(st.sampled_from([*CHARACTERS * 5, "\ud83d", "\ude00"]), max_size=4).map("".join)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["-0", "1.10", "1E+5", "1e-400", "0.0", "9" * 309, "1e308", "1e309", "-1e999"]),
)
SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\n": "\\n"}


@st.composite
def written(draw: st.DrawFn, strings: st.SearchStrategy[str] = STRINGS) -> str:
    """A quoted string, with each character literal or escaped."""
    return '"' + "".join(draw(st.sampled_from(spellings(character))) for character in draw(strings)) + '"'


def spellings(character: str) -> list[str]:
    lower = json.dumps(character)[1:-1] if not character.isascii() else f"\\u{ord(character):04x}"
    found = [lower, lower.upper().replace("\\U", "\\u")]
    if character in SHORT:
        found.append(SHORT[character])
    if character not in '"\\' and character >= " " and not is_half(character):
        found.append(character)
    return found


def is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def joined(parts: list[str], opening: str, closing: str) -> str:
    return opening + " ,".join(parts) + closing


def containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(written(), values).map(
        lambda member: " : ".join(member) if member[1] > "1" else ":".join(member)
    )
    return st.one_of(
        st.lists(values, max_size=4).map(lambda parts: joined(parts, "[", "]")),
        st.lists(members, max_size=5).map(lambda parts: joined(parts, "{", "}")),
    )


TEXTS = st.recursive(st.one_of(written(), NUMBERS, st.sampled_from(["true", "null"])), containers, max_leaves=12)


class Refused(Exception):
    """A key occurs twice or begins with NUL, a number exceeds a double, or a string has a lone surrogate."""


def expected(text: str) -> Any:
    """The value according to the standard library's decoder, with hooks for keys and numbers."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs) or any(name.startswith("\0") for name, _ in pairs):
            raise Refused
        return dict(pairs)

    def number(digits: str) -> Any:
        if abs(float(digits)) == float("inf"):
            raise Refused
        return json.loads(digits)

    value = json.loads(text, object_pairs_hook=members, parse_int=number, parse_float=number)
    if any(map(is_half, json.dumps(value, ensure_ascii=False))):
        raise Refused
    return value


@given(TEXTS)
@example("9" * 309)
def test_any_spelling_has_its_value_or_is_refused(text: str) -> None:
    try:
        value = expected(text)
    except Refused:
        with pytest.raises(NotIJson):
            decode(text.encode())
    else:
        decoded, compact = decode(text.encode())
        assert repr(decoded) == repr(value)
        assert repr(expected(compact.decode())) == repr(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2,"b":"\\u003ax"}',
        '{"a":1,"a":2,"b":"\\u003Ax"}',
        '{"a":1,"\\u0061":2,"b":":x"}',
        '{"a":{"\\"":1,"\\u0022":2}}',
        '{"é":1,"\\u00e9":2,"b":"\\\\\\":"}',
    ],
)
def test_duplicate_key_is_refused(text: str) -> None:
    with pytest.raises(NotIJson, match="occurs twice in one object"):
        decode(text.encode())


@pytest.mark.parametrize("text", ['{"a":[{"\\u0000":1}]}', '{"":1,"a":[{"b\\u0000":"\\u0000","\\u0000":1}]}'])
def test_key_that_begins_with_nul_is_refused(text: str) -> None:
    with pytest.raises(NotIJson, match="begins with NUL, at /a/0/\0") as caught:
        decode(text.encode())
    assert caught.value.pointer == "/a/0/\0"
    assert not is_surely_i_json(text.encode())


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udc00":1}', '["\\ud83d\\u0041"]', '{"a":"\\u00e9\\udfff"}'])
def test_lone_surrogate_is_refused(text: str) -> None:
    with pytest.raises(NotIJson, match="half of a surrogate pair"):
        decode(text.encode())


@given(TEXTS)
@example("[" * MAX_DEPTH + "]" * MAX_DEPTH)
@example("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
@example(f"[{'9' * 308}, {'9' * 309}]")
@example(f'{{"{"a" * 50_001}": 1}}')
@example('{"\\u0000": 1}')
@example("[" + "1," * 100_000 + "1]")
def test_text_accepted_early_is_i_json(text: str) -> None:
    try:
        again = msgspec.json.encode(json.loads(text))
    except UnicodeEncodeError:
        # The encoder refuses lone surrogates.
        return
    if is_surely_i_json(again):
        assert decode(again)[1] == again


@pytest.mark.parametrize("spaces", range(0, 400, 3))
def test_an_integer_out_of_range_is_refused_at_any_place(spaces: int) -> None:
    with pytest.raises(NotIJson, match="is out of the range of a double, at /a"):
        decode(f'{{"text":"{"x" * spaces}","a":{"9" * 309},"b":"{"x" * 300}"}}'.encode())


@pytest.mark.parametrize("opening", ["[", '{"":'])
@pytest.mark.parametrize("before", ["", " ", '"x",'])
def test_depth_is_limited_whatever_is_before_it(opening: str, before: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(depth: int) -> bytes:
        return f"[{before}{opening * (depth - 1)}0{closing * (depth - 1)}]".encode()

    decode(nested(MAX_DEPTH))
    with pytest.raises(NotIJson, match="deeper"):
        decode(nested(MAX_DEPTH + 1))
