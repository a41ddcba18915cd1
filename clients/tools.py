"""The generators and compilers, installed under `build/` once and again when their pins change."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from .commands import run
from .places import BUILD, SOURCES

GENERATORS = SOURCES / "requirements.txt"

_ENVIRONMENT = BUILD / "venv"
# Languages that are tried side by side have it in common.
_INSTALLING = Lock()


def install(requirements: Path) -> Path:
    """The folder of the programs of a list of Python packages."""
    with _INSTALLING:
        _once(_ENVIRONMENT / f"{requirements.parent.name}.installed", requirements, lambda: _pip_install(requirements))
    return _ENVIRONMENT / "bin"


def pinned(package: str) -> str:
    """The version of a generator in the list of generators."""
    pin = re.search(rf"^{re.escape(package)}==(.+)$", GENERATORS.read_text(), re.MULTILINE)
    if pin is None:
        raise LookupError(f"{GENERATORS} does not pin {package}.")
    return pin[1]


def install_node_modules(folder: Path) -> None:
    """Bring what a folder's package.json asks for; no lock file, which would hold the addresses of a registry."""
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    modules = folder / "node_modules"
    _once(modules / "installed", folder / "package.json", lambda: run(command, folder))


def site_packages() -> Path:
    """Where the packages of the generators are."""
    return next(_ENVIRONMENT.glob("lib/python*/site-packages"))


def _pip_install(requirements: Path) -> None:
    if not _ENVIRONMENT.exists():
        run([sys.executable, "-m", "venv", _ENVIRONMENT], SOURCES)
    run([_ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", requirements], SOURCES)


def _once(stamp: Path, pins: Path, install_pins: Callable[[], object]) -> None:
    if not stamp.exists() or stamp.read_text() != pins.read_text():
        install_pins()
        shutil.copyfile(pins, stamp)
