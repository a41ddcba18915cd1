"""Errors of the storage as sentences for a terminal: the fact, and which command or option helps."""

from ..storage.model.database_errors import (
    BackupsElsewhere,
    DatabaseDamaged,
    DatabaseFileDamaged,
    DatabaseFileInvalid,
    DatabaseFileShared,
    DatabaseMissing,
    DatabaseNotShared,
    DatabaseOutOfDate,
    FileExists,
    HomeMissing,
    MemoryNotShared,
    MessageCountWrong,
    RebuildNeeded,
)
from ..storage.model.errors import (
    IdempotencyResponseNotKept,
    SessionExists,
    StorageError,
    WorkspaceNotFound,
)
from ..storage.model.workspaces import KeyNotFound

_CHECK = "Run `amplifierd check` to see the extent, and restore a backup with `amplifierd restore`."

# Format strings over the `error`; every other error is its own sentence.
MESSAGES: dict[type[StorageError], str] = {
    SessionExists: "{error}; set --on-conflict to skip, extend or new_id",
    IdempotencyResponseNotKept: "{error}, because later responses needed the space",
    WorkspaceNotFound: "{error}. `amplifierd workspaces list` lists the workspaces.",
    KeyNotFound: "{error}; `amplifierd keys list` lists the ids of all keys.",
    MessageCountWrong: "{error}. Run `amplifierd check --repair`, which corrects the count, and try again.",
    DatabaseDamaged: f"{{error}}. {_CHECK}",
    DatabaseFileDamaged: f"{{error}}. {_CHECK}",
    DatabaseFileInvalid: (
        "{error}; name another. If it was an amplifierd file, it is damaged: restore a backup with "
        "`amplifierd restore`."
    ),
    DatabaseFileShared: (
        "{error}. Keep it on a disk of this machine, use PostgreSQL, or use `amplifierd serve --single-machine` if no "
        "other machine ever uses the file."
    ),
    DatabaseMissing: (
        "{error}; name another with --database, or create it: `amplifierd serve` does, and with --create "
        "`amplifierd import` and `amplifierd keys create` do."
    ),
    DatabaseOutOfDate: ("{error}; `amplifierd serve` upgrades it when every daemon of the older program is stopped."),
    HomeMissing: "{error}; name another with --database (AMPLIFIERD_DATABASE), or set HOME.",
    DatabaseNotShared: "{error}; serve with one worker, or name another database with --database.",
    MemoryNotShared: "{error}; use serve --ephemeral.",
    FileExists: "{error}; name another, or replace it with --force.",
    RebuildNeeded: "{error}: stop the daemon and run `amplifierd compact --full` once.",
    BackupsElsewhere: (
        "{error}. `amplifierd export` writes a workspace to a file, `amplifierd copy` copies all of them into another "
        "database."
    ),
}


def message_of(error: StorageError) -> str:
    """The message of an error on the command line."""
    template = next((MESSAGES[kind] for kind in type(error).__mro__ if kind in MESSAGES), "{error}")
    return template.format(error=error)
