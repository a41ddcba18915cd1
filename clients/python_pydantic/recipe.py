"""Every model is pydantic's; mypy is strict over the program, and reads the generated package by its own rules."""

from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import run
from ..places import BUILD, SOURCES, workshop
from ..recipe import Program, Recipe
from ..tools import GENERATORS, install

_FOLDER = BUILD / "python_pydantic"
_CLIENT = _FOLDER / "client"
_PACKAGE = _CLIENT / "amplifierd_client"


def _generate() -> Iterable[Path]:
    workshop("python_pydantic")
    openapi_generator.generate(_FOLDER, "client")
    return _PACKAGE.rglob("*.py")


def _compile() -> Program:
    install(SOURCES / "python_pydantic" / "requirements.txt")
    programs = install(GENERATORS)
    run([programs / "mypy", "conversation.py", _PACKAGE], _FOLDER, env={"MYPYPATH": str(_CLIENT)})
    return Program(("env", f"PYTHONPATH={_CLIENT}", programs / "python", "conversation.py"), _FOLDER)


PYTHON_PYDANTIC = Recipe("Python, pydantic", f"{openapi_generator.NAME}, pydantic", _generate, _compile)
