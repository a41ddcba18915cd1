"""The sources of mount plans: the targets of a profile's references, now or at the time when a session got it."""

from msgspec import UNSET, UnsetType

from ...model.errors import SessionProfileUnknown
from ...model.modules import InstalledModules, MountPlans, PlanSources, modules_used
from ...model.profile_records import ProfilePatch, ProfileSettings
from ...operations import profiles as operations
from ...operations.profile_resolution import targets_of
from ..access import MemoryAccess
from ..contents import Workspace
from ..profiles import profile_of, settings_of


class MemoryMountPlans(MemoryAccess, MountPlans):
    """Implements `MountPlans`."""

    async def profile_plan(self, workspace: str, name: str, overrides: ProfilePatch | UnsetType = UNSET) -> PlanSources:
        stored = await self._workspace(workspace)
        settings = settings_of(stored, name)
        if isinstance(overrides, ProfilePatch):
            settings = operations.patch_settings(profile_of(stored, name), overrides)
        return sources_of(stored, name, settings, self._options.installed)

    async def session_plan(self, workspace: str, session_id: str) -> PlanSources:
        conversation = (await self._workspace(workspace)).find(session_id)
        name = conversation.session.profile
        if conversation.profile is None and name != operations.BUILT_IN:
            raise SessionProfileUnknown(session_id, name)
        settings = conversation.profile or operations.settings_in(operations.BUILT_IN_CONTENT)
        return PlanSources(settings, conversation.mounted, dict(conversation.texts))

    async def profile_texts(self, workspace: str, name: str) -> dict[str, str]:
        stored = await self._workspace(workspace)
        return texts_of(stored, name)


def texts_of(workspace: Workspace, name: str) -> dict[str, str]:
    """The texts of the files of a profile by their paths. Raises `ProfileNotFound`."""
    settings_of(workspace, name)
    profile = workspace.profiles.get(name)
    return {} if profile is None else dict(sorted(profile.texts.items()))


def sources_of(workspace: Workspace, name: str, settings: ProfileSettings, installed: InstalledModules) -> PlanSources:
    """The plan sources for `settings`, with the current targets of their references; `name` is their profile."""
    profile = workspace.profiles.get(name)
    origin = None if profile is None else profile.origin
    ids = {module_id for use in modules_used(settings) for module_id in use.ids(origin)}
    sources = [(*key, source) for key, source in workspace.module_sources.items() if key[0] in ids]
    modules = {**installed.modules, **workspace.modules}
    return PlanSources(settings, targets_of(settings, origin, modules, sources), texts_of(workspace, name))
