"""The documentation of the generated clients."""

import re
from pathlib import Path

from clients.__main__ import RECIPES

CLIENTS = Path(__file__).parents[2] / "clients"
ROW = re.compile(r"^\| (.+?) \| (.+?) \|", re.MULTILINE)


def test_readme_names_every_client_with_its_generator() -> None:
    _head, _rule, *rows = ROW.findall((CLIENTS / "README.md").read_text())
    assert rows == [(recipe.language, recipe.generator) for recipe in RECIPES.values()]


def test_main_readme_has_the_table_without_versions() -> None:
    table = (CLIENTS.parent / "README.md").read_text().partition("| client | generator |\n")[2].partition("\n\n")[0]
    _rule, *rows = [tuple(line.strip("| ").split(" | ")) for line in table.splitlines()]
    assert rows == [(recipe.language, re.sub(r" [\d.]+\b", "", recipe.generator)) for recipe in RECIPES.values()]


def test_client_folders_have_a_client() -> None:
    assert {recipe.parent.name for recipe in CLIENTS.glob("*/recipe.py")} == set(RECIPES)
