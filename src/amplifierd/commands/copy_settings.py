"""Copies keys, profiles, collections, module sources, directories and files to another database.

With `skipped`, damaged records are left out. A list that cannot be read ends where it is damaged.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial

import msgspec
from msgspec import UNSET

from ..storage.model.collections import CollectionContent, CollectionExists, all_collections
from ..storage.model.database_errors import DatabaseDamaged, Skipped
from ..storage.model.directories import AmplifiedDirectory, NewDirectory
from ..storage.model.errors import (
    DirectoryExists,
    FileNotFound,
    NoActiveProfile,
    ProfileExists,
    StorageError,
    StorageUnavailable,
)
from ..storage.model.files import File, NewFile
from ..storage.model.interface import Storage
from ..storage.model.modules import Module, ModuleNotFound, ModuleSourceExists, NewModuleSource
from ..storage.model.profile_records import (
    NewProfile,
    NewSessionConfig,
    Profile,
    ProfileOrigin,
    ProfileSettings,
    SessionConfig,
)
from ..storage.model.queries import all_records
from ..storage.model.records import ExportFile, ExportLine, Listing
from ..storage.model.workspaces import Key

_AT_ONCE = 500

_encode = msgspec.json.Encoder().encode

_summaries = msgspec.json.Decoder(list[ProfileSettings]).decode
_files = msgspec.json.Decoder(list[File]).decode
_directories = msgspec.json.Decoder(list[AmplifiedDirectory]).decode


@contextmanager
def _skipping(skipped: Skipped | None, subject: str) -> Iterator[None]:
    """Tell `skipped` that `subject` can't be read if the `with` finds it damaged; without `skipped`, raise that."""
    try:
        yield
    except (StorageError, msgspec.MsgspecError) as error:
        if skipped is None or isinstance(error, StorageUnavailable):
            raise
        skipped.tell(f"{subject} can't be read.")


class KeysUnreadable(StorageError):
    """No key of the source can be read, and the target has none: it would be open to everybody."""

    def __init__(self) -> None:
        super().__init__(
            "The keys can't be read, and a database without keys is open to everybody who reaches it. Create a key in "
            "the target with `amplifierd keys create --create --name NAME --database TARGET`, and copy again."
        )


async def copy_keys(source: Storage, target: Storage, skipped: Skipped | None) -> None:
    """Copy the keys of all workspaces, and their revocations.

    Raises `KeysUnreadable` if keys were skipped and `target` has none.
    """
    unread = 1
    with _skipping(skipped, "The list of keys"):
        keys = await source.list_keys()
        unread = len(keys)
        for key in keys:
            with _skipping(skipped, f"Key {key.id}"):
                await target.copy_key(msgspec.convert(asdict(key), Key))
                unread -= 1
    if unread and not await target.has_keys():
        raise KeysUnreadable


async def copy_contexts(source: Storage, target: Storage, workspace: str, skipped: Skipped | None) -> None:
    """Copy the profiles, collections, module sources, directories and the active profile that `target` lacks."""
    of_workspace = f"of workspace {workspace}"
    with _skipping(skipped, f"The list of profiles {of_workspace}"):
        async for summary in all_records(
            lambda cursor: source.list_profiles(workspace, limit=_AT_ONCE, cursor=cursor), _summaries
        ):
            with _skipping(skipped, f"Profile {summary.name} {of_workspace}"):
                await _copy_profile(source, target, workspace, summary.name)
    with _skipping(skipped, f"The list of collections {of_workspace}"):
        async for collection in all_collections(source, workspace):
            with _skipping(skipped, f"Collection {collection.identifier} {of_workspace}"):
                await _copy_collection(source, target, workspace, collection.identifier)
    with _skipping(skipped, f"The list of modules with sources {of_workspace}"):
        async for module_id in _modules_with_sources(source, workspace):
            with _skipping(skipped, f"The source of module {module_id} {of_workspace}"):
                await _copy_module_sources(source, target, workspace, module_id)
    with _skipping(skipped, f"The active profile {of_workspace}"):
        await _copy_active_profile(source, target, workspace)

    async def directories(cursor: str | None) -> Listing:
        return (await source.list_directories(workspace, limit=_AT_ONCE, cursor=cursor)).directories

    with _skipping(skipped, f"The list of directories {of_workspace}"):
        async for directory in all_records(directories, _directories):
            with _skipping(skipped, f"Directory {directory.relative_path} {of_workspace}"):
                await _copy_directory(target, workspace, directory)


async def _copy_profile(source: Storage, target: Storage, workspace: str, name: str) -> None:
    """Copy a profile, unless it belongs to a collection or `target` has it."""
    stored = await source.get_profile(workspace, name)
    if stored.source is UNSET:
        with suppress(ProfileExists):
            await target.create_profile(workspace, _new(stored), origin=await _origin(source, workspace, name))


async def _copy_active_profile(source: Storage, target: Storage, workspace: str) -> None:
    with suppress(NoActiveProfile):
        active = await source.get_active_profile(workspace)
        try:
            await target.get_active_profile(workspace)
        except NoActiveProfile:
            await target.activate_profile(workspace, active.name)


async def _copy_directory(target: Storage, workspace: str, directory: AmplifiedDirectory) -> None:
    own = directory.default_profile if directory.default_profile_from == directory.relative_path else UNSET
    profile = own if isinstance(own, str) else None
    with suppress(DirectoryExists):
        new = NewDirectory(directory.relative_path, profile, directory.metadata, create_marker=False)
        await target.create_directory(workspace, new)


async def _copy_collection(source: Storage, target: Storage, workspace: str, identifier: str) -> None:
    """Copy a collection that `target` lacks, with its profiles unchanged; its source is not read."""
    with suppress(CollectionExists):
        await target.create_collection(workspace, identifier, partial(_content, source, workspace, identifier))


async def _origin(source: Storage, workspace: str, name: str) -> ProfileOrigin:
    plan = await source.profile_plan(workspace, name)
    return ProfileOrigin(plan.mounted.collection, plan.texts)


async def _modules_with_sources(source: Storage, workspace: str) -> AsyncGenerator[str, None]:
    after = ""
    while ids := await source.modules_with_sources(workspace, after=after, most=_AT_ONCE):
        for module_id in ids:
            yield module_id
        after = ids[-1]


async def _copy_module_sources(source: Storage, target: Storage, workspace: str, module_id: str) -> None:
    """Copy the sources that are set for a module, except those that are set in `target`."""
    for found in await source.module_sources(workspace, module_id):
        with suppress(ModuleSourceExists):
            await target.create_module_source(workspace, module_id, NewModuleSource(found.source, found.scope))


async def _content(source: Storage, workspace: str, identifier: str) -> CollectionContent:
    collection = await source.get_collection(workspace, identifier)
    profiles = [_new(await source.get_profile(workspace, name)) for name in collection.profiles]
    modules: list[Module] = []
    for module_id in collection.modules:
        # An older version kept only the ids.
        with suppress(ModuleNotFound):
            modules.append(await source.get_module(workspace, module_id))
    return CollectionContent(
        identifier=identifier,
        source=collection.source,
        kind=collection.kind,
        commit=collection.commit if isinstance(collection.commit, str) else None,
        profiles=[msgspec.structs.replace(profile, name=profile.name.partition("/")[2]) for profile in profiles],
        agents=collection.agents,
        context=collection.context,
        modules=modules,
        problems=collection.problems,
        texts={name.partition("/")[2]: await source.profile_texts(workspace, name) for name in collection.profiles},
    )


async def copy_files(source: Storage, target: Storage, workspace: str, skipped: Skipped | None) -> None:
    """Copy the files that `target` lacks, before the messages that refer to them. They get the time of the copy.

    Raises `DatabaseDamaged` for a damaged file, unless `skipped` is told about it.
    """
    with _skipping(skipped, f"The list of files of workspace {workspace}"):
        async for file in all_records(
            lambda cursor: source.list_files(workspace, limit=_AT_ONCE, cursor=cursor), _files
        ):
            with _skipping(skipped, f"File {file.id}"):
                _refuse_invalid(file, skipped)
                await _copy_file(source, target, workspace, file)


def _refuse_invalid(file: File, skipped: Skipped | None) -> None:
    """Raises `DatabaseDamaged` if no import would take a file; only if damaged ones are `skipped`."""
    line = ExportLine(file=ExportFile(file.id, file.media, file.size, file.name))
    if skipped is not None and skipped.read_line(_encode(line)) is None:
        raise DatabaseDamaged(f"file {file.id} is not valid")


async def _copy_file(source: Storage, target: Storage, workspace: str, file: File) -> None:
    if await has_file(target, workspace, file.id):
        return
    content = await source.read_file(workspace, file.id)
    name = file.name if isinstance(file.name, str) else None
    await target.create_file(workspace, NewFile(_unaltered(content.read(0, file.size - 1), file.id), file.media, name))


async def _unaltered(chunks: AsyncIterable[bytes], file_id: str) -> AsyncGenerator[bytes, None]:
    """The chunks of a file. Raises `DatabaseDamaged` after the last one if they were altered: no file is created."""
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != file_id:
        raise DatabaseDamaged(f"file {file_id} has other bytes")


async def has_file(storage: Storage, workspace: str, file_id: str) -> bool:
    """Whether a workspace of a storage has a file."""
    try:
        await storage.read_file(workspace, file_id)
    except FileNotFound:
        return False
    return True


def _new(profile: Profile) -> NewProfile:
    fields = {name: getattr(profile, name) for name in NewProfile.__struct_fields__}
    if isinstance(profile.session, SessionConfig):
        names = NewSessionConfig.__struct_fields__
        fields["session"] = NewSessionConfig(**{name: getattr(profile.session, name) for name in names})
    return NewProfile(**fields)
