"""The profile and the directory of a new session."""

import msgspec

from ..model.directory_path import ROOT, lineage_of
from ..model.errors import DirectoryNotAmplified
from ..model.profile_records import ProfilePatch
from ..model.records import NewSession
from ..sql.ports import Bindings
from ..sql.statements.profiles import PROFILE_IN_ROOT
from .directories import normalize_or_not_found
from .profiles import hash_of_profile, overridden
from .unit_of_work import UnitOfWork


class Context(msgspec.Struct, frozen=True):
    """The profile of a new session: its name, and the hash of its present content."""

    profile: str
    profile_hash: str


async def resolve(work: UnitOfWork, new: NewSession) -> Context:
    """Find the profile. Raises `DirectoryNotAmplified`, `ProfileNotFound`, `ProfileInvalid`."""
    profile = await _profile(work, new.profile, normalize_or_not_found(new.amplified_dir))
    profile_hash = await hash_of_profile(work, profile)
    if isinstance(new.settings_overrides, ProfilePatch):
        profile_hash = await overridden(work, profile, profile_hash, new.settings_overrides)
    return Context(profile, profile_hash)


async def _profile(work: UnitOfWork, named: str | None, path: str) -> str:
    """The profile that a session names, or inherits from its directory."""
    if path == ROOT:
        # The root is always amplified.
        return named or await _inherited(work, path, PROFILE_IN_ROOT, {"workspace": work.workspace})
    bindings: Bindings = {"workspace": work.workspace, "amplified_dir": path, "lineage": lineage_of(path)}
    inherited = await _inherited(work, path, work.statements.PROFILE_IN_DIRECTORY, bindings)
    return named or inherited


async def _inherited(work: UnitOfWork, path: str, statement: str, bindings: Bindings) -> str:
    row = await work.run(statement, bindings)
    if row is None:
        raise DirectoryNotAmplified(path)
    profile: str = row[0]
    return profile
