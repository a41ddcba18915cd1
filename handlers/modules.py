"""Modules: providers, tools, hooks, orchestrators and context managers that profiles may name."""

from collections.abc import Sequence
from typing import Protocol

from ..storage.model.interface import Storage
from ..storage.model.modules import Module, ModuleScope, ModuleSource, ModuleSummary, ModuleType, NewModuleSource
from ..storage.model.records import IdempotentRequest, Listing


class Catalog(Protocol):
    """Looks up modules."""

    @property
    def installed(self) -> Sequence[ModuleSummary]:
        """The modules of installed packages."""

    async def get(self, storage: Storage, workspace: str, module_id: str) -> Module:
        """A module of a collection or of a package."""


async def list_modules(
    type_: ModuleType | None,
    limit: int | None,
    cursor: str | None,
    *,
    storage: Storage,
    catalog: Catalog,
    workspace: str,
) -> Listing:
    """The modules of the workspace's collections, and the installed modules."""
    installed = catalog.installed
    return await storage.list_modules(workspace, type_, installed=installed, limit=limit, cursor=cursor)


async def list_providers(
    limit: int | None, cursor: str | None, *, storage: Storage, catalog: Catalog, workspace: str
) -> Listing:
    """The modules that call models."""
    return await list_modules("provider", limit, cursor, storage=storage, catalog=catalog, workspace=workspace)


async def list_tools(
    limit: int | None, cursor: str | None, *, storage: Storage, catalog: Catalog, workspace: str
) -> Listing:
    """The modules that models may use."""
    return await list_modules("tool", limit, cursor, storage=storage, catalog=catalog, workspace=workspace)


async def list_hooks(
    limit: int | None, cursor: str | None, *, storage: Storage, catalog: Catalog, workspace: str
) -> Listing:
    """The modules that are notified of each step."""
    return await list_modules("hook", limit, cursor, storage=storage, catalog=catalog, workspace=workspace)


async def list_orchestrators(
    limit: int | None, cursor: str | None, *, storage: Storage, catalog: Catalog, workspace: str
) -> Listing:
    """The modules that run a session."""
    return await list_modules("orchestrator", limit, cursor, storage=storage, catalog=catalog, workspace=workspace)


async def list_contexts(
    limit: int | None, cursor: str | None, *, storage: Storage, catalog: Catalog, workspace: str
) -> Listing:
    """The modules that manage the context of a session."""
    return await list_modules("context", limit, cursor, storage=storage, catalog=catalog, workspace=workspace)


async def get_module(module_id: str, *, storage: Storage, catalog: Catalog, workspace: str) -> Module:
    """One module with its schema."""
    return await catalog.get(storage, workspace, module_id)


async def create_module_source(
    module_id: str,
    body: NewModuleSource,
    once: IdempotentRequest | None,
    *,
    storage: Storage,
    catalog: Catalog,
    workspace: str,
) -> ModuleSource:
    """Set a source of a module that has none in that scope."""
    await catalog.get(storage, workspace, module_id)
    return await storage.create_module_source(workspace, module_id, body, once=once)


async def replace_module_source(
    module_id: str, body: NewModuleSource, *, storage: Storage, catalog: Catalog, workspace: str
) -> ModuleSource:
    """Set a source of a module."""
    await catalog.get(storage, workspace, module_id)
    return await storage.replace_module_source(workspace, module_id, body)


async def delete_module_source(module_id: str, scope: ModuleScope, *, storage: Storage, workspace: str) -> None:
    """Remove a source of a module, even if the module no longer exists."""
    await storage.delete_module_source(workspace, module_id, scope)
