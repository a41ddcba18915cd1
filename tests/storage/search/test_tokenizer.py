"""Splitting texts into words."""

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amplifierd.storage.search import segmentation
from amplifierd.storage.search.characters import fold
from amplifierd.storage.search.tokenizer import Tokenizer
from random_requests.strategies import ANY_TEXT


@example("1,299 then 1.5, C++ and C#")
@example("x" * 130 + " Y_z")
@example("2026-04-01T10:00:00.123Z, 2026-04-01t9am, 12345678901z")
@example("2026-04-01T10:00:00Z, 10:30am, 1" + "x" * 130 + "pm")
@example("é 2026-04-01T10:00:00.123Z, 2026-04-01t9am, 12345678901z")
@given(
    ANY_TEXT
    | st.text(
        "aB1-_'.,\u0301数据ก้👍\ufe0f #+\"\u00d7\u0661\u0628\u200c\u05e0\u05f4\u0928\u094d\u0924\u093c\u0439",
        max_size=40,
    )
)
def test_words_equal_words_with_positions(text: str) -> None:
    tokenizer = Tokenizer()
    indexed = tokenizer.indexed(text)
    (words, ranges), forms = tokenizer.places(text), tokenizer.forms(text)
    assert words == indexed.words.split()
    assert {form.text for form in forms} == {*indexed.forms}
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert len(ranges) == len(words)
    assert all(0 <= form.first < form.last <= len(words) for form in forms)


def test_long_line_of_hyphens_is_split_in_linear_time() -> None:
    # A quadratic pattern would take days.
    for text in ("-" * 8_000_000, "._" * 4_000_000):
        assert Tokenizer().indexed(text).size == 0
        assert Tokenizer().places(text).words == []


def test_entry_of_short_words_takes_little_more_memory_than_its_text() -> None:
    text = "x " * 500_000
    tokenizer = Tokenizer()
    tracemalloc.start()
    try:
        entry = tokenizer.indexed(text)
        different = [*entry.different_words()]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (entry.size, different) == (500_000, ["x"])
    # A word as an object takes 25 times the memory of its text.
    assert peak <= 8 * len(text)


def test_word_that_a_long_chunk_repeats_is_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[str] = []

    def counted(word: str) -> str:
        folded.append(word)
        return fold(word)

    monkeypatch.setattr(segmentation, "fold", counted)
    assert segmentation.words_of("É😀" * 1_000) == ["e", "😀"] * 1_000
    assert folded == ["É"]
