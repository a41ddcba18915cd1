"""Modules as handlers see them, and as on the wire: providers, tools, hooks, orchestrators and context managers.

Collections bring them, and so do packages that are installed on the server. The id of a module is
`collection/type/name`, where the collection is the last segment of its identifier, or `installed`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from ..errors import StorageError
from ..records import Listing

ModuleType = Literal["provider", "tool", "hook", "orchestrator", "context"]

# The first segment of the ids of modules that no collection brings.
INSTALLED = "installed"


class ModuleSummary(Struct, frozen=True, rename="camel", kw_only=True):
    """A module as in a list; `location` is a URL, and `collection` an identifier, if a collection brings it."""

    id: str
    type: ModuleType
    name: str
    version: str
    location: str
    description: str = ""
    collection: str | UnsetType = UNSET


class Module(ModuleSummary, frozen=True, rename="camel", kw_only=True):
    """A module; its schema (JSON Schema 2020-12) is returned as it was written."""

    entry_point: str | UnsetType = UNSET
    config_schema: Raw | UnsetType = UNSET


class ModuleNotFound(StorageError):
    """No collection of the workspace brings a module of this id."""

    def __init__(self, module_id: str) -> None:
        super().__init__(f"Module {module_id} not found")
        self.module_id = module_id


class Modules(ABC):
    """Keeps the modules that collections bring, each in a workspace, as they were when they were last read."""

    @abstractmethod
    async def list_modules(
        self,
        workspace: str,
        module_type: ModuleType | None = None,
        *,
        installed: Sequence[ModuleSummary] = (),
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing:
        """List `ModuleSummary` records by id, and the `installed` ones among them, which the caller knows.

        Only those of a type, if one is given. A cursor is a position in the order of ids.
        """

    @abstractmethod
    async def get_module(self, workspace: str, module_id: str) -> Module:
        """Read a module. Raises `ModuleNotFound`."""

    @abstractmethod
    async def find_modules(self, workspace: str, ids: Sequence[str]) -> dict[str, Module]:
        """Read the modules of these ids that exist, by id; at most 3,002 ids, as many as a profile can name."""
