"""Hypothesis strategies for what clients send: texts and JSON of every kind that the contract allows."""

import json
from hashlib import sha256

from hypothesis import strategies as st
from msgspec import UNSET, Raw

from amplifierd.storage.model.part_records import NewUsage
from amplifierd.storage.model.records import (
    BatchMessage,
    CleanUp,
    Failure,
    Fork,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    SessionPatch,
)
from random_requests.search_terms import Term

# Texts of every script, and texts with the syntax of searches.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50) | st.text(
    '"*^(){}:+-AND OR NOT\0a', max_size=30
)


ROLES = st.sampled_from(["user", "assistant", "system", "developer", "tool"])
STATUSES = st.sampled_from(["created", "active", "completed", "failed", "terminated"])
SORTS = st.sampled_from(["-updated_at", "updated_at", "-created_at", "created_at", "name", "-name"])
PROFILE_NAMES = ["a/b", "c-d"]
DIRECTORY_PATHS = ["x/y", "é/ü", "a b"]
PROFILES = st.sampled_from(["default", *PROFILE_NAMES])
DIRECTORIES = st.sampled_from([".", *DIRECTORY_PATHS])
NAMES = st.sampled_from(["Atlas", "ATLAS 2", "Straße", "İstanbul", "שלום", "😀", "100%", "a_c", "\ufffe", "x" * 200])
KEYS = st.none() | st.none() | st.just("k") | st.integers(0, 50).map(str)

WORDS = ["fox", "FÓX", "foxes", "dog", "re\u0301d", "שלום", "ΑΛΦΆ 日本語 42"]
SEPARATORS = [" ", "\0", "\n", " 😀 ", "\u202e", "-", ", ", "\"'\\", "\x02", " <mark>", "\u2028", "\ufffe"]
SPECIAL = ["", "\0", "\x01\x1f\x7f", "👩‍👩‍👧‍👦", "\U0010ffff\uffff"]
LONG = [("x", 70_000), ("😀", 20_000), ("fox ", 3_000)]
TEXTS = (
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=6).map(" ".join)
    | st.lists(st.sampled_from(WORDS + SEPARATORS), max_size=8).map("".join)
    | st.sampled_from(SPECIAL)
    | st.sampled_from(LONG).map(lambda case: case[0] * case[1])
)
TERMS = st.lists(
    st.builds(Term, st.sampled_from(["fox", *WORDS, "fo", "r", "fox fox", "dog fox"]), st.booleans())
    | st.builds(
        Term, st.sampled_from(["fox", "FÓX", "foxes", "dog", "fo", "שלום", "42"]), st.booleans(), st.just(True)
    ),
    min_size=1,
    max_size=2,
)

LEAVES = st.sampled_from(
    ["null", "true", "0", "-0", "1.0", "1e2", "1E-7", "123456789012345678901234567890", "0.1234567890123456789"]
) | st.sampled_from(["", "é", "\0", "😀", "\u2028", 'q"\\', "\x7f", "null"]).flatmap(
    lambda text: st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])
)
MEMBER_NAMES = st.sampled_from(["a", "b", "c", "", "é", 'q"', "\0", "n\n", "𝄞"])


def _object(members: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}"


VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: f"[{','.join(values)}]")
        | st.dictionaries(MEMBER_NAMES, inner, max_size=3).map(_object)
    ),
    max_leaves=6,
)
OBJECTS = (
    st.dictionaries(MEMBER_NAMES, VALUES, max_size=4)
    | st.just(1_022).map(lambda many: {f"k{number}": "7" * 30 for number in range(many)})
).map(lambda members: Raw(_object(members).encode()))

SESSION_IDS = ["2489e9ad-2ee2-8e00-8ec9-32d5f69181c0", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"]
MESSAGE_IDS = st.sampled_from(["m-1", "é", "x" * 200])
OWN_MOMENTS = st.sampled_from(
    [
        "2023-03-01T10:00:00+01:00",
        "2016-12-31t23:59:60.25z",
        "2031-05-06T07:08:09.123456789Z",
        "9999-12-31T23:59:59-23:59",
    ]
)
CONTENTS = [b"", b"one", b"two" * 50_000]
FILE_IDS = [sha256(content).hexdigest() for content in CONTENTS]
URLS = [f"/files/{file_id}" for file_id in FILE_IDS]
LABEL_KEYS = st.sampled_from(["a", "é 😀", 'q"\\', "x" * 200])
LABEL_VALUES = st.sampled_from(["1", "1:2", "é 😀", 'q"\\', "v" * 200])
LABEL_FILTERS = LABEL_KEYS | st.builds("{}:{}".format, LABEL_KEYS, LABEL_VALUES)
SEQUENCES = st.none() | st.integers(0, 6)
TOKENS = st.none() | st.sampled_from([0, 7, 2**53 - 1])
NEW_SESSIONS = st.builds(
    NewSession,
    profile=st.none() | PROFILES,
    context=OBJECTS,
    amplified_dir=DIRECTORIES,
    name=st.none() | NAMES,
    id=st.none() | st.none() | st.sampled_from(SESSION_IDS),
    created_at=st.none() | st.none() | OWN_MOMENTS,
    labels=st.just({}) | st.dictionaries(LABEL_KEYS, LABEL_VALUES, max_size=3),
    archived=st.booleans(),
    pinned=st.booleans(),
)
PATCHES = st.builds(
    SessionPatch,
    name=st.just(UNSET) | st.none() | NAMES,
    profile=st.just(UNSET) | PROFILES,
    context=st.just(UNSET) | OBJECTS,
    labels=st.just(UNSET) | st.dictionaries(LABEL_KEYS, st.none() | LABEL_VALUES, max_size=3),
    archived=st.just(UNSET) | st.booleans(),
    pinned=st.just(UNSET) | st.booleans(),
)
FAILURES = st.builds(
    Failure, error_message=TEXTS.map(lambda text: text[:4_096] or "?"), error_details=st.just(UNSET) | OBJECTS
)
FORKS = st.builds(Fork, at_sequence=SEQUENCES, name=st.none() | NAMES)
SCOPES = st.sampled_from(["text", "tools", "all", "all"])
USAGES = st.builds(
    NewUsage,
    **{name: st.just(UNSET) | st.sampled_from([0, 5, 2**31 - 1]) for name in NewUsage.__struct_fields__[:4]},
    cost=st.just(UNSET) | st.sampled_from(["0", "0.1", "999999.000000001", "12.50"]),
    currency=st.just(UNSET) | st.sampled_from(["USD", "EUR"]),
)
CALLS = st.sampled_from(["call_1", "call_2", "é"])


def _part(part_type: str, **fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Parts of a type with these fields, some of them with `native`."""
    members = {name: value.map(json.dumps) for name, value in fields.items()}
    native = {"native": OBJECTS.map(lambda value: bytes(value).decode())}
    named = st.fixed_dictionaries({"type": st.just(f'"{part_type}"'), **members}, optional=native)
    return named.map(_object)


PARTS = st.lists(
    _part("text", text=TEXTS)
    | _part("text", text=TEXTS, call=CALLS)
    | _part("reasoning", text=TEXTS)
    | _part("tool_call", call=CALLS, name=NAMES, input=TEXTS)
    | _part("tool_result", call=CALLS, output=TEXTS)
    | _part("tool_result", call=CALLS)
    | _part("file", media=st.just("image/*"), url=st.just("https://example.com/a"), call=CALLS)
    | _part("file", media=st.just("image/*"), url=st.sampled_from(URLS))
    | VALUES.map(lambda value: f'{{"type":"data","kind":"x","value":{value}}}'),
    max_size=4,
).map(lambda parts: Raw(f"[{','.join(parts)}]".encode()))

_FIELDS = {
    "role": ROLES,
    "metadata": OBJECTS,
    "agent": st.none() | NAMES,
    "token_count": TOKENS,
    "model": st.just(UNSET) | NAMES,
    "usage": st.just(UNSET) | USAGES,
    "id": st.just(UNSET) | st.just(UNSET) | MESSAGE_IDS,
    "timestamp": st.just(UNSET) | st.just(UNSET) | OWN_MOMENTS,
}
MESSAGES = st.builds(BatchMessage, content=TEXTS, **_FIELDS) | st.builds(BatchMessage, parts=PARTS, **_FIELDS)
ONE = st.builds(NewMessage, content=TEXTS, **_FIELDS) | st.builds(NewMessage, parts=PARTS, **_FIELDS)
MESSAGE_PATCHES = st.builds(MessagePatch, metadata=st.just(UNSET) | OBJECTS, content=st.none() | TEXTS) | st.builds(
    MessagePatch, metadata=st.just(UNSET) | OBJECTS, parts=PARTS
)
MANY_MESSAGES = st.builds(
    NewMessages, messages=st.lists(MESSAGES, min_size=1, max_size=5, unique_by=lambda each: each.id or id(each))
)
SESSION_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.lists(STATUSES, min_size=1, max_size=3, unique=True).map(tuple),
        "labels": st.lists(LABEL_FILTERS, min_size=1, max_size=2).map(tuple),
        "archived": st.booleans(),
        "pinned": st.booleans(),
        "roots": st.just(True),
        "profile": PROFILES,
        "amplified_dir": DIRECTORIES,
    },
)
CLEAN_UPS = st.builds(
    CleanUp,
    older_than_days=st.sampled_from([40, 40, 1, 36_500, 0]),
    status=st.lists(STATUSES, min_size=1, max_size=3).map(tuple),
    dry_run=st.sampled_from([True, True, True, False]),
)
