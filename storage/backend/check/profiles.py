"""Checks that the contents of profiles, and the copies that sessions keep, exist and are unchanged."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from ...model.directory_path import lineage_of
from ...model.maintenance import Finding
from ...operations.profiles import built_in, hash_of, summary_of
from ...sql.ports import Row
from ...sql.statements.integrity import (
    COLLECTIONS,
    EMPTY_PROFILES,
    EMPTY_SNAPSHOTS,
    LINEAGES,
    LOST_TEXTS,
    MODULES,
    PROFILE_CONTENTS,
    PROFILE_TEXTS,
    PROFILES,
    STRAY_MODULES,
    STRAY_PROFILES,
)


class _Listed(msgspec.Struct):
    """The members of a collection's record that are compared; an older program stored only the ids of modules."""

    identifier: str
    profiles: list[Any] = []
    modules: list[Any] = []


_decode = msgspec.json.Decoder(dict[str, Any]).decode
_decode_listed = msgspec.json.Decoder(_Listed).decode


def _content_findings(row: Row) -> Iterator[Finding]:
    """The fault of a row of `PROFILE_CONTENTS`."""
    workspace, content_hash, content, texts = row
    if hash_of(content, texts) != content_hash:
        text = f"Profile content {content_hash} of workspace {workspace} is damaged and cannot be recovered."
        yield Finding("profile", text, workspace)


def _text_findings(row: Row) -> Iterator[Finding]:
    """The fault of a row of `PROFILE_TEXTS`."""
    workspace, text_hash, content = row
    if hash_of(content) != text_hash:
        text = f"Profile texts {text_hash} of workspace {workspace} are damaged and cannot be recovered."
        yield Finding("profile", text, workspace)


def _summary_findings(row: Row) -> Iterator[Finding]:
    """The fault of a profile that does not match its content: a row of `PROFILES`."""
    workspace, name, summary, created_at, updated_at, content_hash, content, texts = row
    if hash_of(content, texts) != content_hash:
        # `_content_findings` reports the damaged content.
        return
    stored = _decode(summary)
    expected = _decode(summary_of(content, ("createdAt", created_at), ("updatedAt", updated_at)))
    # An older program wrote fewer members.
    if stored.get("name") != name or any(stored[member] != expected.get(member) for member in stored.keys() & expected):
        text = f"Profile {name} of workspace {workspace} has the summary or the content of another; replace it."
        yield Finding("profile", text, workspace)


def _collection_findings(row: Row) -> Iterator[Finding]:
    """The fault of a collection: a row of `COLLECTIONS`."""
    workspace, identifier, summary, record, profiles, modules = row
    listed = _decode_listed(record)
    names = _decode(summary).get("identifier"), listed.identifier
    counts = len(listed.profiles), len(listed.modules) if modules else 0
    if names != (identifier, identifier) or counts != (profiles, modules):
        text = (
            f"Collection {identifier} of workspace {workspace} has {profiles} profiles and {modules} modules, but does "
            "not list them; add it again, or sync it."
        )
        yield Finding("profile", text, workspace)


def _record_findings(row: Row) -> Iterator[Finding]:
    """The fault of a module whose record is another's: a row of `MODULES`."""
    workspace, module_id, summary, record = row
    if any(_decode(text).get("id") != module_id for text in (summary, record)):
        text = f"Module {module_id} of workspace {workspace} has the record of another; sync its collection again."
        yield Finding("profile", text, workspace)


def _lineage_findings(row: Row) -> Iterator[Finding]:
    """The fault of a directory: a row of `LINEAGES`."""
    workspace, path, lineage = row
    if lineage != lineage_of(path):
        text = f"Directory {path} of workspace {workspace} has the ancestors or the values of another; write it again."
        yield Finding("profile", text, workspace)


def _snapshot_findings(row: Row) -> Iterator[Finding]:
    """The fault of a session's copy of a profile: a row of `EMPTY_SNAPSHOTS`."""
    workspace, session_id, content_hash = row
    if built_in(content_hash) is None:
        yield Finding.of(workspace, session_id, "profile", "has lost its profile.")


def _findings(find: Callable[[Row], Iterator[Finding]], row: Row) -> Iterator[Finding]:
    """The faults of a row, whose first columns are its workspace and its name there, or that it can't be read."""
    try:
        yield from find(row)
    except msgspec.MsgspecError:
        text = f"The record of {row[1]} in workspace {row[0]} can't be read: its JSON is invalid."
        yield Finding("profile", text, row[0])


def _say(text: str, row: Row) -> Iterator[Finding]:
    """The finding for each row of a statement: `text`, with the columns of the row in their order."""
    yield Finding("profile", text.format(*row), row[0])


# Each statement, and the function that yields the findings of a row.
CHECKS: tuple[tuple[str, Callable[[Row], Iterator[Finding]]], ...] = tuple(
    (statement, partial(_findings, find) if callable(find) else partial(_say, find))
    for statement, find in (
        (PROFILE_CONTENTS, _content_findings),
        (PROFILE_TEXTS, _text_findings),
        (LOST_TEXTS, "Profile content {1} of workspace {0} has lost its texts."),
        (EMPTY_PROFILES, "Profile {1} of workspace {0} has lost its content, which cannot be recovered."),
        (PROFILES, _summary_findings),
        (COLLECTIONS, _collection_findings),
        (MODULES, _record_findings),
        (LINEAGES, _lineage_findings),
        (STRAY_PROFILES, "Profile {1} of workspace {0} belongs to collection {2}, which is lost."),
        (STRAY_MODULES, "Module {1} of workspace {0} belongs to collection {2}, which is lost."),
        (EMPTY_SNAPSHOTS, _snapshot_findings),
    )
)
