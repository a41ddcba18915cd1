"""Filters of sessions and their bindings, by names such as `status/2` for one of two statuses.

`label/PLACE/key` and `label/PLACE/value` name a label.
"""

from ...model.directory_path import ROOT, normalize_or_keep
from ...model.queries import DeletionQuery, SessionQuery
from ...values.clock import in_utc
from ...values.uuid7 import canonical_id
from ..dialect import Dialect
from ..ports import Bindings
from .directories import below

_FILTERS = {
    "profile": "profile = :profile",
    "parent_session_id": "parent_session_id = :parent_session_id",
    "created_after": "created_at > :created_after",
    "created_before": "created_at < :created_before",
    "updated_after": "updated_at > :updated_after",
    "updated_before": "updated_at < :updated_before",
    "archived/true": "archived = TRUE",
    "archived/false": "archived = FALSE",
    "pinned/true": "pinned = TRUE",
    "pinned/false": "pinned = FALSE",
    "roots": "is_root = TRUE",
    # Not by the index of revisions: most sessions are old.
    "last_revision": "revision + 0 <= :last_revision",
}
TIMES = ("created_after", "created_before", "updated_after", "updated_before")
_VALUES = (*TIMES, "profile", "parent_session_id", "amplified_dir", "name")
_COLUMNS = {"status": "status", "ids": "session.id"}


def filters_of(query: SessionQuery) -> tuple[list[str], Bindings]:
    """The filters of a query, and their bindings."""
    values: Bindings = {name: value for name in _VALUES if (value := getattr(query, name)) is not None}
    if isinstance(query, DeletionQuery):
        values["last_revision"] = query.last_revision
    values |= {name: in_utc(str(values[name])) for name in TIMES if name in values}
    if "parent_session_id" in values:
        values["parent_session_id"] = canonical_id(str(values["parent_session_id"]))
    if "amplified_dir" in values:
        values["amplified_dir"] = normalize_or_keep(str(values["amplified_dir"]))
        if query.recursive and values["amplified_dir"] == ROOT:
            del values["amplified_dir"]
    if "name" in values:
        values["name"] = str(values["name"]).casefold()
    filters = [*values]
    for name, several in (("status", query.status), ("ids", tuple(map(canonical_id, query.ids)))):
        filters += [f"{name}/{len(several)}"] if several else []
        values |= {f"{name}_{place}": value for place, value in enumerate(several)}
    for name, flag in (("archived", query.archived), ("pinned", query.pinned)):
        filters += [] if flag is None else [f"{name}/{str(flag).lower()}"]
    filters += ["roots"] if query.roots else []
    names, labels = label_filters(query.labels)
    return [*filters, *names], values | labels


def clause(dialect: Dialect, name: str, *, recursive: bool = False) -> str:
    """The clause of a filter."""
    kind, _, rest = name.partition("/")
    if kind in _COLUMNS:
        return f"{_COLUMNS[kind]} IN ({', '.join(f':{kind}_{place}' for place in range(int(rest)))})"
    if kind == "name":
        return dialect.named
    if kind == "amplified_dir":
        path = dialect.as_path.format("amplified_dir")
        return below(path, "amplified_dir") if recursive else f"{path} = :amplified_dir"
    return plain_clause(name)


def plain_clause(name: str) -> str:
    """The clause of a filter that is the same in every SQL."""
    return label_clause(name) if name.startswith("label/") else _FILTERS[name]


def label_filters(labels: tuple[str, ...]) -> tuple[list[str], Bindings]:
    """The filters of labels, and their bindings."""
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
