"""Sessions on their way into PostgreSQL: many requests, one round trip."""

from collections.abc import Sequence

from ..records import Session
from ..sessions import folded, text


def columns(workspace: str, sessions: Sequence[Session]) -> dict[str, object]:
    """What `statements.INSERT_SESSIONS` is given."""
    names = [session.name if isinstance(session.name, str) else None for session in sessions]
    return {
        "workspace": workspace,
        "ids": [session.id for session in sessions],
        "names": names,
        "folded_names": [folded(name) for name in names],
        "profiles": [session.profile for session in sessions],
        "amplified_dirs": [session.amplified_dir for session in sessions],
        "moments": [session.created_at for session in sessions],
        "contexts": [text(session.context) for session in sessions],
    }
