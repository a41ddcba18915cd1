"""The modules that a profile names.

It names a module by its id, or only by its name: a module of the profile's own collection, or an installed one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msgspec import UnsetType

from ..profile_records import ModuleConfig, NewProfile, ProfileSettings
from .records import INSTALLED, Module, ModuleType


@dataclass(frozen=True, slots=True)
class Use:
    """A module that a profile names, and where, as a JSON Pointer."""

    pointer: str
    type: ModuleType
    module: ModuleConfig

    @property
    def key(self) -> str:
        """A key that is unique among the modules of the profile."""
        return f"{self.type}/{self.module.module}"

    def ids(self, collection: str | None = None) -> list[str]:
        """Its possible ids in a profile of a collection; the first that exists is used."""
        name = self.module.module
        if "/" in name:
            return [name]
        own = [] if collection is None else [f"{collection}/{self.type}/{name}"]
        return [*own, f"{INSTALLED}/{self.type}/{name}"]

    def among(self, modules: Mapping[str, Module], collection: str | None = None) -> Module | None:
        """The module, if it exists and has the type that its place requires."""
        found = next((modules[module_id] for module_id in self.ids(collection) if module_id in modules), None)
        return found if found is not None and found.type == self.type else None


def modules_used(profile: NewProfile | ProfileSettings) -> Iterator[Use]:
    """The modules that a profile names: its orchestrator and context manager, then the others in its order."""
    session = profile.session
    if not isinstance(session, UnsetType):
        yield Use("/session/orchestrator", "orchestrator", session.orchestrator)
        if isinstance(session.context_manager, ModuleConfig):
            yield Use("/session/context_manager", "context", session.context_manager)
    lists: tuple[tuple[str, ModuleType, list[ModuleConfig]], ...] = (
        ("providers", "provider", profile.providers),
        ("tools", "tool", profile.tools),
        ("hooks", "hook", profile.hooks),
    )
    for name, module_type, modules in lists:
        for number, module in enumerate(modules):
            yield Use(f"/{name}/{number}", module_type, module)
