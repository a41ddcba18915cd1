"""How many messages of a workspace have a word."""

from collections.abc import Mapping, Sequence

from ...search.suggestions import MAX_COUNTED
from ..pool import Pool
from .tsvector import FORM

COUNT_MESSAGES = """
SELECT word, (
    SELECT COUNT(*)
    FROM (
        SELECT
        FROM search
        WHERE workspace = :workspace
            AND lexemes @@ CAST(lexeme AS TSQUERY)
            AND NOT EXISTS (
                SELECT
                FROM removal
                WHERE removal.workspace = :workspace
                    AND removal.session_id = search.session_id
            )
        LIMIT :most
    ) AS message
)
FROM unnest(CAST(:words AS TEXT[]), CAST(:lexemes AS TEXT[])) AS sought (word, lexeme)
"""


async def count_words(pool: Pool, workspace: str, words: Sequence[str], *, with_forms: bool) -> Mapping[str, int]:
    """The number of messages with each word, or form, up to `MAX_COUNTED`."""
    lexemes = [f"'{word}' | '{FORM}{word}'" if with_forms else f"'{word}'" for word in words]
    bindings = {"workspace": workspace, "words": words, "lexemes": lexemes, "most": MAX_COUNTED}
    return {str(word): int(count) for word, count in await pool.all(COUNT_MESSAGES, bindings)}
