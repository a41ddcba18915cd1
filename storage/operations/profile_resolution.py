"""Finds the profile of a new session, and the current targets of the profile's references."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET

from ..model.directory_path import ROOT, lineage_of
from ..model.errors import DirectoryNotAmplified
from ..model.modules import SCOPES, InstalledModules, Module, MountedModule, ReferenceTargets, modules_used
from ..model.profile_records import ProfilePatch, ProfileSettings
from ..model.records import NewSession
from ..sql.ports import Bindings, Row, Rows
from ..sql.statements.profiles import PROFILE_IN_ROOT, REFRESH_PROFILE
from ..sql.statements.sessions import Statements
from . import profiles
from .modules import find, ids_as_json
from .unit_of_work import UnitOfWork

_encode = msgspec.json.Encoder().encode


class Context(msgspec.Struct, frozen=True):
    """The profile of a new session: its name, and the hash of its current content."""

    profile: str
    profile_hash: str


async def resolve(work: UnitOfWork, new: NewSession, path: str, installed: InstalledModules) -> Context:
    """Find the profile of a new session in the directory `path`, with the session's overrides.

    Raises `DirectoryNotAmplified`, `ProfileNotFound`, `ProfileInvalid`.
    """
    profile = await _profile(work, new.profile, path)
    profile_hash = await current_hash(work, profile, installed)
    if isinstance(new.settings_overrides, ProfilePatch):
        profile_hash = await _store_overridden(work, profile_hash, new.settings_overrides, installed)
    return Context(profile, profile_hash)


async def current_hash(work: UnitOfWork, name: str, installed: InstalledModules) -> str:
    """The hash of the content of a profile, after an update of its module references. Raises `ProfileNotFound`."""
    if name == profiles.BUILT_IN:
        return profiles.BUILT_IN_HASH
    found, lookup = await profiles.stored_hash(work, name)
    if lookup == _lookup(installed, found):
        return found
    content = await profiles.content_of(work.transaction, work.workspace, found)
    current = await _store(work, content.settings, content, installed)
    bindings: Bindings = {"workspace": work.workspace, "name": name, "hash": current}
    await work.run(REFRESH_PROFILE, bindings | {"installed": _lookup(installed, current)})
    if current != found:
        await profiles.forget(work, found)
    return current


def _lookup(installed: InstalledModules, profile_hash: str) -> str:
    """The mark of a profile whose modules have been looked up; functions.sql compares it, too.

    It includes the hash, because a program that is older than `installed` changes only the hash.
    """
    return f"{installed.fingerprint}/{profile_hash}"


async def find_targets(
    rows: Rows, sql: Statements, workspace: str, content: profiles.ProfileContent, installed: InstalledModules
) -> ReferenceTargets:
    """The current targets of the references of a profile."""
    collection = content.mounted.collection
    own = collection if isinstance(collection, str) else None
    uses = [*modules_used(content.settings)]
    ids = sorted({module_id for use in uses for module_id in use.ids(own)})
    modules = {**installed.modules, **await find(rows, sql, workspace, ids)}
    return targets_of(content.settings, own, modules, await _sources(rows, sql, workspace, ids))


def targets_of(
    settings: ProfileSettings, collection: str | None, modules: Mapping[str, Module], sources: Iterable[Row]
) -> ReferenceTargets:
    """The targets of a profile's references in `modules` (by id); `sources` are rows of id, scope and source."""
    found = {use.key: use.among(modules, collection) for use in modules_used(settings)}
    by_scope = sorted(sources, key=lambda row: (row[0], -SCOPES.index(row[1])))
    return ReferenceTargets(
        UNSET if collection is None else collection,
        {key: _mounted_module(module) for key, module in sorted(found.items()) if module is not None},
        {module_id: source for module_id, _, source in by_scope},
        True if found else UNSET,
    )


def _mounted_module(module: Module) -> MountedModule:
    return MountedModule(
        id=module.id,
        name=module.name,
        version=module.version,
        location=module.location,
        entry_point=module.entry_point,
    )


async def _sources(rows: Rows, sql: Statements, workspace: str, ids: Sequence[str]) -> list[Row]:
    """The sources that are set for modules, as rows of module id, scope and source."""
    if not ids:
        return []
    bindings: Bindings = {"workspace": workspace, "ids": ids_as_json(ids)}
    return await rows.all(sql.MODULE_SOURCES_WITH_IDS, bindings)


async def _store(
    work: UnitOfWork, settings: ProfileSettings, profile_content: profiles.ProfileContent, installed: InstalledModules
) -> str:
    """Store settings with their current targets, and the collection and texts of `kept`. Returns the hash."""
    profile_content = profile_content._replace(settings=settings)
    mounted = await find_targets(work.transaction, work.statements, work.workspace, profile_content, installed)
    content = profiles.with_targets(_encode(settings).decode(), mounted)
    return await profiles.keep(work, content, profile_content.texts)


async def _store_overridden(
    work: UnitOfWork, profile_hash: str, overrides: ProfilePatch, installed: InstalledModules
) -> str:
    """Store a profile with overrides merged in. Returns its hash. Raises `ProfileInvalid`."""
    content = await profiles.content_of(work.transaction, work.workspace, profile_hash)
    return await _store(work, profiles.patch_settings(content.settings, overrides), content, installed)


async def _profile(work: UnitOfWork, named: str | None, path: str) -> str:
    """The name of the profile that a session names, or inherits from its directory. Raises `DirectoryNotAmplified`."""
    if path == ROOT:
        # The root directory is always amplified.
        return named or str((await work.transaction.one(PROFILE_IN_ROOT, {"workspace": work.workspace}))[0])
    bindings: Bindings = {"workspace": work.workspace, "amplified_dir": path, "lineage": lineage_of(path)}
    row = await work.run(work.statements.PROFILE_IN_DIRECTORY, bindings)
    if row is None:
        raise DirectoryNotAmplified(path)
    return named or str(row[0])
