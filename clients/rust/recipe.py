"""The generated crate and its libraries are built by Cargo, without TLS: the daemon is on this machine."""

from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import run
from ..places import BUILD, workshop
from ..recipe import Program, Recipe

_FOLDER = BUILD / "rust"
_SOURCES = _FOLDER / "client" / "src"


def _generate() -> Iterable[Path]:
    workshop("rust", keep="target")
    openapi_generator.generate(_FOLDER, "client")
    _repair(_SOURCES / "models" / "part.rs")
    return _SOURCES.rglob("*.rs")


def _repair(part: Path) -> None:
    # Each kind of part has its own type as a member; with the tag as well, it would be sent twice, and not be found.
    part.write_text(part.read_text().replace('#[serde(tag = "type")]', "#[serde(untagged)]"))


def _compile() -> Program:
    run(["cargo", "build", "--quiet"], _FOLDER, env={"RUSTFLAGS": "-D warnings", "CARGO_TARGET_DIR": "target"})
    return Program((_FOLDER / "target" / "debug" / "conversation",), _FOLDER)


RUST = Recipe("Rust", f"{openapi_generator.NAME}, reqwest", _generate, _compile)
