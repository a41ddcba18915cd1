"""How well a message fits a search: the more matches and the fewer words, the better.

It depends on nothing but the message, unlike bm25, so that a page begins where the one before it ended.
"""

import struct

import apsw

# So many words more weigh as much as one match less.
WORDS_OF_A_MATCH = 50

# In the precision that a position has (see hits.py).
_SINGLE = struct.Struct("f")


def register_score(connection: apsw.Connection) -> None:
    """Let the connection rank by `score(search)`, more than 0 and less than 1."""
    connection.register_fts5_function("score", _score)


def _score(api: apsw.FTS5ExtensionApi, *_arguments: object) -> float:
    matches = api.inst_count
    score: float = _SINGLE.unpack(_SINGLE.pack(matches / (matches + 1 + api.column_size(-1) / WORDS_OF_A_MATCH)))[0]
    return score
