"""Expressions that differ between the SQL of databases."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class MessageTable:
    """How statements read the messages of the session whose key is :workspace and :id.

    `source` is the source of the messages, `of_session` the condition for the messages of the session, and `of_id` the
    condition for messages by id, which an index supports. `key` is a column in the order of sequences; the template
    `key_of` computes it from a sequence. `size` is the approximate length of a record in bytes.
    """

    source: str
    of_session: str
    of_id: str
    key: str
    key_of: str
    size: str

    def at(self, sequence: str) -> str:
        """The condition for the message at a sequence."""
        return f"{self.of_session}\n    AND {self.key} = {self.key_of.format(sequence)}"

    def between(self, first: str, last: str) -> str:
        """The condition for the messages from one sequence to another."""
        return (
            f"{self.of_session}\n    AND {self.key} BETWEEN {self.key_of.format(first)} AND {self.key_of.format(last)}"
        )

    def after(self, sequence: str, last: str) -> str:
        """The condition for the messages after one sequence, up to another."""
        key = self.key
        return (
            f"{self.of_session}\n    AND {key} > {self.key_of.format(sequence)}\n"
            f"    AND {key} <= {self.key_of.format(last)}"
        )


# Each dialect is a constant, compared by identity.
@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """The expressions of one database.

    `messages` reads messages. `summary` and `record` are the JSON of a session and a message in bytes, `lines` has each
    listed `summary` on a line, `joined` is the JSON of the records that `measured` lists, NULL if it is long, `named`
    is the condition that the name contains :name, and `no_limit` is the limit of a list without one.

    `with_session` joins the session to each row of `session_label`; `order_of_name` is the expression that sessions are
    sorted by in lists by name. `collection_lists` has the members of a collection's summary that versions before the
    migration of that name omit.

    Of the templates, `until_bytes` is a statement that lists records in bytes, and need not go on after the record that
    reaches :bytes; `found_by` is the source of sessions that an index finds, `found_by_label` that of labels,
    `as_bytes` a text in bytes, `quoted` a text as JSON, `steps` the texts of a JSON array as the table `step` with
    their `value` and, in their order, `place`, and `as_path` a path in the order of an index.
    """

    messages: MessageTable
    summary: str
    lines: str
    record: str
    measured: str
    joined: str
    named: str
    no_limit: int | None
    until_bytes: str
    found_by: str
    found_by_label: str
    with_session: str
    order_of_name: str
    collection_lists: str
    as_bytes: str
    quoted: str
    steps: str
    as_path: str
