"""The words of the index: a beginning is looked for as the words that it stands for.

FTS5 reads all that it has of such words before it finds the first, which nothing bounds or interrupts.
"""

import apsw

from . import check_statements, search_statements

# As many words are looked up in place of the beginnings in a query; those that more words have are found in texts.
MAX_WORDS = 300

# Comes before each letter or digit, and after a word without it.
_NEXT = "\x01"
_LAST = "\U0010ffff"


class Vocabulary:
    """The words that beginnings stand for in one search."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._left = MAX_WORDS
        _make_table(connection)

    def words(self, beginning: str) -> list[str] | None:
        """The words with a beginning, in FTS5's language; None if there are too many."""
        found: list[str] = []
        word = beginning
        while (row := self._next(word)) is not None and row.startswith(beginning.encode()):
            if self._left == 0:
                return None
            self._left -= 1
            try:
                word = row.decode()
            except UnicodeDecodeError:
                # It was cut by FTS5, and so are those that go on in another way.
                word = row.decode(errors="ignore")
                found.append(f'"{word}" *')
                word += _LAST
            else:
                found.append(f'"{word}"')
                word += _NEXT
        return found

    def _next(self, word: str) -> bytes | None:
        row = self._connection.execute(search_statements.NEXT_WORD, {"word": word}).fetchone()
        return None if row is None else row[0]


def _make_table(connection: apsw.Connection) -> None:
    # It is the connection's own, and holds nothing.
    connection.pragma("query_only", False)
    connection.execute(check_statements.MAKE_WORDS)
    connection.pragma("query_only", True)
