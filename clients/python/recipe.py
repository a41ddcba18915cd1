"""mypy replaces a compiler: strict, over the program and the generated package."""

from collections.abc import Iterable
from pathlib import Path

from ..commands import run
from ..places import BUILD, CONTRACT, workshop
from ..recipe import Program, Recipe
from ..tools import GENERATORS, install, pinned

_FOLDER = BUILD / "python"
_PACKAGE = "amplifierd_client"


def _generate() -> Iterable[Path]:
    programs = install(GENERATORS)
    workshop("python")
    options = ["--config", "openapi-python-client.yaml", "--meta", "none", "--fail-on-warning"]
    generator = programs / "openapi-python-client"
    run([generator, "generate", *options, "--path", CONTRACT, "--output-path", _PACKAGE], _FOLDER)
    modules = list((_FOLDER / _PACKAGE).rglob("*.py"))
    for module in modules:
        _repair(module)
    return modules


def _repair(module: Path) -> None:
    # An operation with several media types, and no other optional part, lacks this import.
    imported, complete = "import Response, UNSET\n", "import Response, UNSET, Unset\n"
    text = module.read_text()
    if "Unset" in text and imported in text and "types import UNSET, Unset" not in text:
        module.write_text(text.replace(imported, complete, 1))


def _compile() -> Program:
    programs = install(GENERATORS)
    run([programs / "mypy", "conversation.py", _PACKAGE], _FOLDER)
    return Program((programs / "python", "conversation.py"), _FOLDER)


PYTHON = Recipe("Python", f"openapi-python-client {pinned('openapi-python-client')}", _generate, _compile)
