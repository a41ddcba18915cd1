"""The modules that a profile names, and whether the configurations that it gives them fit their schemas.

A profile names a module by its id, or by a name alone: that of a module of its own collection, or of an installed one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw, UnsetType

from ...contract import Problem, SchemaRefused, Steps, TooManySteps, Violation, config_schema
from ...storage.model.modules import INSTALLED, Module, ModuleType
from ...storage.model.profile_records import ModuleConfig, NewProfile, ProfileSettings

# For all modules of a profile together.
_MAX_STEPS = 65_536
_MAX_LISTED = 100

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Use:
    """A module that a profile names, and where, as a JSON Pointer."""

    pointer: str
    type: ModuleType
    module: ModuleConfig

    def ids(self, collection: str | None = None) -> list[str]:
        """What may be its id in a profile of a collection, the first that exists is meant."""
        name = self.module.module
        if "/" in name:
            return [name]
        own = [] if collection is None else [f"{collection}/{self.type}/{name}"]
        return [*own, f"{INSTALLED}/{self.type}/{name}"]

    def among(self, modules: Mapping[str, Module], collection: str | None = None) -> Module | None:
        """The module, if it is there and of the type that its place asks for."""
        found = next((modules[it] for it in self.ids(collection) if it in modules), None)
        return found if found is not None and found.type == self.type else None


def uses_in(profile: NewProfile | ProfileSettings) -> Iterator[Use]:
    """The modules that a profile names, in its order."""
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


def check_configurations(profile: NewProfile | ProfileSettings, found: Callable[[Use], Module | None]) -> list[Use]:
    """Check the configurations in a profile; the modules that are not `found`, which are not checked.

    Raises a problem, 422, if one does not fit, or if that would take too long to find out. It may take some 100 ms.
    """
    steps = Steps(_MAX_STEPS)
    violations: list[Violation] = []
    unknown: list[Use] = []
    for use in uses_in(profile):
        module = found(use)
        if module is None:
            unknown.append(use)
        elif isinstance(module.config_schema, Raw):
            violations += _violations(use, module, bytes(module.config_schema), steps)
    if violations:
        raise _problem(violations)
    return unknown


def _violations(use: Use, module: Module, schema: bytes, steps: Steps) -> Iterator[Violation]:
    config = _decode(use.module.config) if isinstance(use.module.config, Raw) else {}
    pointer = f"{use.pointer}/config"
    try:
        compiled = config_schema(schema)
        steps.take(compiled.size)
        violations = compiled.violations(config, steps)
    except SchemaRefused as error:
        yield Violation(pointer, f"cannot be checked, because the schema of module {module.id} is refused: {error}")
    except TooManySteps:
        yield Violation(pointer, f"is too large to be checked against the schema of module {module.id}")
    else:
        yield from (Violation(f"{pointer}{found.pointer}", found.detail) for found in violations)


def _problem(violations: list[Violation]) -> Problem:
    first, more = violations[0], len(violations) - 1
    others = f"; and {more} more" if more else ""
    detail = f"The configuration of a module does not fit its schema: {first.pointer} {first.detail}{others}."
    return Problem(422, "module-config-invalid", detail, errors=violations[:_MAX_LISTED])
