"""The generated package needs only Go's standard library; the compiler is installed on the machine, or from PyPI."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import run
from ..places import BUILD, SOURCES, workshop
from ..recipe import Program, Recipe
from ..tools import install

_FOLDER = BUILD / "go"
_OFFLINE = {
    "GOCACHE": str(BUILD / "go-cache"),
    "GOFLAGS": "-mod=mod",
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
}


def _generate() -> Iterable[Path]:
    workshop("go")
    openapi_generator.generate(_FOLDER, "amplifierd")
    return (_FOLDER / "amplifierd").glob("*.go")


def _compile() -> Program:
    go = _compiler()
    run([go, "vet", "./..."], _FOLDER, env=_OFFLINE)
    run([go, "build", "-o", "conversation", "."], _FOLDER, env=_OFFLINE)
    return Program((_FOLDER / "conversation",), _FOLDER)


def _compiler() -> Path:
    found = shutil.which("go")
    if found is None or _version(run([found, "version"], SOURCES, env=_OFFLINE)) < _needed():
        return install(SOURCES / "go" / "requirements.txt") / "go"
    return Path(found)


def _needed() -> tuple[int, int]:
    return _version((SOURCES / "go" / "go.mod").read_text())


def _version(text: str) -> tuple[int, int]:
    major, minor = re.findall(r"\bgo ?(\d+)\.(\d+)", text)[0]
    return int(major), int(minor)


GO = Recipe("Go", openapi_generator.NAME, _generate, _compile)
