"""Maven brings the compiler and the libraries that the generated code needs; the compiled classes are run by Java."""

from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import run
from ..places import BUILD, workshop
from ..recipe import Program, Recipe

_FOLDER = BUILD / "kotlin"
_CLIENT = _FOLDER / "client" / "src" / "main" / "kotlin"


def _generate() -> Iterable[Path]:
    workshop("kotlin")
    openapi_generator.generate(_FOLDER, "client")
    return _CLIENT.rglob("*.kt")


def _compile() -> Program:
    # Without a daemon, which would continue to use memory after the compilation.
    options = ("--batch-mode", "--quiet", "-Dkotlin.compiler.daemon=false", "-Dmdep.outputFile=libraries")
    # Only the first JIT compiler (C1): C2 takes longer than it saves in a short run.
    java = {"MAVEN_OPTS": "-XX:TieredStopAtLevel=1"}
    run(["mvn", *options, "kotlin:compile", "dependency:build-classpath"], _FOLDER, env=java)
    libraries = (_FOLDER / "libraries").read_text().strip()
    return Program(("java", "-cp", f"{_FOLDER / 'target' / 'classes'}:{libraries}", "ConversationKt"), _FOLDER)


KOTLIN = Recipe("Kotlin", f"{openapi_generator.NAME}, retrofit, gson", _generate, _compile)
