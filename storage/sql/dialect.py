"""What SQL has no word of its own for."""

from dataclasses import dataclass


# Each is one of its kind: the same where it is the same object.
@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What a database has its own words for.

    `summary` and `record` are a session's and a message's JSON in bytes, `lines` has each listed `summary` on a line,
    `joined` is the JSON of the records which `measured` lists, NULL where it is long, `named` says whether the name has
    :name in it, and `no_limit` is the limit of a list that has none.

    Of the templates `found_by` is the source of sessions that an index finds, `as_bytes` a text in bytes, `quoted` a
    text as JSON, `steps` the texts of a JSON array as the table `step` with their `value` and, in their order, `place`,
    and `as_path` a path as those in an index sort.
    """

    summary: str
    lines: str
    record: str
    measured: str
    joined: str
    named: str
    no_limit: int | None
    found_by: str
    as_bytes: str
    quoted: str
    steps: str
    as_path: str
