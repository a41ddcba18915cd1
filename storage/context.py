"""What a session is opened in: its profile and its directory."""

from dataclasses import dataclass, replace

from .change import Change
from .directories import known
from .directory_path import ROOT, lineage_of
from .errors import DirectoryNotAmplified
from .portable import PROFILE_IN_ROOT
from .profile_records import ProfilePatch
from .profiles import hash_of_profile, overridden
from .records import NewSession
from .rows import Bindings


@dataclass(frozen=True, slots=True)
class Context:
    """The profile of a session that is to be: its name, and the hash of what it says now."""

    profile: str
    profile_hash: str


async def resolve(change: Change, new: NewSession) -> Context:
    """Find the context. Raises `DirectoryNotAmplified`, `ProfileNotFound`, `ProfileInvalid`."""
    inherited = await _inherited(change, known(new.amplified_dir))
    profile = new.profile or inherited
    return await _with_overrides(change, Context(profile, await hash_of_profile(change, profile)), new)


async def _inherited(change: Change, path: str) -> str:
    if path == ROOT:
        row = await change.run(PROFILE_IN_ROOT, {"workspace": change.workspace})
    else:
        bindings: Bindings = {"workspace": change.workspace, "amplified_dir": path, "lineage": lineage_of(path)}
        row = await change.run(change.statements.PROFILE_IN_DIRECTORY, bindings)
    if row is None:
        raise DirectoryNotAmplified(path)
    profile: str = row[0]
    return profile


async def _with_overrides(change: Change, context: Context, new: NewSession) -> Context:
    if not isinstance(new.settings_overrides, ProfilePatch):
        return context
    found = await overridden(change, context.profile, context.profile_hash, new.settings_overrides)
    return replace(context, profile_hash=found)
