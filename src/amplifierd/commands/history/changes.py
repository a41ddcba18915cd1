"""Watches paths for changed files through events of the file system, without reading the files."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path

# A created or replaced directory is noticed within this time.
_TICK_SECONDS = 1
# Changes are reported once no other occurs within a step, or at the latest after the second time.
_STEP_MILLISECONDS = 100
_DEBOUNCE_MILLISECONDS = 1_600
# The system drops events if too many occur at once, so all files are compared this long after a change.
_COMPARED_SECONDS = 30

_Identity = tuple[int, ...]


async def changed_paths(paths: Sequence[Path], stop: asyncio.Event) -> AsyncGenerator[set[Path], None]:
    """All paths first, then those that changed since, or `paths` if any file below them may have; until `stop`.

    A path need not exist yet, and may be replaced. Raises `OSError` if the file system cannot be watched.
    """
    while not stop.is_set():
        identities = _identities(paths)
        is_first, compare_at = True, math.inf
        async with aclosing(_changes(paths, stop)) as changes:
            async for changed in changes:
                if is_first or time.monotonic() >= compare_at:
                    is_first, compare_at = False, math.inf
                    yield {*paths}
                elif changed:
                    compare_at = min(compare_at, time.monotonic() + _COMPARED_SECONDS)
                    yield changed
                if _identities(paths) != identities:
                    break


async def wait_for(stop: asyncio.Event, seconds: float) -> None:
    """Wait for some time, or until `stop`."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _changes(paths: Sequence[Path], stop: asyncio.Event) -> AsyncGenerator[set[Path], None]:
    """The paths that changed below the directories; an empty set after each second without a change."""
    # Only this command needs it.
    from watchfiles import awatch

    folders = [path for path in paths if path.is_dir()]
    if not folders:
        while not stop.is_set():
            yield set()
            await wait_for(stop, _TICK_SECONDS)
        return
    async for found in awatch(
        *folders,
        watch_filter=None,
        debounce=_DEBOUNCE_MILLISECONDS,
        step=_STEP_MILLISECONDS,
        stop_event=stop,
        rust_timeout=_TICK_SECONDS * 1_000,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        yield {Path(path) for _, path in found}


def _identities(paths: Sequence[Path]) -> list[_Identity]:
    return [_identity(path) for path in paths]


def _identity(path: Path) -> _Identity:
    """Values that change if a directory is replaced or a file is written."""
    try:
        status = path.stat()
    except OSError:
        return ()
    if path.is_dir():
        return status.st_dev, status.st_ino
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
