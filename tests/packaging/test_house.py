"""The rules of the house: which folder may import which, what a folder may hold, and how long a module may be.

Each list is an order: a folder imports those before it, and none after it. Modules of one folder may import each other.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

# The storage. The backends are at the end, and none imports another.
STORAGE = ["values", "model", "sql", "search", "operations", "backend"]
BACKENDS = ["sqlite", "postgres", "memory"]
# The contract, from its shared parts to the application that serves it.
CONTRACT = ["core", "request", "response", "access", "compile", "serve"]
# The program, from its foundations to its commands.
PROGRAM = [
    "storage",
    "settings",
    "contract",
    "auth",
    "documents",
    "formats",
    "handlers",
    "app",
    "server",
    "testing",
    "commands",
]

# The parts of the storage that other packages may import.
HANDLERS_SEE = {
    *("interface", "records", "queries", "profile_records", "collections", "modules", "directories", "files", "errors"),
}
CONTRACT_SEES = {("storage", "model", "records"), ("storage", "model", "files"), ("storage", "values", "json_text")}

# Operations, options, headers and commands: only `app` and `commands` say what to do about an error.
OPERATIONS = re.findall(r"\boperationId: (\w+)", (Path(__file__).parents[2] / "openapi.yaml").read_text())
API = re.compile(rf"\b({'|'.join(OPERATIONS)})\b|`amplifierd |(?<!\S)--[a-z]|\w=true|Idempotency-Key|\bserve\b --")

HTTP = {"connexion", "starlette", "werkzeug", "jsonschema_rs", "jsonschema"}
MAX_ENTRIES = 9
MAX_MODULES = 15
MAX_SHORT_MODULES = 25
SHORT_LINES = 40
MAX_LINES = 400

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "amplifierd"
MODULES = sorted(
    path for folder in ("handlers", "storage", "src/amplifierd") for path in (ROOT / folder).glob("**/*.py")
)


def name_of(path: Path) -> tuple[str, ...]:
    """A module's name below `amplifierd`, in parts."""
    parts = path.relative_to(PACKAGE if PACKAGE in path.parents else ROOT).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module, parsed once for all tests."""
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> list[tuple[str, ...]]:
    """The modules of amplifierd that a module imports, as the parts of their names."""
    return [*_imports(path)]


def _imports(path: Path) -> Iterator[tuple[str, ...]]:
    package = name_of(path) if path.name == "__init__.py" else name_of(path)[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            parent = (*package[: len(package) - node.level + 1], *(node.module or "").split("."))
            module = tuple(part for part in parent if part)
            yield from ((*module, alias.name) if node.module is None else module for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("amplifierd."):
            yield tuple((node.module or "").split(".")[1:])


def third_party_imports(path: Path) -> set[str]:
    """The third-party packages that a module imports."""
    tree = parsed(path)
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | named}


def upward_imports(order: list[str], folder: tuple[str, ...]) -> list[str]:
    """The imports of a later entry of `folder` by an earlier one."""
    depth = len(folder)
    found = []
    for path in MODULES:
        name = name_of(path)
        if name[:depth] != folder or len(name) <= depth or name[depth] not in order:
            continue
        later = order[order.index(name[depth]) + 1 :]
        found += [
            f"{'.'.join(name)} imports {'.'.join(module)}"
            for module in imports(path)
            if module[:depth] == folder and len(module) > depth and module[depth] in later
        ]
    return found


def entries(folder: Path) -> set[str]:
    """The modules and folders of a folder, without symlinks and the names that Python gives."""
    own = [path for path in folder.iterdir() if not path.is_symlink() and (path.is_dir() or path.suffix == ".py")]
    return {path.stem for path in own if not path.name.startswith(("_", "."))}


@pytest.mark.parametrize("backend", BACKENDS)
def test_storage_imports_point_one_way(backend: str) -> None:
    assert upward_imports([*STORAGE, backend], ("storage",)) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_do_not_import_each_other(backend: str) -> None:
    others = set(BACKENDS) - {backend}
    modules = [path for path in MODULES if name_of(path)[:2] == ("storage", backend)]
    assert [path for path in modules for name in imports(path) if name[:1] == ("storage",) and name[1] in others] == []


def test_storage_imports_nothing_of_the_program() -> None:
    modules = [path for path in MODULES if name_of(path)[:1] == ("storage",)]
    assert [(path, name) for path in modules for name in imports(path) if name[:1] != ("storage",)] == []


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path)[:1] == ("storage",)], ids=str)
def test_storage_names_nothing_of_the_api(path: Path) -> None:
    tree = parsed(path)
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert [text for text in texts if API.search(text)] == []


def test_contract_imports_point_one_way() -> None:
    assert upward_imports(CONTRACT, ("contract",)) == []


def test_program_imports_point_one_way() -> None:
    assert upward_imports(PROGRAM, ()) == []


def test_orders_name_every_folder() -> None:
    assert entries(ROOT / "storage") == {*STORAGE, *BACKENDS}
    assert entries(PACKAGE / "contract") == {*CONTRACT}
    assert entries(PACKAGE) == {*PROGRAM} - {"storage", "handlers"}


def test_handlers_see_interface_records_and_errors_of_storage() -> None:
    seen = {name for path in MODULES if name_of(path)[:1] == ("handlers",) for name in imports(path)}
    assert seen <= {("storage", "model", name) for name in HANDLERS_SEE}


def test_contract_sees_records_and_json_texts() -> None:
    modules = [path for path in MODULES if name_of(path)[:1] == ("contract",)]
    assert {name for path in modules for name in imports(path) if name[:1] != ("contract",)} <= CONTRACT_SEES


def test_contract_is_seen_by_its_package_alone() -> None:
    outside = [path for path in MODULES if name_of(path)[:1] != ("contract",)]
    seen = [(path.name, name) for path in outside for name in imports(path) if name[:1] == ("contract",) and name[1:]]
    assert seen == []


def test_http_libraries_stay_in_the_contract() -> None:
    outside = [path for path in MODULES if name_of(path)[:1] != ("contract",)]
    assert [str(path) for path in outside if HTTP & third_party_imports(path)] == []


@pytest.mark.parametrize("folder", ["storage", "src/amplifierd", "src/amplifierd/contract"])
def test_folder_has_few_entries(folder: str) -> None:
    assert len(entries(ROOT / folder)) <= MAX_ENTRIES


def test_folders_hold_few_modules() -> None:
    folders = [path.parent for path in [*MODULES, *(ROOT / "tests").glob("**/*.py")] if path.name != "__init__.py"]
    assert {str(folder): count for folder, count in Counter(folders).items() if count > MAX_MODULES} == {}


def test_folders_describe_their_contents() -> None:
    packages = [path for path in MODULES if path.name == "__init__.py"]
    silent = [path for path in packages if len((ast.get_docstring(parsed(path)) or "").split()) < 10]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_few_modules_are_short() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in MODULES if path.name != "__init__.py"}
    short = [f"{count} {path.relative_to(ROOT)}" for path, count in lines.items() if count < SHORT_LINES]
    assert len(short) <= MAX_SHORT_MODULES, short


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_not_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
