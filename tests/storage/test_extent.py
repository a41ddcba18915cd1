"""The number of values and levels of a JSON text, counted from its characters."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplifierd.storage.values.json_text import has_more_values, nesting_depth

TEXTS = st.text('"\\[]{},:x é', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def values(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + sum(map(values, inner))


def levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)


@given(value=VALUES, indent=st.none() | st.integers(0, 2), ascii_only=st.booleans())
def test_values_and_levels_are_counted(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert not has_more_values(text, values(value))
    assert has_more_values(text, values(value) - 1)
    assert nesting_depth(text) == levels(value)


@pytest.mark.parametrize("text", [b"[" * 100, b"," * 100, b'{"":"",' * 100])
def test_invalid_json_may_have_many_values(text: bytes) -> None:
    assert has_more_values(text, 20)
