"""Assembles the application from the contract, the handlers and a storage."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.resources import files
from typing import Any

from . import __version__
from .auth import DEFAULT_WORKSPACE, Keyring
from .contract import Access, AccessLog, ErrorTable, Readiness, access_log, compile_contract, load_document
from .documents.collections.sync import CollectionSources
from .documents.markdown import markdown_of
from .documents.marker_files import MarkerFiles
from .documents.modules.catalog import ModuleCatalog
from .documents.modules.installed import installed_modules
from .documents.profile_file import profile_file, read_profile
from .formats.exports.downloads import Downloads
from .formats.imports.process.protocol import HistoryTooLarge, HistoryUnreadable
from .formats.imports.uploads import FormatUnknown, Uploads
from .settings import Settings
from .storage.model.collections import (
    CollectionExists,
    CollectionIdentifierReserved,
    CollectionNotFound,
    CollectionSourceInvalid,
    ProfileOfCollection,
)
from .storage.model.database_errors import EmbedderMissing
from .storage.model.errors import (
    BodyInvalid,
    ContextTooLarge,
    DataUrlTooLong,
    DirectoryConflict,
    DirectoryExists,
    DirectoryInUse,
    DirectoryMetadataRefused,
    DirectoryNotAmplified,
    DirectoryPathRefused,
    DirectoryUnwritable,
    FileConflict,
    FileInUse,
    FileNotFound,
    FileUnknown,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    IdempotencyResponseNotKept,
    ImportInvalid,
    MessageIdInUse,
    MessageNotFound,
    MetadataTooLarge,
    NoActiveProfile,
    ProfileActive,
    ProfileConflict,
    ProfileExists,
    ProfileInvalid,
    ProfileNameReserved,
    ProfileNotFound,
    ProfileReadOnly,
    SessionConflict,
    SessionEnded,
    SessionExists,
    SessionIdInUse,
    SessionNotFound,
    SessionProfileUnknown,
    StorageUnavailable,
    VersionMismatch,
)
from .storage.model.interface import Storage
from .storage.model.modules import InstalledModules, ModuleNotFound, ModuleSourceExists, ModuleSourceNotFound

logger = logging.getLogger("amplifierd")

# The status of each error that a handler may raise; any other error is a defect, and 500.
STATUSES: dict[type[Exception], int] = {
    SessionNotFound: 404,
    MessageNotFound: 404,
    ProfileNotFound: 404,
    NoActiveProfile: 404,
    SessionProfileUnknown: 404,
    DirectoryNotAmplified: 404,
    FileNotFound: 404,
    CollectionNotFound: 404,
    ModuleNotFound: 404,
    ModuleSourceNotFound: 404,
    ModuleSourceExists: 409,
    ProfileOfCollection: 403,
    CollectionExists: 409,
    CollectionIdentifierReserved: 422,
    CollectionSourceInvalid: 422,
    SessionConflict: 409,
    FileConflict: 409,
    ProfileConflict: 409,
    DirectoryConflict: 409,
    VersionMismatch: 412,
    BodyInvalid: 422,
    ContextTooLarge: 422,
    MetadataTooLarge: 422,
    ProfileNameReserved: 422,
    ProfileInvalid: 422,
    DirectoryPathRefused: 422,
    DirectoryMetadataRefused: 422,
    IdempotencyKeyReused: 422,
    IdempotencyKeyInUse: 409,
    IdempotencyResponseNotKept: 409,
    ImportInvalid: 422,
    FormatUnknown: 400,
    EmbedderMissing: 400,
    HistoryUnreadable: 422,
    HistoryTooLarge: 413,
    StorageUnavailable: 503,
}

# The details of errors for which the client also needs to know what to do, in the contract's terms.
DETAILS: dict[type[Exception], str] = {
    DataUrlTooLong: "{error} Upload the file (createFile), and put its url in the part.",
    FileUnknown: "{error} Upload it first (createFile), and put its url in the part.",
    FileInUse: "{error}; it is deleted with the last session that has such a message (deleteSession)",
    SessionEnded: "{error}; resume it first",
    MessageIdInUse: "{error}; read it (getMessage), or give the new message another id",
    SessionIdInUse: "{error}; read it (getSession), or create one with another id",
    SessionExists: "{error}; set on_conflict to skip, extend or new_id",
    SessionProfileUnknown: "{error}; give it another (updateSession)",
    ProfileNotFound: "{error}; create it first (createProfile), or name another",
    NoActiveProfile: "{error}; sessions use default until one is activated (activateProfile)",
    ProfileExists: "{error}; change it (updateProfile), or use another name",
    ProfileReadOnly: "{error}; change a copy of it (copyProfile)",
    ProfileOfCollection: "{error}; change a copy of it (copyProfile)",
    CollectionNotFound: "{error}; add it first (createCollection), or name another",
    ModuleNotFound: "{error}; add the collection that contains it (createCollection), or name another (listModules)",
    ModuleSourceExists: "{error}; replace it (replaceModuleSource), or name another scope",
    ModuleSourceNotFound: "{error}; set one first (createModuleSource), or name another scope",
    CollectionExists: "{error}; read it again (syncCollection), or delete it first (deleteCollection)",
    CollectionIdentifierReserved: (
        "The identifier {error.identifier} is reserved: the last segment of an identifier cannot be 'sync' or "
        "'installed'"
    ),
    FormatUnknown: "Query parameter 'format': {error}",
    EmbedderMissing: (
        "Query parameter 'mode': {error}; search with mode=words, or start the daemon with one (`amplifierd serve "
        "--embedder`)"
    ),
    HistoryTooLarge: "{error}; import it on the daemon's machine (`amplifierd import`)",
    ProfileActive: "{error}. Deactivate it first.",
    ProfileNameReserved: (
        "The name {error.name} is reserved: a profile name cannot be 'active', or end in /activate or /copy"
    ),
    DirectoryNotAmplified: "{error}; amplify it first (createAmplifiedDirectory), or name another",
    DirectoryExists: "{error}; change it (updateAmplifiedDirectory)",
    DirectoryInUse: "{error}; delete them first, or set force=true",
    DirectoryUnwritable: "{error}; fix this, or set create_marker=false",
    IdempotencyKeyReused: "The Idempotency-Key {error.key!r} was used for another request; use a new key for this one",
    IdempotencyKeyInUse: (
        "A request with the Idempotency-Key {error.key!r} is being handled by another process; wait for its response, "
        "then send this one again"
    ),
    IdempotencyResponseNotKept: (
        "The request with the Idempotency-Key {error.key!r} was applied and has no second effect; its response is "
        "no longer kept, because later responses needed the space. Read what it has changed"
    ),
}

# Renderers of responses and decoders of bodies in other media types than JSON, by operation.
RENDERERS = {("getTranscript", "text/markdown"): markdown_of, ("getProfile", "text/markdown"): profile_file}
BODY_DECODERS = {(operation, "text/markdown"): read_profile for operation in ("createProfile", "replaceProfile")}


async def sync_markers(settings: Settings, storage: Storage) -> None:
    """Amplify the directories with new markers, and update those with edited ones."""
    disk = MarkerFiles(settings.data_path, DEFAULT_WORKSPACE)
    for workspace in await disk.workspaces():
        report = await disk.sync_from_disk(storage, workspace)
        for refusal in report.refused:
            logger.warning("The marker of directory %r was refused: %s", refusal.relative_path, refusal.detail)


def create_app(
    settings: Settings,
    storage: Storage,
    *,
    opened: AbstractAsyncContextManager[object] | None = None,
    readiness: Readiness | None = None,
) -> Any:
    """The ASGI application that serves `storage` according to the contract.

    Its lifespan opens and closes the storage, or enters `opened` if that is given; a server that does this itself
    skips the lifespan, and sets `readiness` when the storage is open.
    Raises `ContractError` if the contract cannot be read, or does not match the handlers.
    """
    started = time.monotonic()

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with opened or storage:
            if opened is None:
                await sync_markers(settings, storage)
            yield

    document = load_document(settings.contract)
    return compile_contract(
        document,
        handlers="amplifierd.handlers",
        provided={
            "storage": storage,
            "disk": MarkerFiles(settings.data_path, DEFAULT_WORKSPACE),
            "sources": CollectionSources(document, settings.collections_path, settings.collection_host),
            "catalog": ModuleCatalog(InstalledModules(installed_modules)),
            "exports": Downloads(),
            "imports": Uploads(document, settings.max_body, settings.max_file),
            "version": __version__,
            "uptime": lambda: time.monotonic() - started,
        },
        errors=ErrorTable(STATUSES, DETAILS),
        access=Access(
            Keyring(storage).credential,
            hosts=settings.hosts,
            origins=settings.cors_origin,
            rate_limit=settings.rate_limit,
            most_requests=settings.max_requests,
            request_seconds=settings.request_timeout,
            readiness=readiness or Readiness(),
        ),
        renderers=RENDERERS,
        body_decoders=BODY_DECODERS,
        version=__version__,
        max_body=settings.max_body,
        max_file=settings.max_file,
        check_responses=settings.check_responses,
        lifespan=lifespan,
        page=files(__package__).joinpath("web"),
        access_log=_access_log(settings),
    )


def _access_log(settings: Settings) -> AccessLog | None:
    if settings.log_level == "error":
        return None
    return access_log(as_json=settings.log_format == "json", failed_only=settings.log_level == "warning")
