"""The modules of collections, and the sources that are set for modules."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from ...model.modules import (
    SCOPES,
    Module,
    ModuleNotFound,
    Modules,
    ModuleScope,
    ModuleSource,
    ModuleSourceExists,
    ModuleSourceNotFound,
    ModuleSummary,
    ModuleType,
    NewModuleSource,
)
from ...model.records import IdempotentRequest, Listing
from ..access import MemoryAccess, Work, named_page
from ..contents import Workspace


class MemoryModules(MemoryAccess, Modules):
    """Implements `Modules`."""

    async def list_modules(
        self,
        workspace: str,
        module_type: ModuleType | None = None,
        *,
        installed: Sequence[ModuleSummary] = (),
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Listing:
        stored = (await self._workspace(workspace)).modules.values()
        found = [each for each in (*installed, *stored) if module_type in (None, each.type)]
        return named_page({each.id: each.summary() for each in found}, limit, cursor)

    async def get_module(self, workspace: str, module_id: str) -> Module:
        modules = (await self._workspace(workspace)).modules
        if module_id not in modules:
            raise ModuleNotFound(module_id)
        return modules[module_id]

    async def find_modules(self, workspace: str, ids: Sequence[str]) -> dict[str, Module]:
        modules = (await self._workspace(workspace)).modules
        return {module_id: modules[module_id] for module_id in ids if module_id in modules}

    async def module_sources(self, workspace: str, module_id: str) -> list[ModuleSource]:
        stored = (await self._workspace(workspace)).module_sources
        found = {scope: stored.get((module_id, scope)) for scope in SCOPES}
        return [ModuleSource(module_id, scope, source) for scope, source in found.items() if source is not None]

    async def modules_with_sources(self, workspace: str, *, after: str, most: int) -> list[str]:
        stored = (await self._workspace(workspace)).module_sources
        return sorted({module_id for module_id, _ in stored if module_id > after})[:most]

    async def create_module_source(
        self, workspace: str, module_id: str, new: NewModuleSource, *, once: IdempotentRequest | None = None
    ) -> ModuleSource:
        def create(work: Work) -> ModuleSource:
            if (module_id, new.scope) in work.workspace.module_sources:
                raise ModuleSourceExists(module_id, new.scope)
            return _set_source(work, module_id, new)

        return await self._write(workspace, once, create)

    async def replace_module_source(self, workspace: str, module_id: str, new: NewModuleSource) -> ModuleSource:
        return await self._write(workspace, None, partial(_set_source, module_id=module_id, new=new))

    async def delete_module_source(self, workspace: str, module_id: str, scope: ModuleScope) -> None:
        def delete(work: Work) -> None:
            if work.workspace.module_sources.pop((module_id, scope), None) is None:
                raise ModuleSourceNotFound(module_id, scope)

        await self._write(workspace, None, delete)


def _set_source(work: Work, module_id: str, new: NewModuleSource) -> ModuleSource:
    work.workspace.module_sources[module_id, new.scope] = new.source
    return ModuleSource(module_id, new.scope, new.source)


def write_modules(workspace: Workspace, identifier: str, modules: Sequence[Module]) -> None:
    """Replace the modules of a collection."""
    others = {module_id: each for module_id, each in workspace.modules.items() if each.collection != identifier}
    workspace.modules = others | {each.id: replace(each, collection=identifier) for each in modules}
