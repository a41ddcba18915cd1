"""Profiles and collections."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ..model.collections import (
    Collection,
    CollectionContent,
    CollectionExists,
    CollectionNotFound,
    CollectionProblem,
    Collections,
    CollectionSummary,
    ProfileOfCollection,
    ReadCollection,
)
from ..model.errors import (
    NoActiveProfile,
    ProfileActive,
    ProfileExists,
    ProfileInvalid,
    ProfileNotFound,
    ProfileReadOnly,
)
from ..model.profile_interface import CheckProfile, Profiles
from ..model.profile_records import NewProfile, Profile, ProfileOrigin, ProfilePatch, ProfileSettings, ProfileWarning
from ..model.records import IdempotentRequest, Listing
from ..operations import profiles as operations
from ..operations.bulk.collections import name_of, refuse_reserved
from .access import MemoryAccess, Work, named_page
from .contents import StoredProfile, Workspace
from .modules.store import write_modules

_SUMMARY = ("name", "description", "version", "schemaVersion", "createdAt", "updatedAt", "source", "isActive")


class MemoryProfiles(MemoryAccess, Profiles):
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
            await self._check_not_applied(workspace, once)
            warnings = await check()

        def create(work: Work) -> Profile:
            settings = operations.settings_from(new, new.name)
            collection, texts = (None, {}) if origin is None else (origin.collection or None, origin.texts)
            return replace(_insert(work, settings, collection, texts), warnings=warnings or UNSET)

        return await self._write(workspace, once, create)

    async def get_profile(self, workspace: str, name: str) -> Profile:
        return profile_of(await self._workspace(workspace), name)

    async def list_profiles(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        stored = await self._workspace(workspace)
        names = [operations.BUILT_IN, *stored.profiles]
        return named_page({name: _summary(profile_of(stored, name)) for name in names}, limit, cursor)

    async def update_profile(self, workspace: str, name: str, patch: ProfilePatch) -> Profile:
        def update(work: Work) -> Profile:
            return _change(work, name, lambda: operations.patch_settings(profile_of(work.workspace, name), patch))

        return await self._write(workspace, None, update)

    async def replace_profile(self, workspace: str, name: str, new: NewProfile) -> Profile:
        def replace_content(work: Work) -> Profile:
            return _change(work, name, lambda: operations.settings_in(operations.replacement(name, new)))

        return await self._write(workspace, None, replace_content)

    async def merged_profile(self, workspace: str, name: str, patch: ProfilePatch) -> ProfileSettings:
        return operations.patch_settings(profile_of(await self._workspace(workspace), name), patch)

    async def copy_profile(
        self, workspace: str, name: str, new_name: str, *, once: IdempotentRequest | None = None
    ) -> Profile:
        def copy(work: Work) -> Profile:
            settings = replace(settings_of(work.workspace, name), name=new_name)
            source = work.workspace.profiles.get(name)
            if source is None:
                return _insert(work, settings)
            return _insert(work, settings, source.origin, source.texts)

        return await self._write(workspace, once, copy)

    async def delete_profile(self, workspace: str, name: str) -> None:
        def delete(work: Work) -> None:
            _own(work.workspace, name)
            if work.workspace.active == name:
                raise ProfileActive(name)
            del work.workspace.profiles[name]

        await self._write(workspace, None, delete)

    async def activate_profile(self, workspace: str, name: str, *, once: IdempotentRequest | None = None) -> Profile:
        def activate(work: Work) -> Profile:
            settings_of(work.workspace, name)
            work.workspace.active = name
            return profile_of(work.workspace, name)

        return await self._write(workspace, once, activate)

    async def get_active_profile(self, workspace: str) -> Profile:
        stored = await self._workspace(workspace)
        if stored.active is None:
            raise NoActiveProfile
        return profile_of(stored, stored.active)

    async def deactivate_profile(self, workspace: str) -> None:
        def deactivate(work: Work) -> None:
            work.workspace.active = None

        await self._write(workspace, None, deactivate)


def settings_of(workspace: Workspace, name: str) -> ProfileSettings:
    """The settings of a profile. Raises `ProfileNotFound`."""
    if name == operations.BUILT_IN:
        return operations.settings_in(operations.BUILT_IN_CONTENT)
    if name not in workspace.profiles:
        raise ProfileNotFound(name)
    return workspace.profiles[name].settings


def profile_of(workspace: Workspace, name: str) -> Profile:
    """A profile. Raises `ProfileNotFound`."""
    settings = settings_of(workspace, name)
    stored = workspace.profiles.get(name)
    return Profile(
        **{field: getattr(settings, field) for field in settings.__struct_fields__},
        is_active=workspace.active == name,
        source=UNSET if stored is None or stored.collection is None else stored.collection,
        created_at=UNSET if stored is None else stored.created_at,
        updated_at=UNSET if stored is None else stored.updated_at,
    )


def _summary(profile: Profile) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(profile))
    return {name: members[name] for name in _SUMMARY if name in members}


def _own(workspace: Workspace, name: str) -> StoredProfile:
    """A profile to change. Raises `ProfileReadOnly`, `ProfileNotFound`, `ProfileOfCollection`."""
    if name == operations.BUILT_IN:
        raise ProfileReadOnly(name)
    settings_of(workspace, name)
    profile = workspace.profiles[name]
    if profile.collection is not None:
        raise ProfileOfCollection(name, profile.collection)
    return profile


def _change(work: Work, name: str, change: Callable[[], ProfileSettings]) -> Profile:
    profile = _own(work.workspace, name)
    profile.settings = change()
    profile.updated_at = max(profile.updated_at, work.now)
    return profile_of(work.workspace, name)


def _insert(
    work: Work, settings: ProfileSettings, origin: str | None = None, texts: Mapping[str, str] | None = None
) -> Profile:
    operations.refuse_reserved(settings.name)
    operations.encode_settings(settings)
    if settings.name == operations.BUILT_IN or settings.name in work.workspace.profiles:
        raise ProfileExists(settings.name)
    work.workspace.profiles[settings.name] = StoredProfile(
        settings, work.now, work.now, origin=origin, texts=texts or {}
    )
    return profile_of(work.workspace, settings.name)


class MemoryCollections(MemoryAccess, Collections):
    """Implements `Collections`."""

    async def create_collection(
        self, workspace: str, identifier: str, read: ReadCollection, *, once: IdempotentRequest | None = None
    ) -> Collection:
        await self._check_not_applied(workspace, once)
        _check_new(await self._workspace(workspace), identifier)
        return await self._write(workspace, once, partial(_create, content=await read()))

    async def get_collection(self, workspace: str, identifier: str) -> Collection:
        return _collection(await self._workspace(workspace), identifier)

    async def list_collections(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        stored = (await self._workspace(workspace)).collections
        fields = CollectionSummary.__struct_fields__
        summaries = {
            identifier: CollectionSummary(**{name: getattr(each, name) for name in fields})
            for identifier, each in stored.items()
        }
        return named_page({**summaries}, limit, cursor)

    async def replace_collection(
        self, workspace: str, content: CollectionContent, *, once: IdempotentRequest | None = None
    ) -> Collection:
        def replace_content(work: Work) -> Collection:
            before = _collection(work.workspace, content.identifier)
            if before.source != content.source:
                raise CollectionNotFound(content.identifier)
            return _sync(work, content, before.created_at)

        return await self._write(workspace, once, replace_content)

    async def fail_collection(
        self, workspace: str, identifier: str, detail: str, *, once: IdempotentRequest | None = None
    ) -> Collection:
        def fail(work: Work) -> Collection:
            before = _collection(work.workspace, identifier)
            failed = replace(before, status="failed", problems=[CollectionProblem(detail)], problem_count=1)
            work.workspace.collections[identifier] = failed
            return failed

        return await self._write(workspace, once, fail)

    async def delete_collection(self, workspace: str, identifier: str) -> None:
        def delete(work: Work) -> None:
            stored = work.workspace
            _collection(stored, identifier)
            if stored.active in _names_of(stored, identifier):
                raise ProfileActive(str(stored.active))
            for name in _names_of(stored, identifier):
                del stored.profiles[name]
            write_modules(stored, identifier, [])
            prefix = f"{name_of(identifier)}/"
            stored.module_sources = {
                key: source for key, source in stored.module_sources.items() if not key[0].startswith(prefix)
            }
            del stored.collections[identifier]

        await self._write(workspace, None, delete)


def _collection(workspace: Workspace, identifier: str) -> Collection:
    if identifier not in workspace.collections:
        raise CollectionNotFound(identifier)
    return workspace.collections[identifier]


def _names_of(workspace: Workspace, identifier: str) -> list[str]:
    """The names of the profiles of a collection."""
    return sorted(name for name, profile in workspace.profiles.items() if profile.collection == identifier)


def _check_new(workspace: Workspace, identifier: str) -> None:
    refuse_reserved(identifier)
    for existing in workspace.collections:
        if name_of(existing) == name_of(identifier):
            raise CollectionExists(identifier, existing)


def _create(work: Work, content: CollectionContent) -> Collection:
    _check_new(work.workspace, content.identifier)
    return _sync(work, content, work.now)


def _sync(work: Work, content: CollectionContent, created_at: str) -> Collection:
    """Store the content of a collection with its profiles, and return the collection."""
    workspace, identifier = work.workspace, content.identifier
    problems = [*content.problems]
    before = _names_of(workspace, identifier)
    written = []
    for new in content.profiles:
        try:
            name = f"{name_of(identifier)}/{new.name}"
            _write_profile(work, identifier, operations.settings_from(new, name), content.texts.get(new.name, {}))
        except (ProfileExists, ProfileInvalid) as error:
            detail = f"The profile {name} exists and is not of this collection; delete it, or copy it first."
            problems.append(CollectionProblem(detail if isinstance(error, ProfileExists) else str(error)))
            continue
        written.append(name)
    for name in before:
        if name in written:
            continue
        if name == workspace.active:
            detail = f"The profile {name} is no longer in the collection; it stays as long as it is active."
            problems.append(CollectionProblem(detail))
            written.append(name)
        else:
            del workspace.profiles[name]
    collection = Collection(
        identifier=identifier,
        source=content.source,
        kind=content.kind,
        status="synced",
        commit=content.commit or UNSET,
        created_at=created_at,
        synced_at=work.now,
        profiles=sorted(written),
        agents=content.agents,
        context=content.context,
        modules=sorted(module.id for module in content.modules),
        problems=problems,
        problem_count=len(problems),
    )
    write_modules(workspace, identifier, content.modules)
    workspace.collections[identifier] = collection
    return collection


def _write_profile(work: Work, identifier: str, settings: ProfileSettings, texts: Mapping[str, str]) -> None:
    """Write a profile of a collection if it has changed. Raises `ProfileExists` if it is not of the collection."""
    before = work.workspace.profiles.get(settings.name)
    if before is not None and before.collection != identifier:
        raise ProfileExists(settings.name)
    content = operations.encode_settings(settings)
    if before is not None and (operations.encode_settings(before.settings), before.texts) == (content, texts):
        return
    created_at = work.now if before is None else before.created_at
    work.workspace.profiles[settings.name] = StoredProfile(
        settings, created_at, work.now, identifier, name_of(identifier), texts
    )
