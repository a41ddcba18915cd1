"""Labels of sessions, and filters by them: `label/PLACE/key` and `label/PLACE/value` name one."""

from ..ports import Bindings

LABELS = """
SELECT labels
FROM session
WHERE workspace = :workspace
    AND id = :id
"""


def label_filters(labels: tuple[str, ...]) -> tuple[list[str], Bindings]:
    """The filters of labels, and what they bind."""
    filters: list[str] = []
    values: Bindings = {}
    for place, label in enumerate(labels):
        key, colon, value = label.partition(":")
        filters.append(f"label/{place}/{'value' if colon else 'key'}")
        values[f"label_key_{place}"] = key
        if colon:
            values[f"label_value_{place}"] = value
    return filters, values


def label_clause(name: str) -> str:
    """The clause of a filter, for a statement on sessions."""
    return f"""EXISTS (
        SELECT 1
        FROM session_label AS other
        WHERE other.workspace = :workspace
            AND other.session_id = session.id
            AND {_label("other", name)}
    )"""  # noqa: S608  # of the texts below


def sessions_with_label(name: str) -> str:
    """The clauses of a filter, for a statement on `session_label`."""
    return f"session_label.workspace = :workspace\n    AND {_label('session_label', name)}"


def _label(table: str, name: str) -> str:
    _, place, kind = name.split("/")
    key = f"{table}.key = :label_key_{place}"
    return key if kind == "key" else f"{key}\n    AND {table}.value = :label_value_{place}"
