"""The generated crate and its libraries are built by Cargo, without TLS: the daemon is on this machine."""

import re
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
    for choice in ("part", "mount_plan_document"):
        _repair(_SOURCES / "models" / f"{choice}.rs")
    return _SOURCES.rglob("*.rs")


def _repair(choice: Path) -> None:
    # Each branch already has its tag as a member: with the enum's tag, it would be sent twice, and not be found in
    # responses.
    choice.write_text(re.sub(r"#\[serde\(tag = .*\)\]", "#[serde(untagged)]", choice.read_text()))


def _compile() -> Program:
    run(["cargo", "build", "--quiet"], _FOLDER, env={"RUSTFLAGS": "-D warnings", "CARGO_TARGET_DIR": "target"})
    return Program((_FOLDER / "target" / "debug" / "conversation",), _FOLDER)


RUST = Recipe("Rust", f"{openapi_generator.NAME}, reqwest", _generate, _compile)
