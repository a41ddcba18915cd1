"""One language tried from the contract to the end of the conversation."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from amplifierd.testing.ephemeral_server import daemon

from .commands import CommandFailed, run
from .oddities import send_oddities
from .places import SOURCES
from .recipe import Program, Recipe

_PLAYING = Lock()
PASSED = "conversation passed"
_COLLECTION = {
    "base.md": (
        "---\nprofile: {name: base, version: 1.0.0, schema_version: 2}\n"
        "tools: [{module: bash, config: {timeout: 9}}]\nagents: {zen: agents/zen.md}\n---\n"
    ),
    "agents/zen.md": "You are calm.",
    "tools/bash/module.yaml": "name: tool-bash\nconfig_schema: {properties: {timeout: {type: integer}}}\n",
}


@dataclass(frozen=True)
class Outcome:
    """How far a language came; `failure` says why no further."""

    recipe: Recipe
    lines: int = 0
    compiled: bool = False
    passed: bool = False
    failure: str = ""


def attempt(recipe: Recipe, tell: Callable[[str], None]) -> Outcome:
    """Generate, compile and play; what is about to happen is told."""
    lines = 0
    compiled = False
    try:
        tell(f"{recipe.language}: generate")
        lines = sum(len(file.read_bytes().splitlines()) for file in recipe.generate())
        tell(f"{recipe.language}: compile")
        program = recipe.compile()
        compiled = True
        tell(f"{recipe.language}: play")
        # One after the other: they share a database, and look at all that is in it.
        with _PLAYING:
            _play(program)
    except CommandFailed as failure:
        return Outcome(recipe, lines, compiled, failure=str(failure))
    return Outcome(recipe, lines, compiled, passed=True)


def _play(program: Program) -> None:
    with TemporaryDirectory() as folder:
        collection = _write_collection(Path(folder))
        # The conversation stays on this machine, whatever proxy it has.
        environment = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "COLLECTION": collection}
        options = ["--check-responses", "--collections-path", folder, "--embedder", "wordllama"]
        for started, keys in _daemons(*options):
            with started as url, send_oddities(f"{url}/api/v1", keys):
                printed = run([*program.command, f"{url}/api/v1", *keys], program.folder, env=environment)
            if PASSED not in printed.splitlines():
                raise CommandFailed(f"The program ended well, but did not say “{PASSED}”:\n{printed}")


def _write_collection(folder: Path) -> str:
    """Write the collection that the conversations add; its folder."""
    for path, text in _COLLECTION.items():
        file = folder / "collection" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(folder / "collection")


def _daemons(*options: str) -> Iterator[tuple[AbstractContextManager[str], list[str]]]:
    """An open daemon on SQLite, and on the PostgreSQL that the environment names, if any, one with a key."""
    yield daemon(*options), []
    postgres = os.environ.get("AMPLIFIERD_TEST_POSTGRES")
    if postgres:
        yield daemon(*options, "--database", postgres), [_new_key(postgres)]


def _new_key(database: str) -> str:
    create = ["keys", "create", "--name", "clients", "--scope", "admin", "--database", database, "--create"]
    return run([sys.executable, "-m", "amplifierd", *create], SOURCES).splitlines()[-1]
