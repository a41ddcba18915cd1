"""Writes of profiles, and of the copies that sessions keep."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from ..model.collections import ProfileOfCollection
from ..model.errors import (
    ProfileActive,
    ProfileExists,
    ProfileInvalid,
    ProfileNameReserved,
    ProfileNotFound,
    ProfileReadOnly,
)
from ..model.modules import ReferenceTargets
from ..model.profile_records import (
    NewProfile,
    NewSessionConfig,
    Profile,
    ProfileOrigin,
    ProfilePatch,
    ProfileSettings,
    ProfileWarning,
    SessionConfig,
)
from ..sql.ports import Bindings, Rows
from ..sql.statements import profiles as statements
from ..values.merge_patch import merge_patch
from .unit_of_work import UnitOfWork

BUILT_IN = "default"

NAME = re.compile(r"[a-z0-9-]{1,64}(/[a-z0-9-]{1,64})?")

MAX_BYTES = 256 * 1024
# A patch that replaces or deletes each member is smaller.
MAX_PATCH_CHARACTERS = 4 * MAX_BYTES

# The API uses these in its paths.
_RESERVED = re.compile(r"active|.*/(activate|copy)")
_IN_A_SUMMARY = ("name", "description", "version", "schemaVersion")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ProfileSettings).decode
# An integer may be written 2.0: the schema of a patch accepts it.
_decode_patched = msgspec.json.Decoder(ProfileSettings, strict=False).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode


class _Content(msgspec.Struct, frozen=True):
    mounted: ReferenceTargets = ReferenceTargets()


class ProfileContent(NamedTuple):
    """The stored content of a profile: its settings, the targets of its references, and the hash of its texts."""

    settings: ProfileSettings
    mounted: ReferenceTargets
    texts: str | None


_NOTHING = ReferenceTargets()
_decode_mounted = msgspec.json.Decoder(_Content).decode


def hash_of(content: str, texts: str | None = None) -> str:
    """The hash that identifies a content, and its texts if it has the hash `texts` of some."""
    whole = content if texts is None else f"{content}\n{texts}"
    return hashlib.sha256(whole.encode()).hexdigest()


BUILT_IN_CONTENT = _encode(
    ProfileSettings(name=BUILT_IN, description="The built-in profile, which leaves all to whoever runs the session.")
).decode()
BUILT_IN_HASH = hash_of(BUILT_IN_CONTENT)
# A later version that changes the built-in profile must keep this content here, for the sessions that use it.
_BUILT_IN_CONTENTS: Mapping[str, str] = {BUILT_IN_HASH: BUILT_IN_CONTENT}


async def create(
    work: UnitOfWork, new: NewProfile, origin: ProfileOrigin | None, warnings: list[ProfileWarning]
) -> Profile:
    """Create a profile, and return it with the warnings.

    Raises `ProfileNameReserved`, `ProfileInvalid`, `ProfileExists`.
    """
    settings = settings_from(new, new.name)
    if origin is None:
        profile = await _insert(work, settings)
    else:
        profile = await _insert(
            work, settings, ReferenceTargets(origin.collection), await keep_texts(work, origin.texts)
        )
    return msgspec.structs.replace(profile, warnings=warnings or UNSET)


async def copy(work: UnitOfWork, name: str, new_name: str) -> Profile:
    """Copy a profile under another name. Raises `ProfileNotFound` and what `create` raises."""
    content = await content_of(work.transaction, work.workspace, await hash_of_profile(work, name))
    settings = msgspec.structs.replace(content.settings, name=new_name)
    return await _insert(work, settings, ReferenceTargets(content.mounted.collection), content.texts)


async def update(work: UnitOfWork, name: str, patch: ProfilePatch) -> Profile:
    """Apply a patch. Raises `ProfileNotFound`, `ProfileReadOnly`, `ProfileOfCollection`, `ProfileInvalid`."""
    return await _change(work, name, lambda settings: patch_content(name, _encode(settings).decode(), patch))


async def replace(work: UnitOfWork, name: str, new: NewProfile) -> Profile:
    """Replace a profile with one of the same name. Raises what `update` raises."""
    return await _change(work, name, lambda _: replacement(name, new))


async def _change(work: UnitOfWork, name: str, change: Callable[[ProfileSettings], str]) -> Profile:
    """Change the content of a profile; `change` returns the JSON of its new settings."""
    profile = await _own(work, name)
    before = await hash_of_profile(work, name)
    stored = await content_of(work.transaction, work.workspace, before)
    content = change(stored.settings)
    settings = _decode(content)
    updated = _profile(settings, profile.is_active, profile.created_at, max(str(profile.updated_at), work.now))
    content = with_targets(content, ReferenceTargets(stored.mounted.collection))
    await work.run(statements.UPDATE_PROFILE, await _keep(work, updated, content, stored.texts))
    await forget(work, before)
    return updated


async def delete(work: UnitOfWork, name: str) -> None:
    """Delete a profile.

    Raises `ProfileNotFound`, `ProfileReadOnly`, `ProfileOfCollection`, and `ProfileActive` if it is active.
    """
    profile = await _own(work, name)
    if profile.is_active:
        raise ProfileActive(name)
    content_hash = await hash_of_profile(work, name)
    await work.run(statements.DELETE_PROFILE, _key(work.workspace, name))
    await forget(work, content_hash)


async def activate(work: UnitOfWork, name: str) -> Profile:
    """Make a profile the active one. Raises `ProfileNotFound`."""
    profile = await read(work.transaction, work.workspace, name)
    await work.run(statements.ACTIVATE, _key(work.workspace, name))
    return msgspec.structs.replace(profile, is_active=True)


async def deactivate(work: UnitOfWork) -> None:
    """Make no profile active."""
    await work.run(statements.DEACTIVATE, {"workspace": work.workspace})


async def _own(work: UnitOfWork, name: str) -> Profile:
    """Read a profile to change. Raises `ProfileNotFound`, `ProfileReadOnly`, `ProfileOfCollection`."""
    if name == BUILT_IN:
        raise ProfileReadOnly(name)
    profile = await read(work.transaction, work.workspace, name)
    if isinstance(profile.source, str):
        raise ProfileOfCollection(name, profile.source)
    return profile


async def read(rows: Rows, workspace: str, name: str) -> Profile:
    """Read a profile. Raises `ProfileNotFound`."""
    if name == BUILT_IN:
        active = await rows.row(statements.ACTIVE, {"workspace": workspace})
        is_active = active is not None and active[0] == BUILT_IN
        return _profile(_decode(BUILT_IN_CONTENT), is_active, UNSET, UNSET)
    row = await rows.row(statements.PROFILE, _key(workspace, name))
    if row is None:
        raise ProfileNotFound(name)
    content, created_at, updated_at, active_name, collection = row
    profile = _profile(_decode(content), active_name is not None, created_at, updated_at)
    return profile if collection is None else msgspec.structs.replace(profile, source=collection)


def built_in(profile_hash: str | None) -> str | None:
    """The JSON of the built-in profile with this hash; None if it is the hash of another profile."""
    return None if profile_hash is None else _BUILT_IN_CONTENTS.get(profile_hash)


async def content_of(rows: Rows, workspace: str, profile_hash: str) -> ProfileContent:
    """The content that is stored under a hash."""
    content, texts = built_in(profile_hash), None
    if content is None:
        row = await rows.row(statements.CONTENT, {"workspace": workspace, "hash": profile_hash})
        assert row is not None, "A content stays as long as a profile or a session has it."
        content, texts = row
    return ProfileContent(_decode(content), targets_in(content), texts)


def settings_in(content: str | None) -> ProfileSettings:
    """The settings in the content of a profile or a session."""
    assert content is not None, "A content stays as long as a profile or a session has it."
    return _decode(content)


async def hash_of_profile(work: UnitOfWork, name: str) -> str:
    """The hash of the stored content of a profile. Raises `ProfileNotFound`."""
    if name == BUILT_IN:
        return BUILT_IN_HASH
    found, _ = await stored_hash(work, name)
    return found


async def stored_hash(work: UnitOfWork, name: str) -> tuple[str, str | None]:
    """The hash of a stored profile, and the mark of its last module lookup; None if they must be looked up again.

    Raises `ProfileNotFound`.
    """
    row = await work.run(statements.HASH, _key(work.workspace, name))
    if row is None:
        raise ProfileNotFound(name)
    found, stale, installed = row
    return found, None if stale else installed


async def keep(work: UnitOfWork, content: str, texts: str | None = None) -> str:
    """Store a content with the hash of its texts, unless it is stored already. Returns its hash."""
    found = hash_of(content, texts)
    if found not in _BUILT_IN_CONTENTS:
        bindings: Bindings = {"workspace": work.workspace, "hash": found, "content": content, "texts": texts}
        await work.run(statements.INSERT_CONTENT, bindings)
    return found


async def keep_texts(work: UnitOfWork, texts: Mapping[str, str]) -> str | None:
    """Store texts by their paths, unless they are stored already. Returns their hash, None if there are none."""
    if not texts:
        return None
    content = _encode(dict(sorted(texts.items()))).decode()
    found = hash_of(content)
    await work.run(statements.INSERT_TEXT, {"workspace": work.workspace, "hash": found, "content": content})
    return found


async def texts_of(rows: Rows, workspace: str, texts: str | None) -> dict[str, str]:
    """The texts that are stored under a hash, by their paths."""
    row = None if texts is None else await rows.row(statements.TEXTS, {"workspace": workspace, "hash": texts})
    return {} if row is None else _decode_texts(row[0])


async def forget(work: UnitOfWork, content_hash: str | None) -> None:
    """Delete a content, and then its texts, if no profile and no session uses it any more."""
    if content_hash is not None and content_hash not in _BUILT_IN_CONTENTS:
        row = await work.run(statements.FORGET_CONTENT, {"workspace": work.workspace, "hash": content_hash})
        if row is not None and row[0] is not None:
            await work.run(statements.FORGET_TEXT, {"workspace": work.workspace, "hash": row[0]})


def with_targets(content: str, mounted: ReferenceTargets) -> str:
    """The JSON of a profile with the targets of its references added."""
    return content if mounted == _NOTHING else f'{content[:-1]},"mounted":{_encode(mounted).decode()}}}'


def targets_in(content: str) -> ReferenceTargets:
    """The targets of the references of a profile, from its stored content."""
    return _decode_mounted(content).mounted


def patch_content(name: str, content: str, patch: ProfilePatch) -> str:
    """The JSON of a profile with a patch merged in. Raises `ProfileInvalid`."""
    members = {name: value for name, value in _fields(patch).items() if value is not UNSET}
    if "session" in members and bytes(members["session"]) != b"null":
        names = {field.name: field.encode_name for field in msgspec.structs.fields(SessionConfig)}
        members["session"] = {names[key]: value for key, value in _members(members["session"]).items()}
    encoded = _encode(members).decode()
    if len(encoded) > MAX_PATCH_CHARACTERS:
        raise ProfileInvalid(name, f"the patch has {len(encoded)} characters; the limit is {MAX_PATCH_CHARACTERS}")
    try:
        settings = _decode_patched(merge_patch(content, encoded))
    except msgspec.ValidationError as error:
        raise ProfileInvalid(name, str(error)) from None
    return encode_settings(settings)


def patch_settings(profile: ProfileSettings, patch: ProfilePatch) -> ProfileSettings:
    """The settings of a profile with a patch merged in. Raises `ProfileInvalid`."""
    names = ProfileSettings.__struct_fields__
    settings = ProfileSettings(**{name: getattr(profile, name) for name in names})
    return _decode(patch_content(profile.name, _encode(settings).decode(), patch))


def summary_of(content: str, *others: tuple[str, str]) -> str:
    """The entry of a profile in lists, as JSON, without `isActive`; `others` are more members with their values."""
    members = _members(content)
    return _encode({name: members[name] for name in _IN_A_SUMMARY} | dict(others)).decode()


def settings_from(new: NewProfile, name: str) -> ProfileSettings:
    """The settings of a new profile, under `name`."""
    session = SessionConfig(**_fields(new.session)) if isinstance(new.session, NewSessionConfig) else UNSET
    return ProfileSettings(**_fields(new) | {"name": name, "session": session})


def replacement(name: str, new: NewProfile) -> str:
    """The JSON of a profile that replaces the profile `name`. Raises `ProfileInvalid` if it has another name."""
    if new.name != name:
        raise ProfileInvalid(name, f"its name is {new.name}; to rename a profile, copy it and delete the first one")
    return encode_settings(settings_from(new, name))


def encode_settings(settings: ProfileSettings) -> str:
    """The JSON of a profile. Raises `ProfileInvalid` if it is too long."""
    content = _encode(settings).decode()
    size = len(content.encode())
    if size > MAX_BYTES:
        raise ProfileInvalid(settings.name, f"it has {size} bytes as JSON; the limit is {MAX_BYTES}")
    return content


def refuse_reserved(name: str) -> None:
    """Raises `ProfileNameReserved` if the API uses the name in its paths."""
    if _RESERVED.fullmatch(name):
        raise ProfileNameReserved(name)


async def _insert(
    work: UnitOfWork, settings: ProfileSettings, mounted: ReferenceTargets = _NOTHING, texts: str | None = None
) -> Profile:
    refuse_reserved(settings.name)
    content = with_targets(encode_settings(settings), mounted)
    key = _key(work.workspace, settings.name)
    if settings.name == BUILT_IN or await work.run(statements.HASH, key) is not None:
        raise ProfileExists(settings.name)
    profile = _profile(settings, False, work.now, work.now)
    await work.run(statements.INSERT_PROFILE, await _keep(work, profile, content, texts))
    return profile


async def _keep(work: UnitOfWork, profile: Profile, content: str, texts: str | None) -> Bindings:
    """Store a profile's content. Returns the bindings of the statement that writes the profile."""
    times = {"created_at": str(profile.created_at), "updated_at": str(profile.updated_at)}
    summary = summary_of(content, ("createdAt", times["created_at"]), ("updatedAt", times["updated_at"]))
    bindings: Bindings = {"hash": await keep(work, content, texts), "summary": summary}
    return _key(work.workspace, profile.name) | times | bindings


def _profile(
    settings: ProfileSettings, is_active: bool, created_at: str | msgspec.UnsetType, updated_at: str | msgspec.UnsetType
) -> Profile:
    return Profile(**_fields(settings), is_active=is_active, created_at=created_at, updated_at=updated_at)


def _fields(record: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _key(workspace: str, name: str) -> Bindings:
    return {"workspace": workspace, "name": name}
