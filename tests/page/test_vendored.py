"""The page's libraries are the files of published packages, byte for byte, with their licences."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "web" / "vendor"
PACKAGES = json.loads((VENDOR / "packages.json").read_text())
PING_SECONDS = 10
PACK_SECONDS = 120


def npm(*arguments: str, folder: Path, seconds: int) -> subprocess.CompletedProcess[str]:
    """Run npm, which the test extra installs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    command = ["npm", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


def test_vendored_libraries_are_recorded() -> None:
    assert {path.name for path in VENDOR.glob("*.js")} == set(PACKAGES)
    licences = {name for package in PACKAGES.values() for name in package["licenses"]}
    assert licences == {path.name for path in VENDOR.glob("*.LICENSE")}


@pytest.mark.parametrize("name", PACKAGES)
def test_library_is_as_recorded(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == PACKAGES[name]["sha256"]


def test_libraries_are_as_published(tmp_path: Path) -> None:
    """Only if the registry can be reached; otherwise the recorded digests are compared."""
    if npm("ping", f"--fetch-timeout={PING_SECONDS}000", "--fetch-retries=0", folder=tmp_path, seconds=60).returncode:
        return
    specifiers = [f"{package['package']}@{package['version']}" for package in PACKAGES.values()]
    packed = npm("pack", "--json", *specifiers, folder=tmp_path, seconds=PACK_SECONDS)
    assert packed.returncode == 0, packed.stderr
    archives = {entry["name"]: tmp_path / entry["filename"] for entry in json.loads(packed.stdout)}
    for name, package in PACKAGES.items():
        archive = archives[package["package"]]
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert package["integrity"] == f"sha512-{digest}"
        with tarfile.open(archive) as opened:
            file = opened.extractfile(f"package/{package['file']}")
            assert file is not None
            assert file.read() == (VENDOR / name).read_bytes()
