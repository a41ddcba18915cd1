"""The sentences of storage errors: for clients in terms of the contract, for a terminal in those of its commands."""

from pathlib import Path

import pytest

from amplifierd.app import DETAILS, STATUSES
from amplifierd.commands.error_messages import MESSAGES, message_of
from amplifierd.contract import ErrorTable
from amplifierd.formats.imports.process.protocol import HistoryTooLarge
from amplifierd.formats.imports.uploads import FormatUnknown
from amplifierd.storage.model.collections import (
    CollectionExists,
    CollectionIdentifierReserved,
    CollectionNotFound,
    ProfileOfCollection,
)
from amplifierd.storage.model.database_errors import (
    BackupsElsewhere,
    DatabaseDamaged,
    DatabaseFileDamaged,
    DatabaseFileInvalid,
    DatabaseFileShared,
    DatabaseMissing,
    DatabaseNotShared,
    DatabaseOutOfDate,
    EmbedderMissing,
    FileExists,
    HomeMissing,
    MemoryNotShared,
    MessageCountWrong,
    RebuildNeeded,
)
from amplifierd.storage.model.errors import (
    DataUrlTooLong,
    DirectoryExists,
    DirectoryInUse,
    DirectoryNotAmplified,
    DirectoryUnwritable,
    FileInUse,
    FileUnknown,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    IdempotencyResponseNotKept,
    MessageIdInUse,
    NoActiveProfile,
    ProfileActive,
    ProfileExists,
    ProfileNameReserved,
    ProfileNotFound,
    ProfileReadOnly,
    SessionEnded,
    SessionExists,
    SessionIdInUse,
    SessionProfileUnknown,
    StorageError,
    WorkspaceNotFound,
)
from amplifierd.storage.model.modules import ModuleNotFound, ModuleSourceExists, ModuleSourceNotFound
from amplifierd.storage.model.records import SessionSummary
from amplifierd.storage.model.workspaces import KeyNotFound

SUMMARY = SessionSummary("1", "created", "default", ".", "", "", 0, 0, 1)

CLIENT = [
    (
        SessionIdInUse(SUMMARY),
        "Session 1 already exists; read it (getSession), or create one with another id",
    ),
    (
        MessageIdInUse("1", "m{0}", 2),
        "Message 2 of session 1 already has the id 'm{0}'; read it (getMessage), or give the new message another id",
    ),
    (SessionEnded("1", "failed"), "Cannot append to session 1: it is failed; resume it first"),
    (
        SessionExists("1"),
        "Cannot import session 1: it already exists; set on_conflict to skip, extend or new_id",
    ),
    (
        SessionProfileUnknown("1", "p"),
        "Session 1 was imported without its profile p; give it another (updateSession)",
    ),
    (ProfileNotFound("p"), "Profile p not found; create it first (createProfile), or name another"),
    (NoActiveProfile(), "No profile is active; sessions use default until one is activated (activateProfile)"),
    (ProfileExists("p"), "Profile p already exists; change it (updateProfile), or use another name"),
    (ProfileReadOnly("p"), "Profile p is built in and cannot be changed; change a copy of it (copyProfile)"),
    (
        ProfileOfCollection("c/p", "c"),
        "Profile c/p belongs to collection c and cannot be changed; change a copy of it (copyProfile)",
    ),
    (CollectionNotFound("c"), "Collection c not found; add it first (createCollection), or name another"),
    (
        ModuleNotFound("c/tool/m"),
        "Module c/tool/m not found; add the collection that contains it (createCollection), or name another "
        "(listModules)",
    ),
    (
        ModuleSourceExists("c/tool/m", "local"),
        "Module c/tool/m already has a source in the scope local; replace it (replaceModuleSource), or name another "
        "scope",
    ),
    (
        ModuleSourceNotFound("c/tool/m", "user"),
        "Module c/tool/m has no source in the scope user; set one first (createModuleSource), or name another scope",
    ),
    (
        CollectionExists("a/c", "c"),
        "Collection a/c already exists: c has the same last segment; read it again (syncCollection), or delete it "
        "first (deleteCollection)",
    ),
    (
        CollectionIdentifierReserved("sync"),
        "The identifier sync is reserved: the last segment of an identifier cannot be 'sync' or 'installed'",
    ),
    (
        FormatUnknown("x", ["auto", "chatgpt"]),
        "Query parameter 'format': no format is called 'x'; known are auto, chatgpt",
    ),
    (
        EmbedderMissing(),
        "Query parameter 'mode': No embedder is configured; search with mode=words, or start the daemon with one "
        "(`amplifierd serve --embedder`)",
    ),
    (
        HistoryTooLarge("The file has more than 7 bytes, which is the limit"),
        "The file has more than 7 bytes, which is the limit; import it on the daemon's machine (`amplifierd import`)",
    ),
    (ProfileActive("p"), "Cannot delete active profile: p. Deactivate it first."),
    (
        ProfileNameReserved("active"),
        "The name active is reserved: a profile name cannot be 'active', or end in /activate or /copy",
    ),
    (
        DirectoryNotAmplified("{a}"),
        "Directory {a} is not amplified; amplify it first (createAmplifiedDirectory), or name another",
    ),
    (DirectoryExists("a"), "Directory a is amplified already; change it (updateAmplifiedDirectory)"),
    (DirectoryInUse("a", 2), "Directory a has 2 sessions; delete them first, or set force=true"),
    (
        DirectoryUnwritable("a", "no room"),
        "Directory a cannot be created on the disk: no room; fix this, or set create_marker=false",
    ),
    (
        DataUrlTooLong("/parts/0/url", "is too long"),
        "The message is invalid: /parts/0/url is too long. Upload the file (createFile), and put its url in the part.",
    ),
    (
        FileUnknown("/parts/0/url", "names file 1, which does not exist"),
        "The message is invalid: /parts/0/url names file 1, which does not exist. Upload it first (createFile), and "
        "put its url in the part.",
    ),
    (
        FileInUse("1", [("2", 3)], has_more=False),
        "Cannot delete file 1: it is named by message 3 of session 2; it is deleted with the last session that has "
        "such a message (deleteSession)",
    ),
    (
        IdempotencyKeyReused("k{0}"),
        "The Idempotency-Key 'k{0}' was used for another request; use a new key for this one",
    ),
    (
        IdempotencyKeyInUse("k"),
        "A request with the Idempotency-Key 'k' is being handled by another process; wait for its response, then send "
        "this one again",
    ),
    (
        IdempotencyResponseNotKept("k"),
        "The request with the Idempotency-Key 'k' was applied and has no second effect; its response is no "
        "longer kept, because later responses needed the space. Read what it has changed",
    ),
]

TERMINAL = [
    (
        SessionExists("1"),
        "Cannot import session 1: it already exists; set --on-conflict to skip, extend or new_id",
    ),
    (
        IdempotencyResponseNotKept("k"),
        "The request with the idempotency key 'k' was applied; its response is no longer kept, because later responses "
        "needed the space",
    ),
    (
        WorkspaceNotFound("w"),
        "There is no workspace w: it has no session, profile, directory or key. `amplifierd workspaces list` lists the "
        "workspaces.",
    ),
    (KeyNotFound("k"), "There is no key 'k'; `amplifierd keys list` lists the ids of all keys."),
    (
        MessageCountWrong("1", 5, 30),
        "The database is damaged: session 1 counts 5 messages, and its last message is 30. Run `amplifierd check "
        "--repair`, which corrects the count, and try again.",
    ),
    (
        DatabaseDamaged("a page"),
        "The database is damaged: a page. Run `amplifierd check` to see the extent, and restore a backup with "
        "`amplifierd restore`.",
    ),
    (
        DatabaseFileDamaged("a.db", "a page"),
        "The database a.db is damaged: a page. Run `amplifierd check` to see the extent, and restore a backup with "
        "`amplifierd restore`.",
    ),
    (
        DatabaseFileInvalid("a.db"),
        "The file a.db is not a SQLite database; name another. If it was an amplifierd file, it is damaged: restore a "
        "backup with `amplifierd restore`.",
    ),
    (
        DatabaseFileShared(Path("a.db"), "nfs"),
        "The database a.db is on a file system of type nfs, which other machines may write to as well: SQLite does "
        "not see them, and two daemons would lose each other's messages. Keep it on a disk of this machine, use "
        "PostgreSQL, or use `amplifierd serve --single-machine` if no other machine ever uses the file.",
    ),
    (
        DatabaseMissing("There is no database at {a}.db"),
        "There is no database at {a}.db; name another with --database, or create it: `amplifierd serve` does, and "
        "with --create `amplifierd import` and `amplifierd keys create` do.",
    ),
    (
        DatabaseOutOfDate(1, 2),
        "The database has schema 1, this program's is 2; `amplifierd serve` upgrades it when every daemon of the "
        "older program is stopped.",
    ),
    (
        HomeMissing("sqlite:///~/a.db"),
        "The database sqlite:///~/a.db is in a home directory that does not exist; name another with --database "
        "(AMPLIFIERD_DATABASE), or set HOME.",
    ),
    (
        DatabaseNotShared("memory://"),
        "The database memory:// is in the memory of one process, which workers cannot share; serve with one worker, or "
        "name another database with --database.",
    ),
    (
        MemoryNotShared(),
        "A database in memory cannot be shared between connections; use serve --ephemeral.",
    ),
    (FileExists(Path("a.db")), "a.db already exists; name another, or replace it with --force."),
    (
        RebuildNeeded(Path("a.db")),
        "a.db was made by an older amplifierd and cannot become smaller while it is served: stop the daemon and run "
        "`amplifierd compact --full` once.",
    ),
    (
        BackupsElsewhere("PostgreSQL has its own backups"),
        "PostgreSQL has its own backups. `amplifierd export` writes a workspace to a file, `amplifierd copy` copies "
        "all of them into another database.",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), CLIENT, ids=lambda case: type(case).__name__)
def test_client_errors_name_a_remedy(error: StorageError, sentence: str) -> None:
    table = ErrorTable(STATUSES, DETAILS)
    assert table.detail(error) == sentence
    assert table.status(error) is not None


@pytest.mark.parametrize(("error", "sentence"), TERMINAL, ids=lambda case: type(case).__name__)
def test_terminal_errors_name_a_command(error: StorageError, sentence: str) -> None:
    assert message_of(error) == sentence


def test_error_sentences_all_have_a_case() -> None:
    assert {type(error) for error, _ in CLIENT} == set(DETAILS)
    assert {type(error) for error, _ in TERMINAL} == set(MESSAGES)
