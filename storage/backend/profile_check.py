"""Checks that the contents of profiles, and the copies that sessions keep, exist and are unchanged."""

from collections.abc import Callable, Iterator

from ..model.maintenance import Finding
from ..operations.profiles import built_in, hash_of
from ..sql.ports import Row
from ..sql.statements.integrity import (
    EMPTY_PROFILES,
    EMPTY_SNAPSHOTS,
    LOST_TEXTS,
    PROFILE_CONTENTS,
    PROFILE_TEXTS,
    STRAY_MODULES,
    STRAY_PROFILES,
)


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


def _lost_text_findings(row: Row) -> Iterator[Finding]:
    """The fault of a row of `LOST_TEXTS`."""
    workspace, content_hash, _ = row
    text = f"Profile content {content_hash} of workspace {workspace} has lost its texts."
    yield Finding("profile", text, workspace)


def _profile_findings(row: Row) -> Iterator[Finding]:
    """The fault of a profile: a row of `EMPTY_PROFILES`."""
    workspace, name = row
    text = f"Profile {name} of workspace {workspace} has lost its content, which cannot be recovered."
    yield Finding("profile", text, workspace)


def _stray_findings(row: Row) -> Iterator[Finding]:
    """The fault of a profile of a collection: a row of `STRAY_PROFILES`."""
    workspace, name, identifier = row
    text = f"Profile {name} of workspace {workspace} belongs to collection {identifier}, which is lost."
    yield Finding("profile", text, workspace)


def _module_findings(row: Row) -> Iterator[Finding]:
    """The fault of a module: a row of `STRAY_MODULES`."""
    workspace, module_id, identifier = row
    text = f"Module {module_id} of workspace {workspace} belongs to collection {identifier}, which is lost."
    yield Finding("profile", text, workspace)


def _snapshot_findings(row: Row) -> Iterator[Finding]:
    """The fault of a session's copy of a profile: a row of `EMPTY_SNAPSHOTS`."""
    workspace, session_id, content_hash = row
    if built_in(content_hash) is None:
        yield Finding.of(workspace, session_id, "profile", "has lost its profile.")


# Statements, each with the fault of its rows.
CHECKS: tuple[tuple[str, Callable[[Row], Iterator[Finding]]], ...] = (
    (PROFILE_CONTENTS, _content_findings),
    (PROFILE_TEXTS, _text_findings),
    (LOST_TEXTS, _lost_text_findings),
    (EMPTY_PROFILES, _profile_findings),
    (STRAY_PROFILES, _stray_findings),
    (STRAY_MODULES, _module_findings),
    (EMPTY_SNAPSHOTS, _snapshot_findings),
)
