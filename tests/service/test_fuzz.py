"""Schemathesis against a running daemon: every phase, every check, no operation left out."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collection_folders import make, profile
from conftest import postgres_database
from daemon import Daemon
from fuzzing import Fuzz
from keys import create_key

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / "tests/fuzz_hooks.py"
CONFIGURATION = ROOT / "schemathesis.toml"
# Those of the configuration, which has more for the stateful phase.
FEW_EXAMPLES = 50
MANY_EXAMPLES = 500
# Few examples follow fewer of the links; which ones, depends on the seed.
MIN_LINKS_COVERED = {FEW_EXAMPLES: 0.25, MANY_EXAMPLES: 0.75}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with a profile and a module."""
    files = {"base.md": profile("base", more="tools: [{module: bash}]\n"), "tools/bash/module.yaml": "name: bash\n"}
    return make(tmp_path_factory.mktemp("collections") / "a", files)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def daemon(request: pytest.FixtureRequest, collection: Path) -> Iterator[Daemon]:
    """A daemon on each kind of database that may read the collection."""
    options = ["--collections-path", str(collection)]
    if request.param == "sqlite":
        with Daemon(f"sqlite:///{collection.parent / 'a.db'}", *options) as running:
            yield running
        return
    with postgres_database(request.getfixturevalue("postgres")) as url, Daemon(url, *options) as running:
        yield running


def run(daemon: Daemon, directory: Path, collection: Path, seed: int, max_examples: int, *headers: str) -> None:
    """One run; every case must pass, every operation be tested, and most links be followed."""
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(CONFIGURATION),
            "run",
            str(ROOT / "openapi.yaml"),
        ),
        *("--url", daemon.api, "--seed", str(seed)),
        *(("--max-examples", str(max_examples)) if max_examples != FEW_EXAMPLES else ()),
        *(part for header in headers for part in ("--header", header)),
    ]
    env = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS), "FUZZ_COLLECTION": str(collection)}
    outcome = subprocess.run(command, capture_output=True, text=True, cwd=directory, env=env, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    selected, total, tested = found(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", outcome.stdout)
    assert selected == total == tested
    covered, links = found(r"API Links: +(\d+) covered / (\d+) selected", outcome.stdout)
    assert covered >= links * MIN_LINKS_COVERED[max_examples], outcome.stdout


def key_header(daemon: Daemon) -> list[str]:
    """The key of a daemon that has keys, as one of many machines has; one on its own machine is open."""
    if daemon.database.startswith("sqlite"):
        return []
    return [f"Authorization: Bearer {create_key(daemon.database, '--scope', 'admin')}"]


def found(pattern: str, text: str) -> list[int]:
    match = re.search(pattern, text)
    assert match is not None, text
    return [int(group) for group in match.groups()]


@pytest.mark.timeout(0)
def test_fuzzing_finds_nothing(daemon: Daemon, tmp_path: Path, collection: Path, fuzz: Fuzz) -> None:
    headers = key_header(daemon)
    max_examples = MANY_EXAMPLES if fuzz.is_long else FEW_EXAMPLES
    seeds = 0
    for seed in fuzz.seeds():
        run(daemon, tmp_path, collection, seed, max_examples, *headers)
        seeds += 1
    assert re.search(r" 5\d\d [\d.]+ ms", daemon.log) is None
    requests = len(re.findall(r"\d ms ", daemon.log))
    fuzz.tell(f"Fuzzed with {seeds} seeds, {requests} requests.")


def test_checks_are_on() -> None:
    text = CONFIGURATION.read_text()
    assert re.search(r"\[checks\]\s+enabled = true", text)
    assert not re.search(r"^\w+(\.enabled)? = false", text, re.MULTILINE)
