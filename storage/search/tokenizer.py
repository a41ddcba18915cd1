"""Splits texts into words, as every storage searches them: by FTS5's own tokenizer."""

from collections.abc import Callable
from typing import cast

import apsw

# The first byte of a word, the byte after its last, the word without case and accents.
Token = tuple[int, int, str]


def tokenizer() -> Callable[[str], list[str]]:
    """Splits a text into words by Unicode, without case and accents. It is for one thread at a time."""
    tokenize = _tokenizer()

    def words(text: str) -> list[str]:
        found = tokenize(
            text.encode(), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False, include_colocated=False
        )
        # Without positions it returns a list of words.
        return cast("list[str]", found)

    return words


def placing_tokenizer() -> Callable[[bytes], list[Token]]:
    """The same with the position of each word in the text in UTF-8."""
    tokenize = _tokenizer()

    def tokens(text: bytes) -> list[Token]:
        found = tokenize(text, apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=True, include_colocated=False)
        # With positions it returns a list of these.
        return cast("list[Token]", found)

    return tokens


def _tokenizer() -> apsw.FTS5Tokenizer:
    # It belongs to its connection, and has to keep it alive.
    return apsw.Connection(":memory:").fts5_tokenizer("unicode61", ["remove_diacritics", "2"])
