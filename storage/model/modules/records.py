"""Modules as handlers see them, and as on the wire: providers, tools, hooks, orchestrators and context managers.

Collections provide them, and so do packages that are installed on the server. The id of a module is
`collection/type/name`; `collection` is the last segment of the collection's identifier, or `installed`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ..errors import StorageError
from ..records import IdempotentRequest, Listing

_encode = msgspec.json.Encoder().encode

ModuleType = Literal["provider", "tool", "hook", "orchestrator", "context"]

ModuleScope = Literal["user", "project", "local"]
# The first that is set is used.
SCOPES: tuple[ModuleScope, ...] = ("local", "project", "user")

# The first segment of the ids of modules from packages.
INSTALLED = "installed"


class ModuleSummary(Struct, frozen=True, rename="camel", kw_only=True):
    """A module as in a list; `location` is a URL, and `collection` an identifier, if it is from a collection."""

    id: str
    type: ModuleType
    name: str
    version: str
    location: str
    description: str = ""
    collection: str | UnsetType = UNSET

    def summary(self) -> "ModuleSummary":
        """The module as in a list."""
        return ModuleSummary(**{name: getattr(self, name) for name in ModuleSummary.__struct_fields__})


class ModuleSource(Struct, frozen=True, rename="camel"):
    """A source of a module that replaces its location, set in one of three scopes."""

    module_id: str
    scope: ModuleScope
    source: str


class NewModuleSource(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to set a source of a module."""

    source: str
    scope: ModuleScope = "project"


class Module(ModuleSummary, frozen=True, rename="camel", kw_only=True):
    """A module; its schema (JSON Schema 2020-12) is returned as it was written.

    The first of its `sources`, if it has any, replaces its location.
    """

    entry_point: str | UnsetType = UNSET
    config_schema: Raw | UnsetType = UNSET
    sources: list[ModuleSource] | UnsetType = UNSET


class InstalledModules:
    """The modules of packages by id; `read` is called once, when they are first needed."""

    def __init__(self, read: Callable[[], Mapping[str, Module]] = dict) -> None:
        self._read = read

    @cached_property
    def modules(self) -> Mapping[str, Module]:
        """The modules, in the order of their ids."""
        return dict(sorted(self._read().items()))

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the modules in hexadecimal digits; empty if there are none."""
        modules = [*self.modules.values()]
        return hashlib.sha256(_encode(modules)).hexdigest() if modules else ""


class ModuleNotFound(StorageError):
    """No collection of the workspace has a module with this id."""

    def __init__(self, module_id: str) -> None:
        super().__init__(f"Module {module_id} not found")
        self.module_id = module_id


class ModuleSourceExists(StorageError):
    """The module has a source in this scope already."""

    def __init__(self, module_id: str, scope: ModuleScope) -> None:
        super().__init__(f"Module {module_id} already has a source in the scope {scope}")
        self.module_id = module_id
        self.scope = scope


class ModuleSourceNotFound(StorageError):
    """The module has no source in this scope."""

    def __init__(self, module_id: str, scope: ModuleScope) -> None:
        super().__init__(f"Module {module_id} has no source in the scope {scope}")
        self.module_id = module_id
        self.scope = scope


class Modules(ABC):
    """Keeps the modules of collections, each in a workspace, as they were when they were last read.

    It also keeps the sources that are set for any module. The sources of a collection's modules are deleted with it.
    """

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

        If a type is given, lists only modules of this type. A cursor is a position in the order of ids.
        """

    @abstractmethod
    async def get_module(self, workspace: str, module_id: str) -> Module:
        """Read a module. Raises `ModuleNotFound`."""

    @abstractmethod
    async def module_sources(self, workspace: str, module_id: str) -> list[ModuleSource]:
        """Read the sources that are set for a module, the one in use first; none if there is no such module."""

    @abstractmethod
    async def modules_with_sources(self, workspace: str, *, after: str, most: int) -> list[str]:
        """The ids of modules for which sources are set, in order, after an id; whether such modules exist or not."""

    @abstractmethod
    async def create_module_source(
        self, workspace: str, module_id: str, new: NewModuleSource, *, once: IdempotentRequest | None = None
    ) -> ModuleSource:
        """Set a source of a module, which the caller knows to exist. Raises `ModuleSourceExists`."""

    @abstractmethod
    async def replace_module_source(self, workspace: str, module_id: str, new: NewModuleSource) -> ModuleSource:
        """Set a source of a module, whether it has one in that scope or not."""

    @abstractmethod
    async def delete_module_source(self, workspace: str, module_id: str, scope: ModuleScope) -> None:
        """Remove a source of a module. Raises `ModuleSourceNotFound`."""

    @abstractmethod
    async def find_modules(self, workspace: str, ids: Sequence[str]) -> dict[str, Module]:
        """Read the modules of these ids that exist, by id; at most 3,002 ids, as many as a profile can name."""
