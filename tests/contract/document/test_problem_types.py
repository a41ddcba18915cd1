"""The contract lists every problem type that the program can send, and no other."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import amplifierd.storage
from amplifierd.app import STATUSES
from amplifierd.contract import load_document
from amplifierd.contract.core.problems import problem_kind
from amplifierd.server.http1.error_responses import KINDS
from amplifierd.storage.model.errors import BodyInvalid

ROOT = Path(__file__).parents[3]
# The first contains links to the others, which a search does not follow.
FOLDERS = [ROOT / "src/amplifierd", ROOT / "handlers", ROOT / "storage"]
SOURCES = [path for folder in FOLDERS for path in folder.rglob("*.py") if "testing" not in path.parts]
LISTED = re.compile(r"`([a-z0-9-]+)`")


def calls() -> Iterator[ast.Call]:
    """All calls in the program."""
    for path in SOURCES:
        yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def with_subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    """An error, and the errors that inherit its status."""
    yield error
    for subclass in error.__subclasses__():
        yield from with_subclasses(subclass)


def domain_kinds(called: set[str]) -> set[str]:
    """The classes of the domain errors, without base classes that are never raised."""
    for module in walk_packages(amplifierd.storage.__path__, "amplifierd.storage."):
        import_module(module.name)
    errors = {each for error in STATUSES for each in with_subclasses(error)}
    errors = {each for each in errors if each.__name__ in called or not each.__subclasses__()}
    # Those with a pointer are of the kind invalid-body.
    return {problem_kind(error) for error in errors if not _has_pointer(error)}


def _has_pointer(error: type[Exception]) -> bool:
    return issubclass(error, BodyInvalid) or hasattr(error, "pointer")


def test_contract_lists_all_problem_types() -> None:
    by_name = [(node.func.id, node.args) for node in calls() if isinstance(node.func, ast.Name)]
    direct = {str(args[1].value) for name, args in by_name if name == "Problem" and isinstance(args[1], ast.Constant)}
    description = load_document(ROOT / "openapi.yaml").spec["components"]["schemas"]["Problem"]["properties"]["type"][
        "description"
    ]
    _, _, names_of_types = description.partition("\n\n")
    listed = LISTED.findall(names_of_types)
    assert sorted(listed) == sorted((direct | {*KINDS.values()} | domain_kinds({name for name, _ in by_name})) - {""})
