"""Profiles as on the wire: snake_case in requests, camelCase in responses.

A module's `config` is a `msgspec.Raw`, so that it is returned as it was sent.
"""

from msgspec import UNSET, Raw, Struct, UnsetType


class ModuleConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A module of a session: its name, its source, its configuration."""

    module: str
    source: str | UnsetType = UNSET
    config: Raw | UnsetType = UNSET


class SessionConfig(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The modules that run a session, and the limit of its context in characters."""

    orchestrator: ModuleConfig
    context_manager: ModuleConfig | UnsetType = UNSET
    injection_size_limit: int | UnsetType = UNSET
    injection_budget_per_turn: int | UnsetType = UNSET


class NewSessionConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A `SessionConfig` in a request."""

    orchestrator: ModuleConfig
    context_manager: ModuleConfig | UnsetType = UNSET
    injection_size_limit: int | UnsetType = UNSET
    injection_budget_per_turn: int | UnsetType = UNSET


class NewProfile(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to create a profile; `agents` and `context` are references by name."""

    name: str
    description: str = ""
    version: str = "1.0.0"
    session: NewSessionConfig | UnsetType = UNSET
    providers: list[ModuleConfig] = []
    tools: list[ModuleConfig] = []
    hooks: list[ModuleConfig] = []
    agents: dict[str, str] = {}
    context: dict[str, str] = {}
    instructions: str = ""


class ProfilePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of a profile; each member is a JSON value that is merged (RFC 7396)."""

    description: Raw | UnsetType = UNSET
    version: Raw | UnsetType = UNSET
    session: Raw | UnsetType = UNSET
    providers: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET
    hooks: Raw | UnsetType = UNSET
    agents: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    instructions: Raw | UnsetType = UNSET


class CopyProfile(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to copy a profile."""

    new_name: str


class ProfileSettings(Struct, frozen=True, rename="camel", kw_only=True):
    """The content of a profile, which a session keeps."""

    name: str
    description: str = ""
    version: str = "1.0.0"
    schema_version: int = 2
    session: SessionConfig | UnsetType = UNSET
    providers: list[ModuleConfig] = []
    tools: list[ModuleConfig] = []
    hooks: list[ModuleConfig] = []
    agents: dict[str, str] = {}
    context: dict[str, str] = {}
    instructions: str = ""


class ProfileWarning(Struct, frozen=True):
    """A warning about a place of a stored profile; the place is a JSON Pointer."""

    pointer: str
    detail: str


class Profile(ProfileSettings, frozen=True, rename="camel", kw_only=True):
    """A profile; the built-in one has no times, and `source` is the collection that it belongs to.

    It has `warnings` when it was created or updated, if there are any; they are not stored.
    """

    is_active: bool
    source: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    warnings: list[ProfileWarning] | UnsetType = UNSET


class MountedModule(Struct, frozen=True, rename="camel", kw_only=True):
    """A module as it was when a session got its profile."""

    id: str
    name: str
    version: str
    location: str
    entry_point: str | UnsetType = UNSET


class ReferenceTargets(Struct, frozen=True, rename="camel"):
    """The targets of the references of a profile.

    `collection` is the name of the collection that the profile is, or was copied, from. The keys of `modules` are
    the type and the name of a module as the profile has it, `tool/bash`. `sources` are those that were set for modules
    in place of their locations, by id. Older programs looked only for modules of collections; otherwise
    `includes_installed` is true.
    """

    collection: str | UnsetType = UNSET
    modules: dict[str, MountedModule] = {}
    sources: dict[str, str] = {}
    includes_installed: bool | UnsetType = UNSET


class ProfileOrigin(Struct, frozen=True):
    """The name of the collection that a profile was copied from, and the texts of the files that it refers to."""

    collection: str | UnsetType = UNSET
    texts: dict[str, str] = {}


# Of all texts of a profile, in UTF-8.
MAX_TEXT_BYTES = 512 * 1024


class ExportPlan(ReferenceTargets, frozen=True, rename="camel"):
    """The same in an export, with the texts of files by their paths."""

    texts: dict[str, str] = {}
