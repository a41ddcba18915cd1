"""The rules of the house: who may import whom, and how long a module may be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path for folder in ("handlers", "storage", "src/amplifierd") for path in (ROOT / folder).glob("**/*.py")
)
HTTP = {"connexion", "starlette", "sse_starlette", "werkzeug", "jsonschema_rs", "jsonschema"}
LONGEST = 400


def names(path: Path) -> Iterator[str]:
    """What a module imports: `..x` relative to its package, `x` from elsewhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def imports(folder: str) -> Iterator[tuple[str, str]]:
    for path in (ROOT / folder).glob("**/*.py"):
        depth = len(path.relative_to(ROOT / folder).parts)
        for name in names(path):
            level = len(name) - len(name.lstrip("."))
            yield str(path.relative_to(ROOT)), "ours:" + name.lstrip(".") if level > depth else name


def test_storage_imports_nothing_of_ours() -> None:
    assert [found for found in imports("storage") if found[1].startswith(("ours:", "amplifierd"))] == []


def test_handlers_import_the_storage_s_interface_only() -> None:
    allowed = {
        *("ours:storage.interface", "ours:storage.records", "ours:storage.errors"),
        *("ours:storage.profile_records", "ours:storage.directory_records"),
    }
    of_ours = {name for _, name in imports("handlers") if name.startswith(("ours:", "amplifierd"))}
    assert of_ours <= allowed


def test_http_stays_in_the_contract() -> None:
    outside = [path for path in MODULES if "contract" not in path.parts]
    assert [str(path) for path in outside if HTTP & {name.partition(".")[0] for name in names(path)}] == []


def test_the_contract_knows_the_records_and_their_bounds_alone() -> None:
    of_ours = {
        name
        for path in (ROOT / "src/amplifierd/contract").glob("*.py")
        for name in names(path)
        if name.startswith(("..", "amplifierd"))
    }
    assert of_ours <= {"..storage.records", "..storage.extent"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_of_one_thought(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST
