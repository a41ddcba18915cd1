"""Functions, types and schemas of zod are generated; each request and response is validated by its schema."""

import json
from collections.abc import Iterable
from pathlib import Path

from ..commands import run
from ..places import BUILD, SOURCES, workshop
from ..recipe import Program, Recipe
from ..tools import install_node_modules

_FOLDER = BUILD / "typescript_zod"
# The schemas of bytes: blobs in the generator's types, strings in its schemas.
_BYTES = ("zFileBytes", "zExportLines")


def _generate() -> Iterable[Path]:
    workshop("typescript_zod", keep="node_modules")
    install_node_modules(_FOLDER)
    run(["npm", "run", "generate"], _FOLDER)
    _repair(_FOLDER / "amplifierd" / "zod.gen.ts")
    return (_FOLDER / "amplifierd").rglob("*.ts")


def _repair(schemas: Path) -> None:
    lines = schemas.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        for name in _BYTES:
            if line.startswith(f"export const {name} = z.string()"):
                lines[number] = f"export const {name} = z.instanceof(Blob);\n"
    schemas.write_text("".join(lines))


def _compile() -> Program:
    run(["npm", "run", "compile"], _FOLDER)
    return Program(("node", "compiled/conversation.js"), _FOLDER)


def _generator() -> str:
    package = json.loads((SOURCES / "typescript_zod" / "package.json").read_text())
    return f"hey-api {package['devDependencies']['@hey-api/openapi-ts']}, zod {package['dependencies']['zod']}"


TYPESCRIPT_ZOD = Recipe("TypeScript, zod", _generator(), _generate, _compile)
