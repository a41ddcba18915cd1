"""Where the parts meet: the contract, the handlers, a storage."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from . import __version__
from .auth import DEFAULT_WORKSPACE, Keyring
from .contract import Access, AccessLog, Readiness, access_log, compile_contract, load_document
from .documents.markdown import markdown_of
from .documents.marker_files import MarkerFiles
from .documents.profile_file import profile_file, read_profile
from .settings import Settings
from .storage.model.errors import (
    ContextTooLarge,
    DirectoryConflict,
    DirectoryMetadataRefused,
    DirectoryNotAmplified,
    DirectoryPathRefused,
    IdempotencyAnswerNotKept,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    ImportInvalid,
    MessageInvalid,
    MessageNotFound,
    NoActiveProfile,
    ProfileConflict,
    ProfileInvalid,
    ProfileNameReserved,
    ProfileNotFound,
    SessionConflict,
    SessionNotFound,
    SessionProfileUnknown,
    StorageUnavailable,
    VersionMismatch,
)
from .storage.model.interface import Storage

logger = logging.getLogger("amplifierd")

# The status of each error that a handler may raise; every other error is a defect, and 500.
STATUSES: dict[type[Exception], int] = {
    SessionNotFound: 404,
    MessageNotFound: 404,
    ProfileNotFound: 404,
    NoActiveProfile: 404,
    SessionProfileUnknown: 404,
    DirectoryNotAmplified: 404,
    SessionConflict: 409,
    ProfileConflict: 409,
    DirectoryConflict: 409,
    VersionMismatch: 412,
    MessageInvalid: 422,
    ContextTooLarge: 422,
    ProfileNameReserved: 422,
    ProfileInvalid: 422,
    DirectoryPathRefused: 422,
    DirectoryMetadataRefused: 422,
    IdempotencyKeyReused: 422,
    IdempotencyKeyInUse: 409,
    IdempotencyAnswerNotKept: 409,
    ImportInvalid: 422,
    StorageUnavailable: 503,
}

# How an answer is written in a media type, and a body is read in one, by operation.
RENDERERS = {("getTranscript", "text/markdown"): markdown_of, ("getProfile", "text/markdown"): profile_file}
BODY_DECODERS = {("createProfile", "text/markdown"): read_profile}


async def sync_markers(settings: Settings, storage: Storage) -> None:
    """Amplify the directories whose markers people have made, and change those whose markers they have edited."""
    disk = MarkerFiles(settings.data_path, DEFAULT_WORKSPACE)
    for workspace in await disk.workspaces():
        report = await disk.sync_from_disk(storage, workspace)
        for refusal in report.refused:
            logger.warning("The marker of directory %r is not taken up: %s", refusal.relative_path, refusal.detail)


def create_app(
    settings: Settings,
    storage: Storage,
    *,
    opened: AbstractAsyncContextManager[object] | None = None,
    readiness: Readiness | None = None,
) -> Any:
    """The ASGI application that serves `storage` by the contract.

    Its lifespan opens the storage and closes it, as `opened` does where that is given; a server that does both itself
    leaves the lifespan out, and says by `readiness` when the storage is open.
    Raises `ContractError` where the contract can't be read, or does not fit the handlers.
    """
    started = time.monotonic()

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with opened or storage:
            if opened is None:
                await sync_markers(settings, storage)
            yield

    return compile_contract(
        load_document(settings.contract),
        handlers="amplifierd.handlers",
        provided={
            "storage": storage,
            "disk": MarkerFiles(settings.data_path, DEFAULT_WORKSPACE),
            "version": __version__,
            "uptime": lambda: time.monotonic() - started,
        },
        statuses=STATUSES,
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
        check_responses=settings.check_responses,
        lifespan=lifespan,
        access_log=_access_log(settings),
    )


def _access_log(settings: Settings) -> AccessLog | None:
    if settings.log_level == "error":
        return None
    return access_log(as_json=settings.log_format == "json", failed_only=settings.log_level == "warning")
