"""A profile round-trips through its file; YAML is read by its core schema, within limits."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from amplifierd.contract import DecodeError
from amplifierd.documents.profile_file import profile_file, read_profile
from amplifierd.documents.yaml_json import json_of
from amplifierd.storage.model.profile_records import ModuleConfig, ProfileSettings, SessionConfig

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    [
        "on",
        "1.0",
        "010",
        "~",
        "null",
        "---",
        "a\n---\nb",
        "2025-01-01",
        "- x",
        "e5",
        "a: b",
        "#",
        "é\u2028",
        "\x85",
        "\x00",
        " x ",
    ]
)
NUMBER = st.integers(-(10**40), 10**40).map(str) | st.sampled_from(["1.0", "-0.0", "1e5", "1E-7", "0.10", "12.50e+3"])
VALUE = st.recursive(
    TEXT.map(json.dumps) | NUMBER | st.sampled_from(["true", "false", "null"]),
    lambda below: (
        st.lists(below, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(TEXT, below, max_size=3).map(
            lambda members: "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}"
        )
    ),
    max_leaves=8,
)
CONFIG = st.dictionaries(TEXT, VALUE, max_size=3).map(
    lambda members: Raw(b"{%s}" % ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()).encode())
)
MODULE = st.builds(ModuleConfig, TEXT, TEXT, CONFIG)
REFERENCES = st.dictionaries(TEXT, TEXT, max_size=3)
PROFILE = st.builds(
    ProfileSettings,
    name=st.just("a/b"),
    description=TEXT,
    version=TEXT,
    session=st.builds(SessionConfig, MODULE, MODULE, st.integers(0, 10**6)),
    providers=st.lists(MODULE, max_size=2),
    agents=REFERENCES,
    context=REFERENCES,
    instructions=TEXT,
)


@given(PROFILE)
@settings(max_examples=300, deadline=None)
def test_profile_round_trips_through_its_file(profile: ProfileSettings) -> None:
    file = profile_file(msgspec.json.encode([profile])).decode()
    read = json.loads(read_profile(file).json, parse_float=str, parse_int=str)
    members = json.loads(msgspec.json.encode(profile), parse_float=str, parse_int=str)
    members["session"]["context_manager"] = members["session"].pop("contextManager")
    members["session"]["injection_size_limit"] = members["session"].pop("injectionSizeLimit")
    del members["schemaVersion"]
    if not members["description"]:
        assert read.pop("description", "") == ""
        del members["description"]
    assert read == {name: value for name, value in members.items() if value not in ([], {}, "") or name == "version"}


def value_of(text: str) -> Any:
    return json.loads(json_of(text, 1, lambda _: False).json, parse_float=str, parse_int=str)


@pytest.mark.parametrize(
    "config",
    [
        b'{"x":[' + b",".join([b"0"] * 90_000) + b"]}",
        b'{"a":' * 60 + b"[" + b",".join([b"0"] * 9_000) + b"]" + b"}" * 60,
        b'{"a":' * 97 + b"0" + b"}" * 97,
    ],
)
def test_large_profile_round_trips_through_its_file(config: bytes) -> None:
    profile = ProfileSettings(name="a/b", tools=[ModuleConfig("m", config=Raw(config))])
    file = profile_file(msgspec.json.encode([profile])).decode()
    assert json.loads(read_profile(file).json)["tools"] == [{"module": "m", "config": json.loads(config)}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("on", "on"),
        ("No", "No"),
        ("TRUE", True),
        ("1.0", "1.0"),
        ("010", "10"),
        ("0o17", "15"),
        ("0x1F", "31"),
        ("+5", "5"),
        (".5", "0.5"),
        ("1.", "1.0"),
        ("1e400x", "1e400x"),
        ("e5", "e5"),
        ("-e39", "-e39"),
        (".E5", ".E5"),
        ("00e5", "0e5"),
        ("-.5e+1", "-0.5e+1"),
        ("12:30:45", "12:30:45"),
        ("2025-01-01", "2025-01-01"),
        ("1_000", "1_000"),
        ("9" * 5_000, "9" * 5_000),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
        ("<<: {a: 1}", {"<<": {"a": "1"}}),
        ("- &a [x]\n- *a", [["x"], ["x"]]),
        ("!!str 5", "5"),
        ('"\\x41"', "A"),
        ("|\n a\n b\n", "a\nb\n"),
    ],
)
def test_yaml_is_read_by_the_core_schema(text: str, value: object) -> None:
    assert value_of(text) == value


BOMB = "a: &a [x]\n" + "".join(
    f"{n}: &{n} [{','.join([f'*{m}'] * 9)}]\n" for m, n in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (BOMB, 7, "aliases expand to more than"),
        ("[" * 200 + "]" * 200, 1, "nests deeper than 100"),
        ("[" * 5_000, 1, "nest"),
        ("a: &a\n  b: *a", 2, "refers to no complete earlier value"),
        ("a: 1\nb:\n  c: 1\n  c: 2", 4, "the key 'c' occurs twice"),
        ("a: 1\n[b]: 2", 2, "a key must be a string"),
        ("x: !!python/object/apply:os.system [ls]", 1, "is not supported"),
        ("x: !mine 5", 1, "is not supported"),
        ("x: .inf", 1, "JSON has no .inf"),
        ("x: 1e999", 1, "out of the range"),
        ("a\n---\nb", 2, "a second document begins"),
        ("a: b: c", 1, "invalid YAML"),
        ("a: 1\nb: \x07", 2, "invalid YAML"),
        ("x" * (512 * 1024 + 1), 1, "more than 524288 characters"),
    ],
)
def test_invalid_yaml_is_reported_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(DecodeError, match=words) as raised:
        json_of(text, 1, lambda _: False)
    assert raised.value.line == line
