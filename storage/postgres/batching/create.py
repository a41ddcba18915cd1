"""Creations of sessions in PostgreSQL in batches: many requests, one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...model.directory_path import lineage_of
from ...model.records import Session
from ...operations.profiles import BUILT_IN_HASH
from ...operations.sessions import casefolded, context_columns
from ...values.json_text import raw_text


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A request to create a session with a profile; None for the inherited one."""

    session: Session
    profile: str | None

    @property
    def size(self) -> int:
        """Its approximate size in bytes."""
        return len(bytes(self.session.context))


def columns(workspace: str, requests: Sequence[CreateRequest], installed: str) -> dict[str, object]:
    """The bindings of `PostgresStatements.OPEN_SESSIONS`; `installed` is the fingerprint of the installed modules."""
    sessions = [request.session for request in requests]
    names = [session.name if isinstance(session.name, str) else None for session in sessions]
    contexts = [context_columns(raw_text(session.context)) for session in sessions]
    return {
        "workspace": workspace,
        "default_hash": BUILT_IN_HASH,
        "installed": installed,
        "ids": [session.id for session in sessions],
        "names": names,
        "folded_names": [casefolded(name) for name in names],
        "profiles": [request.profile for request in requests],
        "amplified_dirs": [session.amplified_dir for session in sessions],
        "lineages": [lineage_of(session.amplified_dir) for session in sessions],
        "moments": [session.created_at for session in sessions],
        "contexts": [each["context"] for each in contexts],
        "long_contexts": [each["long_context"] for each in contexts],
    }
