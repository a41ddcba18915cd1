"""The types are generated, and the client that uses them is a library; `tsc` is as strict as possible."""

import json
from pathlib import Path

from ..commands import run
from ..places import BUILD, SOURCES, workshop
from ..recipe import Program, Recipe
from ..tools import install_node_modules

_FOLDER = BUILD / "typescript"


def _generate() -> list[Path]:
    workshop("typescript", keep="node_modules")
    install_node_modules(_FOLDER)
    run(["npm", "run", "generate"], _FOLDER)
    return [_FOLDER / "amplifierd.ts"]


def _compile() -> Program:
    run(["npm", "run", "compile"], _FOLDER)
    return Program(("node", "compiled/conversation.js"), _FOLDER)


def _generator() -> str:
    package = json.loads((SOURCES / "typescript" / "package.json").read_text())
    types, fetch = package["devDependencies"]["openapi-typescript"], package["dependencies"]["openapi-fetch"]
    return f"openapi-typescript {types}, openapi-fetch {fetch}"


TYPESCRIPT = Recipe("TypeScript", _generator(), _generate, _compile)
