"""Profiles, and the collections and modules on which they are based, in storages with transactions."""

import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from ..model.collections import Collection, CollectionContent, Collections, CollectionSummary, ReadCollection
from ..model.errors import NoActiveProfile, ProfileNotFound, SessionNotFound, SessionProfileUnknown
from ..model.modules import (
    Module,
    Modules,
    ModuleScope,
    ModuleSource,
    ModuleSummary,
    ModuleType,
    MountPlans,
    NewModuleSource,
    PlanSources,
)
from ..model.profile_interface import CheckProfile, Profiles
from ..model.profile_records import NewProfile, Profile, ProfileOrigin, ProfilePatch, ProfileSettings, ProfileWarning
from ..model.records import IdempotentRequest, Listing
from ..operations import modules, profile_resolution, profiles
from ..operations.bulk import collections
from ..sql.ports import Bindings, Rows, session_key
from ..sql.statements import collections as collection_statements
from ..sql.statements import profiles as statements
from .transactions import Transactions

_BUILT_IN_SUMMARY = profiles.summary_of(profiles.BUILT_IN_CONTENT)

_decode = msgspec.json.Decoder(ProfileSettings).decode
_decode_collection = msgspec.json.Decoder(CollectionSummary).decode
_decode_module = msgspec.json.Decoder(ModuleSummary).decode


class TransactionalProfiles(Transactions, Profiles):
    """Implements `Profiles`."""

    async def create_profile(
        self,
        workspace: str,
        new: NewProfile,
        *,
        origin: ProfileOrigin | None = None,
        once: IdempotentRequest | None = None,
        check: CheckProfile | None = None,
    ) -> Profile:
        warnings: list[ProfileWarning] = []
        if check is not None:
            await self._check_not_applied(workspace, once, Profile)
            warnings = await check()
        return await self._write(workspace, once, Profile, profiles.create, new, origin, warnings)

    async def get_profile(self, workspace: str, name: str) -> Profile:
        return await profiles.read(self._rows, workspace, name)

    async def list_profiles(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        statement = statements.listed(self.dialect)
        key: Bindings = {"workspace": workspace, "built_in": _BUILT_IN_SUMMARY}
        return await self._list_by_name(statement, key, limit, cursor, lambda record: _decode(record).name)

    async def update_profile(self, workspace: str, name: str, patch: ProfilePatch) -> Profile:
        return await self._change(workspace, profiles.update, name, patch)

    async def replace_profile(self, workspace: str, name: str, new: NewProfile) -> Profile:
        return await self._change(workspace, profiles.replace, name, new)

    async def merged_profile(self, workspace: str, name: str, patch: ProfilePatch) -> ProfileSettings:
        profile = await profiles.read(self._rows, workspace, name)
        return await asyncio.to_thread(profiles.patch_settings, profile, patch)

    async def copy_profile(
        self, workspace: str, name: str, new_name: str, *, once: IdempotentRequest | None = None
    ) -> Profile:
        return await self._write(workspace, once, Profile, profiles.copy, name, new_name)

    async def delete_profile(self, workspace: str, name: str) -> None:
        await self._delete(workspace, profiles.delete, name)

    async def activate_profile(self, workspace: str, name: str, *, once: IdempotentRequest | None = None) -> Profile:
        return await self._write(workspace, once, Profile, profiles.activate, name)

    async def get_active_profile(self, workspace: str) -> Profile:
        row = await self._rows.row(statements.ACTIVE, {"workspace": workspace})
        if row is None:
            raise NoActiveProfile
        return await profiles.read(self._rows, workspace, row[0])

    async def deactivate_profile(self, workspace: str) -> None:
        await self._delete(workspace, profiles.deactivate)

    async def session_profile(self, workspace: str, session_id: str) -> ProfileSettings:
        content, _ = await _content_of_session(self._rows, workspace, session_id)
        return profiles.settings_in(content)


class TransactionalCollections(Transactions, Collections):
    """Implements `Collections`."""

    async def create_collection(
        self, workspace: str, identifier: str, read: ReadCollection, *, once: IdempotentRequest | None = None
    ) -> Collection:
        await self._check_not_applied(workspace, once, Collection)
        await collections.check_new(self._rows, workspace, identifier)
        return await self._write(workspace, once, Collection, collections.create, await read())

    async def get_collection(self, workspace: str, identifier: str) -> Collection:
        return await collections.read(self._rows, workspace, identifier)

    async def list_collections(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        statement = collection_statements.listed(self.dialect)
        return await self._list_by_name(
            statement, {"workspace": workspace}, limit, cursor, lambda record: _decode_collection(record).identifier
        )

    async def replace_collection(
        self, workspace: str, content: CollectionContent, *, once: IdempotentRequest | None = None
    ) -> Collection:
        return await self._write(workspace, once, Collection, collections.replace, content)

    async def fail_collection(
        self, workspace: str, identifier: str, detail: str, *, once: IdempotentRequest | None = None
    ) -> Collection:
        return await self._write(workspace, once, Collection, collections.fail, identifier, detail)

    async def delete_collection(self, workspace: str, identifier: str) -> None:
        await self._delete(workspace, collections.delete, identifier)


class TransactionalModules(Transactions, Modules):
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
        others = [module for module in installed if module_type in (None, module.type)]
        statement = collection_statements.listed_modules(
            self.dialect, of_type=module_type is not None, installed=len(others)
        )
        key: Bindings = {"workspace": workspace}
        if module_type is not None:
            key["type"] = module_type
        for number, module in enumerate(others):
            key |= {f"id_{number}": module.id, f"summary_{number}": modules.summary_of(module)}
        return await self._list_by_name(statement, key, limit, cursor, lambda record: _decode_module(record).id)

    async def get_module(self, workspace: str, module_id: str) -> Module:
        return await modules.read(self._rows, workspace, module_id)

    async def module_sources(self, workspace: str, module_id: str) -> list[ModuleSource]:
        return await modules.sources(self._rows, workspace, module_id)

    async def modules_with_sources(self, workspace: str, *, after: str, most: int) -> list[str]:
        bindings: Bindings = {"workspace": workspace, "after": after, "most": most}
        return [module_id for (module_id,) in await self._rows.all(collection_statements.WITH_SOURCES, bindings)]

    async def create_module_source(
        self, workspace: str, module_id: str, new: NewModuleSource, *, once: IdempotentRequest | None = None
    ) -> ModuleSource:
        return await self._write(workspace, once, ModuleSource, modules.create_source, module_id, new)

    async def replace_module_source(self, workspace: str, module_id: str, new: NewModuleSource) -> ModuleSource:
        return await self._change(workspace, modules.replace_source, module_id, new)

    async def delete_module_source(self, workspace: str, module_id: str, scope: ModuleScope) -> None:
        await self._delete(workspace, modules.delete_source, module_id, scope)

    async def find_modules(self, workspace: str, ids: Sequence[str]) -> dict[str, Module]:
        return await modules.find(self._rows, self.statements, workspace, ids)


class TransactionalMountPlans(Transactions, MountPlans):
    """Implements `MountPlans`."""

    async def profile_plan(self, workspace: str, name: str, overrides: ProfilePatch | UnsetType = UNSET) -> PlanSources:
        content = await self._kept(workspace, name)
        if isinstance(overrides, ProfilePatch):
            settings = await asyncio.to_thread(profiles.patch_settings, content.settings, overrides)
            content = content._replace(settings=settings)
        mounted = await profile_resolution.find_targets(
            self._rows, self.statements, workspace, content, self._installed
        )
        return PlanSources(content.settings, mounted, await profiles.texts_of(self._rows, workspace, content.texts))

    async def session_plan(self, workspace: str, session_id: str) -> PlanSources:
        content, texts = await _content_of_session(self._rows, workspace, session_id)
        return PlanSources(
            profiles.settings_in(content),
            profiles.targets_in(content),
            await profiles.texts_of(self._rows, workspace, texts),
        )

    async def profile_texts(self, workspace: str, name: str) -> dict[str, str]:
        return await profiles.texts_of(self._rows, workspace, (await self._kept(workspace, name)).texts)

    async def _kept(self, workspace: str, name: str) -> profiles.ProfileContent:
        """The stored content of a profile. Raises `ProfileNotFound`."""
        if name == profiles.BUILT_IN:
            return await profiles.content_of(self._rows, workspace, profiles.BUILT_IN_HASH)
        row = await self._rows.row(statements.KEPT_PROFILE, {"workspace": workspace, "name": name})
        if row is None:
            raise ProfileNotFound(name)
        content, texts = row
        return profiles.ProfileContent(profiles.settings_in(content), profiles.targets_in(content), texts)


async def _content_of_session(rows: Rows, workspace: str, session_id: str) -> tuple[str, str | None]:
    """The content of a session's profile, and the hash of its texts.

    Raises `SessionNotFound`, and `SessionProfileUnknown` if the session was imported without its profile.
    """
    row = await rows.row(statements.SESSION_PROFILE, session_key(workspace, session_id))
    if row is None:
        raise SessionNotFound(session_id)
    name, profile_hash, stored, texts = row
    if profile_hash is None and name != profiles.BUILT_IN:
        raise SessionProfileUnknown(session_id, name)
    content = stored or profiles.built_in(profile_hash or profiles.BUILT_IN_HASH)
    assert content is not None, "A content stays as long as a profile or a session has it."
    return content, texts
