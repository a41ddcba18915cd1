"""Texts cut into words, as every storage searches them: by FTS5's own tokenizer."""

from collections.abc import Callable
from typing import cast

import apsw


def tokenizer() -> Callable[[str], list[str]]:
    """What tells words apart as Unicode has it, without case and accents. It is for one thread at a time."""
    # It belongs to its connection, which it keeps.
    tokenize = apsw.Connection(":memory:").fts5_tokenizer("unicode61", ["remove_diacritics", "2"])

    def tokens(text: str) -> list[str]:
        found = tokenize(
            text.encode(), apsw.FTS5_TOKENIZE_DOCUMENT, None, include_offsets=False, include_colocated=False
        )
        # Without places it is a list of words.
        return cast("list[str]", found)

    return tokens
