"""docs/architecture.md names files and functions that exist, and all pages name tests that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
PLACES = sorted(set(re.findall(r"`([\w/]+\.py(?::[\w.]+)?)`", PAGE)))
FOLDERS = sorted(set(re.findall(r"`([\w/]+/)`", PAGE)))
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


def definitions(node: ast.AST, prefix: str = "") -> Iterator[str]:
    """The qualified names of the functions and classes of a module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + child.name
            yield from definitions(child, f"{prefix}{child.name}.")


def existing_path(path: str) -> Path:
    """A path of the repository, or of the package."""
    return ROOT / path if (ROOT / path).exists() else ROOT / "src/amplifierd" / path


def test_page_names_places() -> None:
    assert len(PLACES) > 30


@pytest.mark.parametrize("place", PLACES)
def test_named_file_and_function_exist(place: str) -> None:
    path, _, name = place.partition(":")
    assert existing_path(path).is_file()
    assert not name or name in set(definitions(ast.parse(existing_path(path).read_text())))


@pytest.mark.parametrize("folder", FOLDERS)
def test_named_folder_exists(folder: str) -> None:
    assert existing_path(folder).is_dir()


def test_named_tests_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(tests/[\w/.-]+)`", page.read_text())}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    assert len(named) > 20
