"""Schemathesis against a running daemon: every phase, every check, every operation."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import own_database
from daemon import Daemon
from keys import create_key
from random_requests.fuzzing import Fuzz
from samples.collection_folders import make, profile

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "openapi.yaml"
HOOKS = ROOT / "tests/random_requests/fuzz_hooks.py"
CONFIGURATION = ROOT / "schemathesis.toml"
# Those of the configuration, which has more for the stateful phase.
FEW_EXAMPLES = 50
MANY_EXAMPLES = 500
# Few examples follow fewer links; which ones depends on the seed.
MIN_LINKS_COVERED = {FEW_EXAMPLES: 0.4, MANY_EXAMPLES: 0.75}
MORE_STATEFUL_SEEDS = 5


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with a profile and a module."""
    files = {"base.md": profile("base", more="tools: [{module: bash}]\n"), "tools/bash/module.yaml": "name: bash\n"}
    return make(tmp_path_factory.mktemp("collections") / "a", files)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def daemon(request: pytest.FixtureRequest, collection: Path) -> Iterator[Daemon]:
    """A daemon, on each kind of database, that may read the collection."""
    # With an embedder every mode of a search is valid.
    options = ["--collections-path", str(collection), "--embedder", "wordllama"]
    with own_database(request, collection.parent) as url, Daemon(url, *options) as running:
        yield running


def run(daemon: Daemon, directory: Path, collection: Path, seed: int, max_examples: int, *headers: str) -> None:
    """Run Schemathesis once: every case must pass, every operation must be tested, and most links must be followed."""
    options = [
        *("--url", daemon.api),
        *(("--max-examples", str(max_examples)) if max_examples != FEW_EXAMPLES else ()),
        *(part for header in headers for part in ("--header", header)),
    ]
    outcome = schemathesis(directory, collection, *options, "--seed", str(seed))
    selected, total, tested = numbers_in(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", outcome.stdout)
    assert selected == total == tested
    # Hypothesis ends this phase early if it repeats requests and the responses differ, as they do on a real server.
    # Schemathesis warns if an operation only got ids that do not exist, which depends on chance.
    for number in range(1, MORE_STATEFUL_SEEDS + 1):
        assert outcome.returncode == 0 or only_lacks_data(outcome.stdout), outcome.stdout + outcome.stderr
        if outcome.returncode == 0 and has_followed_enough(outcome.stdout, max_examples):
            break
        outcome = schemathesis(directory, collection, *options, "--phases", "stateful", "--seed", f"{seed}{number}")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert has_followed_enough(outcome.stdout, max_examples), outcome.stdout


def schemathesis(directory: Path, collection: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run Schemathesis until it ends."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", str(CONTRACT)]
    env = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS), "FUZZ_COLLECTION": str(collection)}
    return subprocess.run([*command, *options], capture_output=True, text=True, cwd=directory, env=env, check=False)


def only_lacks_data(text: str) -> bool:
    """Whether every case passed, and the only warning is about operations that got only unknown ids."""
    passed = re.search(r"(\d+) generated, (\d+) passed$", text, re.MULTILINE)
    warnings = re.findall(r"\u26a0\ufe0f? +(.+?):", text.partition("Warnings:")[2])
    return passed is not None and passed[1] == passed[2] and warnings == ["Missing test data"]


def has_followed_enough(text: str, max_examples: int) -> bool:
    """Whether the stateful phase followed enough links."""
    covered, links = numbers_in(r"API Links: +(\d+) covered / (\d+) selected", text)
    return covered >= links * MIN_LINKS_COVERED[max_examples]


def key_header(daemon: Daemon) -> list[str]:
    """The key of a daemon with keys, as on many machines; a daemon for one machine is open."""
    if daemon.database.startswith("sqlite"):
        return []
    return [f"Authorization: Bearer {create_key(daemon.database, '--scope', 'admin')}"]


def numbers_in(pattern: str, text: str) -> list[int]:
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


def test_fuzzing_runs_every_check() -> None:
    text = CONFIGURATION.read_text()
    assert re.search(r"\[checks\]\s+enabled = true", text)
    assert not re.search(r"^\w+(\.enabled)? = false", text, re.MULTILINE)
