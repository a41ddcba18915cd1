"""What a session is opened in: its profile and its directory."""

from dataclasses import dataclass, replace

from .change import Change
from .directories import known
from .directory_path import ROOT, lineage_of
from .errors import DirectoryNotAmplified, ProfileNotFound
from .profile_records import ProfilePatch
from .profiles import BUILT_IN, BUILT_IN_HASH, overridden
from .records import NewSession
from .rows import Bindings


@dataclass(frozen=True, slots=True)
class Context:
    """The profile of a session that is to be: its name, and the hash of what it says now."""

    profile: str
    profile_hash: str


async def resolve(change: Change, new: NewSession) -> Context:
    """Find the context. Raises `DirectoryNotAmplified`, `ProfileNotFound`, `ProfileInvalid`."""
    path = known(new.amplified_dir)
    bindings: Bindings = {
        "workspace": change.workspace,
        "profile": new.profile,
        "amplified_dir": path,
        "lineage": lineage_of(path),
    }
    row = await change.run(change.statements.RESOLVE_CONTEXT, bindings)
    assert row is not None, "There is always a profile to look for."
    name, found, is_amplified = row
    if not is_amplified and path != ROOT:
        raise DirectoryNotAmplified(path)
    profile_hash = BUILT_IN_HASH if name == BUILT_IN else found
    if profile_hash is None:
        raise ProfileNotFound(name)
    return await _with_overrides(change, Context(name, profile_hash), new)


async def _with_overrides(change: Change, context: Context, new: NewSession) -> Context:
    if not isinstance(new.settings_overrides, ProfilePatch):
        return context
    found = await overridden(change, context.profile, context.profile_hash, new.settings_overrides)
    return replace(context, profile_hash=found)
