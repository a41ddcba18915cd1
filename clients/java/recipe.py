"""The client uses Java's own HTTP client, and Jackson from the generator's jar: no Maven, no download."""

from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import run
from ..places import BUILD, workshop
from ..recipe import Program, Recipe

_FOLDER = BUILD / "java"
_CLIENT = _FOLDER / "client" / "src" / "main" / "java"
_CLASSES = _FOLDER / "classes"


def _generate() -> Iterable[Path]:
    workshop("java")
    openapi_generator.generate(_FOLDER, "client")
    return _CLIENT.rglob("*.java")


def _compile() -> Program:
    libraries = openapi_generator.jar()
    # The generated code calls deprecated methods of Jackson, and its serializers have no version: allow both.
    warnings = ["-Xlint:all,-deprecation,-serial", "-Werror", "-proc:none"]
    sources = [*_FOLDER.glob("*.java"), *_CLIENT.rglob("*.java")]
    run(["javac", "-encoding", "UTF-8", *warnings, "-cp", libraries, "-d", _CLASSES, *sources], _FOLDER)
    # The generated code reads responses in the platform's encoding, which is UTF-8 everywhere from Java 18 on.
    command = ("java", "-Dfile.encoding=UTF-8", "-cp", f"{_CLASSES}:{libraries}", "Conversation")
    return Program(command, _FOLDER)


JAVA = Recipe("Java", f"{openapi_generator.NAME}, native", _generate, _compile)
