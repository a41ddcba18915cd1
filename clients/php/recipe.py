"""The generated classes need Guzzle, which Debian's package `php-guzzlehttp-guzzle` has; Composer is not needed."""

from collections.abc import Iterable
from pathlib import Path

from .. import openapi_generator
from ..commands import run
from ..places import BUILD, workshop
from ..recipe import Program, Recipe

_FOLDER = BUILD / "php"
_LIBRARY = _FOLDER / "client" / "lib"


def _generate() -> Iterable[Path]:
    workshop("php")
    openapi_generator.generate(_FOLDER, "client")
    _repair(_LIBRARY / "Model" / "Part.php")
    return _LIBRARY.rglob("*.php")


def _repair(part: Path) -> None:
    # One class has the members of every kind of part; its type is that of the last kind, and any other is refused.
    text = part.read_text()
    part.write_text(text.replace(r"'type' => '\Amplifierd\Model\DataPartType'", "'type' => 'string'"))


def _compile() -> Program:
    run(["php", "-d", "error_reporting=-1", "load.php", *sorted(_LIBRARY.rglob("*.php"))], _FOLDER)
    return Program(("php", "-d", "error_reporting=-1", "conversation.php"), _FOLDER)


PHP = Recipe("PHP", f"{openapi_generator.NAME}, guzzle", _generate, _compile)
