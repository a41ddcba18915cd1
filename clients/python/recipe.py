"""What Python has for a compiler is mypy: strict, over the program and the generated package."""

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
    return (_FOLDER / _PACKAGE).rglob("*.py")


def _compile() -> Program:
    programs = install(GENERATORS)
    run([programs / "mypy", "conversation.py", _PACKAGE], _FOLDER)
    return Program((programs / "python", "conversation.py"), _FOLDER)


PYTHON = Recipe("Python", f"openapi-python-client {pinned('openapi-python-client')}", _generate, _compile)
