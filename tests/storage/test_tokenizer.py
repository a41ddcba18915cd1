"""How texts are split into words."""

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplifierd.storage.search import tokenizer
from amplifierd.storage.search.tokenizer import Tokenizer
from strategies import ANY_TEXT


@given(ANY_TEXT | st.text("aB1-_'.,\u0301数据ก้👍\ufe0f #+\"", max_size=40))
def test_words_are_the_same_with_their_places(text: str) -> None:
    splitting = Tokenizer()
    indexed = splitting.indexed(text)
    tokens, forms = splitting.places(text), splitting.forms(text)
    assert [token.text for token in tokens] == indexed.words.split()
    assert {form.text for form in forms} == {*indexed.forms}
    assert all(0 <= token.start < token.end <= len(text) for token in tokens)
    assert all(0 <= form.first < form.last <= len(tokens) for form in forms)


@given(st.lists(ANY_TEXT, max_size=30), st.sampled_from([64, 512]), st.sampled_from([1, 3]))
def test_pieces_have_the_words_of_the_whole_text(texts: list[str], piece_bytes: int, overlap: int) -> None:
    text = " ".join(texts)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "PIECE_BYTES": piece_bytes,
            "OVERLAP": overlap,
            "_PART_CHARACTERS": 16,
            "_PART_WORDS": 2,
        }.items():
            patch.setattr(tokenizer, name, value)
        pieces = [*Tokenizer().pieces(text)]
    whole = Tokenizer().indexed(text)
    words = [piece.words.split() for piece in pieces]
    for before, after in pairwise(words):
        assert before[-overlap:] == after[:overlap]
    assert [*chain(*(said[:-overlap] for said in words[:-1]), words[-1])] == whole.words.split()
    assert {form for piece in pieces for form in piece.forms} == {*whole.forms}
    assert [piece.size for piece in pieces] == [*map(len, words)]


def test_pieces_are_of_a_bounded_size() -> None:
    texts = ["a " * 1_000_000, "中" * 500_000, "aB1cD2eF3 " * 100_000, "x" * 4_000_000, "ω" * 128 + " "]
    for text in [*texts, texts[-1] * 5_000, " ".join(f"{number:028x}" for number in range(100_000))]:
        assert max(piece.bytes for piece in Tokenizer().pieces(text)) < 4 * tokenizer.PIECE_BYTES


def test_long_line_of_hyphens_is_split_in_linear_time() -> None:
    # With a quadratic pattern it would take days.
    for text in ("-" * 8_000_000, "._" * 4_000_000):
        assert Tokenizer().indexed(text).size == 0
        assert Tokenizer().places(text) == []
