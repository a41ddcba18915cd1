"""Checks the configurations of modules in a profile against the schemas of the modules."""

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw

from ...contract import Problem, SchemaRefused, Steps, TooManySteps, Violation, config_schema
from ...storage.model.modules import Module, Use, modules_used
from ...storage.model.profile_records import NewProfile, ProfileSettings

# The limit for all modules of a profile together.
_MAX_STEPS = 65_536
_MAX_LISTED = 100

_decode = msgspec.json.decode


def check_configurations(profile: NewProfile | ProfileSettings, found: Callable[[Use], Module | None]) -> list[Use]:
    """Check the configurations in a profile. Returns the modules that are not `found`, which are not checked.

    Raises a problem, 422, if one does not match its schema, or if the check would take too long. May take about 100 ms.
    """
    steps = Steps(_MAX_STEPS)
    violations: list[Violation] = []
    unknown: list[Use] = []
    for use in modules_used(profile):
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
