"""Where the parts meet: the contract, the handlers, a storage."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from . import __version__
from .contract import Access, compile_contract, load_document
from .keyring import Keyring
from .logs import access_log
from .markdown import markdown_of
from .settings import Settings
from .storage.errors import (
    ContextTooLarge,
    IdempotencyKeyReused,
    ImportInvalid,
    MessageNotFound,
    SessionConflict,
    SessionNotFound,
    StorageUnavailable,
    VersionMismatch,
)
from .storage.interface import Storage

# The status of each error that a handler may raise; every other error is a defect, and 500.
STATUSES: dict[type[Exception], int] = {
    SessionNotFound: 404,
    MessageNotFound: 404,
    SessionConflict: 409,
    VersionMismatch: 412,
    ContextTooLarge: 422,
    IdempotencyKeyReused: 422,
    ImportInvalid: 422,
    StorageUnavailable: 503,
}

# How a list is written in a media type, by operation.
RENDERINGS = {("getTranscript", "text/markdown"): markdown_of}


def create_app(
    settings: Settings, storage: Storage, *, opened: AbstractAsyncContextManager[object] | None = None
) -> Any:
    """The ASGI application that serves `storage` by the contract.

    Its lifespan opens the storage and closes it, as `opened` does where that is given; a server that does both itself
    leaves the lifespan out.
    Raises `ContractError` where the contract can't be read, or does not fit the handlers.
    """
    started = time.monotonic()

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with opened or storage:
            yield

    return compile_contract(
        load_document(settings.contract),
        handlers="amplifierd.handlers",
        provided={
            "storage": storage,
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
        ),
        renderings=RENDERINGS,
        version=__version__,
        max_body=settings.max_body,
        check_responses=settings.check_responses,
        lifespan=lifespan,
        access_log=access_log(settings),
    )
