"""The functions that the statements of PostgreSQL call (functions.sql), created in a database that lacks one."""

import re
from importlib.resources import files

from ..sql.statements.parts import ADD_USAGE
from ..sql.statements.recorded_responses import RECORDED
from ..sql.statements.sessions import COUNT_MESSAGES, inherited_profile
from .binding import with_expressions
from .pool import Connection
from .statements import STEPS

_COUNT_MESSAGES = {
    "workspace": "of_workspace",
    "id": "session_ids[request]",
    "count": "counts[request]",
    "tokens": "tokens[request]",
    "most": "most_tokens",
    "now": "moment",
    "revision": "before + request",
    "last_role": "last_roles[request]",
    "last_time": "last_times[request]",
    "last_content": "last_contents[request]",
}
_ADD_USAGE = {
    "workspace": "of_workspace",
    "id": "session_ids[request]",
    "input_tokens": "input_sums[request]",
    "output_tokens": "output_sums[request]",
    "cached_tokens": "cached_sums[request]",
    "reasoning_tokens": "reasoning_sums[request]",
    "cost": "costs[request]",
    "currency": "currencies[request]",
    "most": "most_tokens",
    "most_cost": "most_cost",
}
_RECORDED = {"workspace": "of_workspace", "key": "keys[request]", "now": "moment"}
_INHERITED_PROFILE = {"workspace": "of_workspace", "lineage": "new.lineage"}

# As texts: asyncpg asks the server about an array of any other type on each connection, which takes ten milliseconds.
_KNOWN = """
SELECT proname
FROM pg_catalog.pg_proc
WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)
    AND proname = ANY (CAST($2 AS TEXT[]))
"""


async def has_functions(connection: Connection, schema: str) -> bool:
    """Whether the schema has every function of this program."""
    names = re.findall(r"^CREATE OR REPLACE FUNCTION (\w+)", functions(), re.MULTILINE)
    return {str(name) for (name,) in await connection.fetch(_KNOWN, schema, names)} == {*names}


def functions() -> str:
    """The script that creates the functions, including the expressions that they share with statements."""
    script = (files(__package__) / "functions.sql").read_text(encoding="utf-8")
    return (
        script.replace("{count_messages}", with_expressions(COUNT_MESSAGES, _COUNT_MESSAGES))
        .replace("{add_usage}", with_expressions(ADD_USAGE.strip(), _ADD_USAGE))
        .replace("{recorded}", with_expressions(RECORDED, _RECORDED))
        .replace("{inherited_profile}", with_expressions(inherited_profile(STEPS), _INHERITED_PROFILE))
    )
