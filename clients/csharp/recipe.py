"""The client needs Mono, and Json.NET newer than Debian's: NSwag's package for npm has it."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import run
from ..places import BUILD, workshop
from ..recipe import Program, Recipe
from ..tools import install_node_modules

_FOLDER = BUILD / "csharp"
_CLIENT = _FOLDER / "client" / "src" / "Amplifierd"
_JSON = _FOLDER / "node_modules" / "nswag" / "bin" / "binaries" / "Win" / "Newtonsoft.Json.dll"
_LIBRARIES = ("System.ComponentModel.DataAnnotations", "System.Net.Http", "System.Runtime.Serialization", "System.Web")


def _generate() -> Iterable[Path]:
    workshop("csharp", keep="node_modules")
    # Mono is needed only after the compilation; fail now if it is missing.
    run(["mono", "--version"], _FOLDER)
    install_node_modules(_FOLDER)
    openapi_generator.generate(_FOLDER, "client")
    for model in (_CLIENT / "Model").glob("*.cs"):
        _repair(model)
    return _CLIENT.rglob("*.cs")


def _repair(model: Path) -> None:
    # The generated constructor assigns required members to their fields. That does not mark them as set, and unmarked
    # members are not sent. Assigning to the property marks them.
    text = model.read_text(encoding="utf-8")
    model.write_text(re.sub(r"this\._([A-Z]\w*) = (\w+);(?!\s+if \(this\.)", r"this.\1 = \2;", text), encoding="utf-8")


def _compile() -> Program:
    # The generated code has an unused variable.
    warnings = ("-warn:4", "-warnaserror+", "-nowarn:219")
    references = [f"-reference:{library}" for library in (*_LIBRARIES, _JSON)]
    sources = [*_FOLDER.glob("*.cs"), *_CLIENT.rglob("*.cs")]
    run(["mcs", "-langversion:latest", *warnings, *references, "-out:conversation.exe", *sources], _FOLDER)
    # Mono looks for libraries beside the program.
    shutil.copy(_JSON, _FOLDER)
    return Program(("mono", "conversation.exe"), _FOLDER)


CSHARP = Recipe("C#", f"{openapi_generator.NAME}, httpclient", _generate, _compile)
