"""The statements of a search: they examine a limited number of messages that may have the words, the latest first."""

from functools import cache

from ...model.queries import SearchScope
from ...search.results import role_clauses, session_clauses
from .candidates import Range, looked_at

RECORDS = """
SELECT convert_to(record, 'UTF8')
FROM (
    SELECT place, record, COALESCE(SUM(octet_length(record)) OVER before, 0) AS size
    FROM unnest(CAST(:ids AS TEXT[]), CAST(:sequences AS BIGINT[])) WITH ORDINALITY AS hit (id, sequence, place)
    LEFT JOIN message
        ON message.workspace = :workspace
        AND message.session_id = hit.id
        AND message.sequence = hit.sequence
    WINDOW before AS (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
) AS said
WHERE size <= :bytes
ORDER BY place
"""

# The planner does not know that a scan reads a long value for each row.
USE_INDEX = """
SET LOCAL enable_seqscan = off
"""

# From its sixth execution a prepared statement may be planned without its values: then a limit counts as a tenth of the
# rows, and the planner reads all messages in order where it would have used the index of words. If that index finds
# messages on more pages than the memory has room for, all of their lexemes are read: 16 MB are enough for 300,000
# pages. A row costs more than the planner's 0.01, so that it uses two indexes rather than read rows in vain. To compile
# a statement, or to start processes for it, takes longer than to run it.
PLAN_FOR_VALUES = f"""
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL work_mem = '16MB';
SET LOCAL cpu_tuple_cost = 0.5;
SET LOCAL jit = off;
SET LOCAL max_parallel_workers_per_gather = 0;
{USE_INDEX}
"""

# The number of messages with each of several words. The inner LIMIT keeps the planner from using the index of
# workspaces, and limits the cost of other workspaces.
COUNT_MESSAGES = """
SELECT word, (
    SELECT COUNT(*)
    FROM (
        SELECT
        FROM (
            SELECT workspace, session_id
            FROM search
            WHERE lexemes @@ CAST(query AS TSQUERY)
            LIMIT :looked_at
        ) AS found
        WHERE workspace = :workspace
            AND NOT EXISTS (
                SELECT
                FROM removal
                WHERE removal.workspace = :workspace
                    AND removal.session_id = found.session_id
            )
        LIMIT :most
    ) AS message
)
FROM unnest(CAST(:words AS TEXT[]), CAST(:queries AS TEXT[])) AS sought (word, query)
"""

ADD_ENTRIES = """
INSERT INTO search (workspace, session_id, sequence, role, size, words, lexemes)
SELECT :workspace, :id, sequence, role, size, words, CAST(vector AS TSVECTOR)
FROM unnest(
    CAST(:sequences AS BIGINT[]), CAST(:roles AS TEXT[]), CAST(:sizes AS BIGINT[]), CAST(:texts AS TEXT[]),
    CAST(:vectors AS TEXT[])
) AS new (sequence, role, size, words, vector)
WHERE size > 0
"""

# The sessions of candidates, each looked up once. OFFSET prevents the planner from reading the whole table.
_SESSIONS = """passing AS MATERIALIZED (
    SELECT session.id
    FROM (
        SELECT DISTINCT session_id
        FROM looked_at
    ) AS candidate
    CROSS JOIN LATERAL (
        SELECT id, profile, amplified_dir, created_at, updated_at
        FROM session
        WHERE workspace = :workspace
            AND id = candidate.session_id
        OFFSET 0
    ) AS session
    WHERE {conditions}
), """

# Matches that may share words are counted by their first words, unless there are enough without those.
_COUNTS = """
            SELECT array_agg(matches ORDER BY number)
            FROM (
                SELECT number, CAST(SUM(
                    CASE
                        WHEN repeating AND apart < :most
                            THEN (SELECT COUNT(*) FROM regexp_matches(scope.words, lead, 'g'))
                        ELSE apart
                    END
                ) AS BIGINT) AS matches
                FROM unnest(
                    CAST(:groups AS INTEGER[]), CAST(:patterns AS TEXT[]), CAST(:repeating AS BOOLEAN[]),
                    CAST(:leads AS TEXT[])
                ) AS sought (number, pattern, repeating, lead)
                CROSS JOIN LATERAL (
                    SELECT (octet_length(scope.words) - octet_length(replace(scope.words, pattern, '')))
                        / octet_length(pattern) AS apart
                ) AS counted
                GROUP BY number
            ) AS group_matches"""

# A group is found by one of its patterns.
_HAS_GROUPS = """
        WHERE NOT EXISTS (
            SELECT
            FROM (
                SELECT *
                FROM unnest(CAST(:groups AS INTEGER[]), CAST(:patterns AS TEXT[])) AS sought (number, pattern)
                UNION ALL
                SELECT *
                FROM unnest(CAST(:form_groups AS INTEGER[]), CAST(:forms AS TEXT[])) AS form (number, pattern)
            ) AS each
            GROUP BY number
            HAVING BOOL_AND(strpos(scope.words, pattern) = 0)
        )
            AND NOT EXISTS (
                SELECT
                FROM unnest(CAST(:excluded AS TEXT[])) AS pattern
                WHERE strpos(scope.words, pattern) > 0
            )"""

# The forms of tools are lexemes only.
_HAS_NO_EXCLUDED_FORMS = """
        AND NOT search.lexemes @@ CAST(:excluded_forms AS TSQUERY)"""

# The words of the searched text, then their forms; the words of tools follow a separator.
_SAID = "split_part(words, chr(2), 1)"
_FORMS = "split_part(words, chr(2), 2)"
_WORDS = {
    "all": "replace(words, chr(1), '')",
    "text": f"split_part({_SAID}, chr(1), 1) || chr(2) || split_part({_FORMS}, chr(1), 1)",
    "tools": f"split_part({_SAID}, chr(1), 2) || chr(2) || split_part({_FORMS}, chr(1), 2)",
}
# Single words don't cross a separator. What reads the words several times decompresses them once.
_ALL_WORDS = "words || ''"
_COUNTED = (
    "(SELECT (octet_length(said) - octet_length(replace(said, '  ', ''))) / 2 + 1 "
    "FROM split_part(scope.words, chr(2), 1) AS said)"
)

# Messages of which the bytes are read first: often they exceed the limit.
_FIRST = 400
_WITH_BYTES = """
    SELECT said.*, bytes
    FROM said
    CROSS JOIN LATERAL (
        SELECT octet_length(record) AS bytes
        FROM message
        WHERE workspace = :workspace
            AND session_id = said.session_id
            AND sequence = said.sequence
        OFFSET 0
    ) AS measured"""
_NEWEST_FIRST = "ORDER BY session_id DESC, sequence DESC"
# Messages that pass the filters, each with the bytes of those before it.
_MEASURED = f"""first AS MATERIALIZED (
    WITH said AS (
        SELECT *
        FROM filtered
        {_NEWEST_FIRST}
        LIMIT {_FIRST}
    ){_WITH_BYTES}
), rest AS MATERIALIZED (
    WITH said AS (
        SELECT *
        FROM filtered
        WHERE (SELECT COALESCE(SUM(bytes), 0) FROM first) <= :bytes
        {_NEWEST_FIRST}
        OFFSET {_FIRST}
    ){_WITH_BYTES}
), measured AS MATERIALIZED (
    SELECT *, COALESCE(SUM(bytes) OVER before, 0) AS bytes_before
    FROM (
        SELECT *
        FROM first
        UNION ALL
        SELECT *
        FROM rest
    ) AS said
    WINDOW before AS ({_NEWEST_FIRST} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)"""  # noqa: S608  # of constants


@cache
def search(
    filters: frozenset[str],
    scope: SearchScope,
    *,
    by_words: bool,
    by_words_alone: bool = False,
    has_excluded_forms: bool = False,
    within: Range = "all",
) -> str:
    """The statement that finds messages which pass filters, the latest first, `within` a range if that has enough.

    A row is the matches of each group, the number of words, session, sequence, role. In a last row, that number is 1
    if the messages have more than :bytes, or if fewer than :looked_at were found: then there are no other hits.

    If `by_words` is set, it examines only messages with all :lexemes. In messages that match the filters, it searches
    for the patterns of each of :groups, or for :forms of each of :form_groups, and for none of :excluded, unless the
    lexemes already decide (`by_words_alone`). If `has_excluded_forms` is set, messages with :excluded_forms are not
    found.
    """
    about_sessions = " AND ".join(session_clauses(filters))
    conditions = role_clauses(filters, "role")
    conditions += ["session_id IN (SELECT id FROM passing)"] if about_sessions else []
    sessions = _SESSIONS.format(conditions=about_sessions) if about_sessions else ""
    return f"""
WITH {looked_at(in_session="id" in filters, by_words=by_words, within=within)}, {sessions}filtered AS MATERIALIZED (
    SELECT *
    FROM looked_at
    WHERE {" AND ".join(conditions) or "TRUE"}
    {_NEWEST_FIRST}
    LIMIT :filtered
), {_MEASURED}, hit AS (
    SELECT counted.matches, counted.size, measured.session_id, measured.sequence, measured.role
    FROM measured
    JOIN search
        ON search.workspace = :workspace
        AND search.session_id = measured.session_id
        AND search.sequence = measured.sequence
    CROSS JOIN LATERAL (
        SELECT ({_COUNTS}
        ) AS matches, {"search.size" if scope == "all" else _COUNTED} AS size
        FROM (
            SELECT {_ALL_WORDS if by_words_alone else _WORDS[scope]} AS words
            OFFSET 0
        ) AS scope{"" if by_words_alone else _HAS_GROUPS}
        OFFSET 0
    ) AS counted
    WHERE bytes_before <= :bytes{_HAS_NO_EXCLUDED_FORMS if has_excluded_forms else ""}
    ORDER BY measured.session_id DESC, measured.sequence DESC
    LIMIT :ranked
)
SELECT matches, size, session_id, sequence, role
FROM hit
UNION ALL
SELECT NULL, CASE
    WHEN (SELECT SUM(bytes) FROM measured) > :bytes
        OR (SELECT COUNT(*) FROM looked_at) < :looked_at
        THEN 1
    ELSE 0
END, '', 0, ''
"""  # noqa: S608  # of the texts above
