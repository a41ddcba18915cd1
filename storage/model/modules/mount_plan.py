"""Mount plans: which modules, with which configuration, and which texts a session runs with."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field

from ..profile_records import ProfilePatch, ProfileSettings, ReferenceTargets

PlanForm = Literal["mounts", "kernel"]
MountType = Literal["embedded", "referenced"]
FORMAT_VERSION = "1.0"


class PlanSources(Struct, frozen=True):
    """The input of a mount plan: a profile, the targets of its references, and the texts of files by their paths."""

    profile: ProfileSettings
    mounted: ReferenceTargets
    texts: dict[str, str]


class AgentOverlay(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of an agent of a profile, or an agent to add; absent fields stay unchanged."""

    content: str | UnsetType = UNSET
    config: Raw | UnsetType = UNSET


# By the names of agents; None removes an agent.
AgentOverlays = Mapping[str, AgentOverlay | None]


class NewMountPlan(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to make a mount plan; nothing is stored."""

    profile_id: str
    session_id: str | UnsetType = UNSET
    parent_session_id: str | UnsetType = UNSET
    settings_overrides: ProfilePatch | UnsetType = UNSET
    agent_overlay: dict[str, AgentOverlay | None] = {}
    amplified_dir: str = "."


class Mount(Struct, frozen=True, rename="camel", kw_only=True):
    """A part of a plan: a text, as JSON, or a module that a runtime gets from its source."""

    mount_type: MountType
    module_id: str
    module_type: str
    name: str
    resolved: bool
    content: Raw | UnsetType = UNSET
    source: str | UnsetType = UNSET
    version: str | UnsetType = UNSET
    entry_point: str | UnsetType = UNSET
    config: Raw | UnsetType = UNSET


class PlanSession(Struct, frozen=True, rename="camel", kw_only=True):
    """The profile and session of a plan; without a session it has no times."""

    profile_id: str
    profile_version: str
    session_id: str | UnsetType = UNSET
    parent_session_id: str | UnsetType = UNSET
    amplified_dir: str = "."
    settings: Raw | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    injection_size_limit: int | UnsetType = UNSET
    injection_budget_per_turn: int | UnsetType = UNSET


class MountPlan(Struct, frozen=True, rename="camel", kw_only=True):
    """The mounts, in order, and the same by kind and id."""

    form: Literal["mounts"] = "mounts"
    format_version: str = FORMAT_VERSION
    session: PlanSession
    instructions: str
    mount_points: list[Mount]
    orchestrator: Mount | UnsetType = UNSET
    context_manager: Mount | UnsetType = UNSET
    agents: dict[str, Mount]
    context: dict[str, Mount]
    providers: dict[str, Mount]
    tools: dict[str, Mount]
    hooks: dict[str, Mount]


class KernelModule(Struct, frozen=True):
    """A module as the kernel mounts it."""

    module: str
    source: str | UnsetType = UNSET
    config: Raw = Raw(b"{}")


class KernelSettings(Struct, frozen=True, kw_only=True):
    """Settings that the kernel passes on to modules."""

    amplified_dir: str
    profile_name: str
    profile_version: str


class KernelSession(Struct, frozen=True, kw_only=True):
    """The modules that run a session in the kernel; it starts only with both."""

    orchestrator: KernelModule | UnsetType = UNSET
    context: KernelModule | UnsetType = UNSET
    injection_size_limit: int | UnsetType = UNSET
    injection_budget_per_turn: int | UnsetType = UNSET
    settings: KernelSettings


class KernelAgent(Struct, frozen=True):
    """The text of an agent as JSON, where it is from, and its configuration."""

    content: Raw
    metadata: dict[str, str]
    config: Raw | UnsetType = UNSET


class KernelPlan(Struct, frozen=True, kw_only=True):
    """A plan in the form from which the kernel makes a session; `context` has texts by name."""

    form: Literal["kernel"] = "kernel"
    format_version: str = field(default=FORMAT_VERSION, name="formatVersion")
    session: KernelSession
    providers: list[KernelModule]
    tools: list[KernelModule]
    hooks: list[KernelModule]
    agents: dict[str, KernelAgent]
    context: dict[str, KernelAgent]
    instructions: str


class MountPlans(ABC):
    """Reads the sources of mount plans."""

    @abstractmethod
    async def profile_plan(self, workspace: str, name: str, overrides: ProfilePatch | UnsetType = UNSET) -> PlanSources:
        """The plan sources of a session created with a profile now. Raises `ProfileNotFound`, `ProfileInvalid`."""

    @abstractmethod
    async def session_plan(self, workspace: str, session_id: str) -> PlanSources:
        """The plan sources that a session got with its profile, whatever has changed since.

        Raises `SessionNotFound`, and `SessionProfileUnknown` if the session was imported without its profile.
        """

    @abstractmethod
    async def profile_texts(self, workspace: str, name: str) -> dict[str, str]:
        """The texts of the files that a profile of a collection refers to, by their paths. Raises `ProfileNotFound`."""
