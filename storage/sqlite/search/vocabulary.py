"""How many messages of a workspace have a word."""

from collections.abc import Mapping, Sequence

import apsw

from ...search.suggestions import MAX_COUNTED

COUNT_MESSAGES = """
SELECT COUNT(*)
FROM (
    SELECT 1
    FROM search
    CROSS JOIN search_session
        ON search_session.number = search.rowid >> 31
    WHERE search MATCH :word
        AND search_session.workspace = :workspace
        AND NOT EXISTS (
            SELECT 1
            FROM removal
            WHERE removal.workspace = search_session.workspace
                AND removal.session_id = search_session.session_id
        )
    LIMIT :most
)
"""


def count_words(
    connection: apsw.Connection, workspace: str, words: Sequence[str], *, with_forms: bool
) -> Mapping[str, int]:
    """The number of messages with each word, or form, up to `MAX_COUNTED`."""
    columns = "" if with_forms else "words : "
    counts = {}
    for word in words:
        bindings = {"workspace": workspace, "word": f'{columns}"{word}"', "most": MAX_COUNTED}
        [(counts[word],)] = connection.execute(COUNT_MESSAGES, bindings)
    return counts
