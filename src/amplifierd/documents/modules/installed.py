"""The modules of installed packages, which name them in the entry point group `amplifierd.modules`.

    [project.entry-points."amplifierd.modules"]
    "tool.bash" = "amplifier_module_tool_bash"

The name is the type and the name of the module, the value a package with a `module.yaml`.
"""

import logging
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import replace

from ...contract import DecodeError
from ...storage.model.modules import INSTALLED, Module
from .module_file import MAX_BYTES, TYPES, read_module

GROUP = "amplifierd.modules"

logger = logging.getLogger("amplifierd")


def installed_modules() -> dict[str, Module]:
    """The modules by id, in order. If two have the same id, the first one in the order of packages is used."""
    found: dict[str, Module] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            module = _read(point)
        except (DecodeError, ImportError, OSError, ValueError) as error:
            logger.warning("The module %s of the package %s cannot be used: %s", point.name, point.value, error)
        else:
            found.setdefault(module.id, module)
    return dict(sorted(found.items()))


def _read(point: EntryPoint) -> Module:
    kind, _, name = point.name.partition(".")
    if kind not in TYPES.values() or not name:
        raise ValueError(f"its name is not a type ({', '.join(TYPES.values())}), a dot and a name")
    module_type = next(known_type for known_type in TYPES.values() if known_type == kind)
    # The package is not imported: only a runtime runs its code.
    spec = find_spec(point.value)
    if spec is None or spec.origin is None:
        raise ImportError("there is no such package")
    with Path(spec.origin).with_name("module.yaml").open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"its module.yaml has more than {MAX_BYTES} bytes")
    module = read_module(data.decode(), f"{INSTALLED}/{kind}/{name}", module_type, f"package:{point.value}")
    if module.version == "0.0.0" and point.dist is not None:
        module = replace(module, version=point.dist.version)
    return module if module.entry_point is not UNSET else replace(module, entry_point=point.value)
