"""The storage in memory, composed of all parts of the interface."""

from ..model.errors import StorageUnavailable
from .deletion import MemoryDeletion
from .directories import MemoryDirectories
from .events import MemoryEvents
from .files import MemoryFiles
from .messages import MemoryMessages
from .modules.mount_plans import MemoryMountPlans
from .modules.store import MemoryModules
from .profiles import MemoryCollections, MemoryProfiles
from .search.messages import MemorySearch
from .sessions import MemorySessions
from .transfer import MemoryTransfer
from .workspaces import MemoryWorkspaces


class MemoryStorage(
    MemorySessions,
    MemoryMessages,
    MemoryEvents,
    MemorySearch,
    MemoryDeletion,
    MemoryTransfer,
    MemoryProfiles,
    MemoryCollections,
    MemoryModules,
    MemoryMountPlans,
    MemoryDirectories,
    MemoryFiles,
    MemoryWorkspaces,
):
    """Implements `Storage`. Only one event loop at a time may use the storages on a database."""

    kind = "memory"

    async def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        if self._options.embedder is not None:
            await self._options.embedder.close()

    async def ping(self) -> None:
        if not self._is_open:
            raise StorageUnavailable("it is closed")

    async def forget_response(self, workspace: str, key: str) -> None:
        (await self._workspace(workspace)).responses.pop(key, None)
