"""Writes of collections: each replaces the profiles of a collection in one transaction.

A collection has few, small profiles (see documents/collections/), and only those that differ are written.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from ...model.collections import (
    Collection,
    CollectionContent,
    CollectionExists,
    CollectionIdentifierReserved,
    CollectionNotFound,
    CollectionProblem,
    CollectionSummary,
)
from ...model.errors import ProfileActive, ProfileInvalid
from ...model.modules import INSTALLED, ReferenceTargets
from ...model.profile_records import ProfileSettings
from ...sql.ports import Bindings, Row, Rows
from ...sql.statements import collections as statements
from ...sql.statements.profiles import ACTIVE, DELETE_PROFILE, OUTDATE_PROFILES
from .. import modules, profiles
from ..unit_of_work import UnitOfWork

# A path of the API ends with `sync`; the ids of installed modules begin with `INSTALLED`.
_RESERVED = re.compile(rf"(.*/)?(sync|{INSTALLED})")


class _Stored(NamedTuple):
    """A row of `PROFILES`."""

    name: str
    hash: str
    created_at: str
    collection: str | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Collection).decode


def name_of(identifier: str) -> str:
    """The name of a collection: the last segment of its identifier. The names of its profiles begin with it."""
    return identifier.rpartition("/")[2]


def refuse_reserved(identifier: str) -> None:
    """Raises `CollectionIdentifierReserved` if the API uses the identifier in paths or module ids."""
    if _RESERVED.fullmatch(identifier):
        raise CollectionIdentifierReserved(identifier)


async def check_new(rows: Rows, workspace: str, identifier: str) -> None:
    """Check the identifier of a new collection. Raises `CollectionExists`, `CollectionIdentifierReserved`."""
    refuse_reserved(identifier)
    row = await rows.row(statements.SAME_NAME, {"workspace": workspace, "name": name_of(identifier)})
    if row is not None:
        raise CollectionExists(identifier, row[0])


async def create(work: UnitOfWork, content: CollectionContent) -> Collection:
    """Store a new collection with its profiles and modules. Raises what `check_new` raises."""
    identifier = content.identifier
    await check_new(work.transaction, work.workspace, identifier)
    collection = await _sync(work, content, work.now)
    await work.run(statements.INSERT_COLLECTION, _bindings(work, collection) | {"name": name_of(identifier)})
    return collection


async def replace(work: UnitOfWork, content: CollectionContent) -> Collection:
    """Replace the content of a collection. Raises `CollectionNotFound`, also if its source has changed meanwhile."""
    before = await read(work.transaction, work.workspace, content.identifier)
    if before.source != content.source:
        raise CollectionNotFound(content.identifier)
    return await _update(work, await _sync(work, content, before.created_at))


async def fail(work: UnitOfWork, identifier: str, detail: str) -> Collection:
    """Record `detail` as the reason why a collection could not be read. Raises `CollectionNotFound`."""
    before = await read(work.transaction, work.workspace, identifier)
    problems = [CollectionProblem(detail)]
    failed = msgspec.structs.replace(before, status="failed", problems=problems, problem_count=1)
    return await _update(work, failed)


async def delete(work: UnitOfWork, identifier: str) -> None:
    """Delete a collection with its profiles, modules and module sources.

    Raises `CollectionNotFound`, and `ProfileActive` if one of its profiles is active.
    """
    await read(work.transaction, work.workspace, identifier)
    active = await _active(work)
    for row in await _profiles_of(work, identifier):
        profile = _Stored(*row)
        if profile.collection == identifier:
            if profile.name == active:
                raise ProfileActive(profile.name)
            await _delete_profile(work, profile)
    await modules.delete_all(work, name_of(identifier))
    await work.run(OUTDATE_PROFILES, {"workspace": work.workspace})
    await work.run(statements.DELETE_COLLECTION, _key(work.workspace, identifier))


async def read(rows: Rows, workspace: str, identifier: str) -> Collection:
    """Read a collection. Raises `CollectionNotFound`."""
    row = await rows.row(statements.COLLECTION, _key(workspace, identifier))
    if row is None:
        raise CollectionNotFound(identifier)
    collection = _decode(row[0])
    # An older program did not store the count.
    return msgspec.structs.replace(collection, problem_count=len(collection.problems))


async def _sync(work: UnitOfWork, content: CollectionContent, created_at: str) -> Collection:
    """Write the profiles and the modules of a content, and return the collection to store."""
    collection = Collection(
        identifier=content.identifier,
        source=content.source,
        kind=content.kind,
        status="synced",
        commit=content.commit or msgspec.UNSET,
        created_at=created_at,
        synced_at=work.now,
        profiles=[],
        agents=content.agents,
        context=content.context,
        modules=sorted(module.id for module in content.modules),
        problems=[*content.problems],
        problem_count=0,
    )
    await modules.replace_all(work, content.identifier, name_of(content.identifier), content.modules)
    await _write_profiles(work, collection, content)
    await work.run(OUTDATE_PROFILES, {"workspace": work.workspace})
    return msgspec.structs.replace(collection, problem_count=len(collection.problems))


async def _write_profiles(work: UnitOfWork, collection: Collection, content: CollectionContent) -> None:
    """Replace the profiles of a collection, and add their names and problems to it."""
    identifier, prefix = collection.identifier, f"{name_of(collection.identifier)}/"
    stored = {row[0]: _Stored(*row) for row in await _profiles_of(work, identifier)}
    for profile in content.profiles:
        name = f"{prefix}{profile.name}"
        before = stored.get(name)
        try:
            if before is not None and before.collection != identifier:
                detail = f"The profile {name} exists and is not of this collection; delete it, or copy it first."
                collection.problems.append(CollectionProblem(detail))
                continue
            texts = content.texts.get(profile.name, {})
            await _write_profile(work, identifier, profiles.settings_from(profile, name), texts, before)
        except ProfileInvalid as error:
            collection.problems.append(CollectionProblem(str(error)))
            continue
        stored.pop(name, None)
        collection.profiles.append(name)
    await _delete_others(work, collection, stored.values())
    collection.profiles.sort()


async def _delete_others(work: UnitOfWork, collection: Collection, stored: Iterable[_Stored]) -> None:
    """Delete the profiles of the collection that are not in its new content, except the active one."""
    active = await _active(work)
    for profile in stored:
        if profile.collection == collection.identifier and profile.name == active:
            detail = f"The profile {profile.name} is no longer in the collection; it stays as long as it is active."
            collection.problems.append(CollectionProblem(detail))
            collection.profiles.append(profile.name)
        elif profile.collection == collection.identifier:
            await _delete_profile(work, profile)


async def _write_profile(
    work: UnitOfWork,
    identifier: str,
    settings: ProfileSettings,
    texts: Mapping[str, str],
    before: _Stored | None,
) -> None:
    content = profiles.encode_settings(settings)
    texts_hash = await profiles.keep_texts(work, texts)
    if before is not None:
        stored = await profiles.content_of(work.transaction, work.workspace, before.hash)
        if (profiles.encode_settings(stored.settings), stored.texts) == (content, texts_hash):
            return
    created_at = work.now if before is None else before.created_at
    members = (("createdAt", created_at), ("updatedAt", work.now), ("source", identifier))
    bindings: Bindings = {
        "workspace": work.workspace,
        "name": settings.name,
        "hash": await profiles.keep(
            work, profiles.with_targets(content, ReferenceTargets(name_of(identifier))), texts_hash
        ),
        "summary": profiles.summary_of(content, *members),
        "now": work.now,
        "collection": identifier,
    }
    await work.run(statements.WRITE_PROFILE, bindings)
    await profiles.forget(work, None if before is None else before.hash)


async def _delete_profile(work: UnitOfWork, profile: _Stored) -> None:
    await work.run(DELETE_PROFILE, {"workspace": work.workspace, "name": profile.name})
    await profiles.forget(work, profile.hash)


async def _profiles_of(work: UnitOfWork, identifier: str) -> list[Row]:
    """The profiles whose names begin with the name of the collection, as rows of `PROFILES`."""
    name = name_of(identifier)
    # In the order of characters, 0 comes right after the slash.
    return await work.transaction.all(
        statements.PROFILES, {"workspace": work.workspace, "first": f"{name}/", "last": f"{name}0"}
    )


async def _active(work: UnitOfWork) -> str | None:
    row = await work.run(ACTIVE, {"workspace": work.workspace})
    return None if row is None else row[0]


async def _update(work: UnitOfWork, collection: Collection) -> Collection:
    await work.run(statements.UPDATE_COLLECTION, _bindings(work, collection))
    return collection


def _bindings(work: UnitOfWork, collection: Collection) -> Bindings:
    summary = CollectionSummary(**{name: getattr(collection, name) for name in CollectionSummary.__struct_fields__})
    texts: Bindings = {"summary": _encode(summary).decode(), "record": _encode(collection).decode()}
    return _key(work.workspace, collection.identifier) | texts


def _key(workspace: str, identifier: str) -> Bindings:
    return {"workspace": workspace, "identifier": identifier}
