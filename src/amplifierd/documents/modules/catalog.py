"""Finds modules of collections, from the storage, and modules of installed packages."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from ...contract import SerialExecutor
from ...storage.model.errors import NoActiveProfile
from ...storage.model.interface import Storage
from ...storage.model.modules import (
    INSTALLED,
    AgentOverlays,
    InstalledModules,
    Module,
    ModuleNotFound,
    ModuleSummary,
    PlanForm,
    PlanSession,
    PlanSources,
    Use,
    modules_used,
)
from ...storage.model.profile_records import NewProfile, ProfilePatch, ProfileSettings, ProfileWarning
from ...storage.model.records import NewSession
from .configurations import check_configurations
from .mount_plan import kernel_plan, mount_plan

_encode = msgspec.json.Encoder().encode


class ModuleCatalog:
    """Finds modules, and checks the configurations that profiles give them."""

    def __init__(self, installed: InstalledModules) -> None:
        self._executor = SerialExecutor()
        self._packages = installed

    @property
    def _installed(self) -> Mapping[str, Module]:
        return self._packages.modules

    @property
    def installed(self) -> Sequence[ModuleSummary]:
        """The modules of installed packages, in the order of their ids."""
        return [*self._installed.values()]

    async def get(self, storage: Storage, workspace: str, module_id: str) -> Module:
        """A module, with the sources that are set for it. Raises `ModuleNotFound`."""
        module = await self._get(storage, workspace, module_id)
        sources = await storage.module_sources(workspace, module_id)
        return replace(module, sources=sources or UNSET)

    async def _get(self, storage: Storage, workspace: str, module_id: str) -> Module:
        if not module_id.startswith(f"{INSTALLED}/"):
            return await storage.get_module(workspace, module_id)
        if module_id not in self._installed:
            raise ModuleNotFound(module_id)
        return self._installed[module_id]

    async def check(
        self, storage: Storage, workspace: str, profile: NewProfile | ProfileSettings, collection: str | None = None
    ) -> list[ProfileWarning]:
        """Check the configurations in a profile, of a collection or not. Returns the modules that were not found.

        Raises a problem, 422, if a configuration does not match the schema of its module.
        """
        ids = {module_id for use in modules_used(profile) for module_id in use.ids(collection)}
        if not ids:
            return []
        modules = {**self._installed, **await storage.find_modules(workspace, sorted(ids))}
        unknown = await self._executor.run(check_configurations, profile, lambda use: use.among(modules, collection))
        return [ProfileWarning(use.pointer, _unknown_module(use)) for use in unknown]

    async def check_overrides(self, storage: Storage, workspace: str, new: NewSession, overrides: ProfilePatch) -> None:
        """Check the profile of a new session with its overrides. Raises a problem as `check` does."""
        name = new.profile or await _inherited_profile(storage, workspace, new.amplified_dir)
        await self.check_sources(storage, workspace, await storage.profile_plan(workspace, name, overrides))

    async def check_sources(self, storage: Storage, workspace: str, sources: PlanSources) -> None:
        """Check the profile of a plan. Raises a problem as `check` does."""
        await self.check(storage, workspace, sources.profile, sources.mounted.collection or None)

    async def plan(self, sources: PlanSources, session: PlanSession, overlay: AgentOverlays, form: PlanForm) -> Raw:
        """The mount plan of a session, in a form, as JSON: encoding a large plan would block the event loop."""
        return Raw(await self._executor.run(_plan, sources, session, self._installed, overlay, form))


def _plan(
    sources: PlanSources, session: PlanSession, installed: Mapping[str, Module], overlay: AgentOverlays, form: PlanForm
) -> bytes:
    plan = mount_plan(sources, session, installed, overlay)
    return _encode(plan if form == "mounts" else kernel_plan(plan))


async def _inherited_profile(storage: Storage, workspace: str, amplified_dir: str) -> str:
    """The profile of a session that names none."""
    directory = await storage.get_directory(workspace, amplified_dir)
    if isinstance(directory.default_profile, str):
        return directory.default_profile
    try:
        return (await storage.get_active_profile(workspace)).name
    except NoActiveProfile:
        return "default"


def _unknown_module(use: Use) -> str:
    return f"No collection and no installed package has the {use.type} {use.module.module}; its config is not checked."
