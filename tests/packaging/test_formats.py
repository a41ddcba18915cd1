"""History formats are found by entry point, including those of other packages, as docs/history.md shows."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from amplifierd.formats.exports import export_formats
from amplifierd.formats.history import history_formats
from programs.packages import install_from_page

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "history.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMES = set(PROJECT["entry-points"]["amplifierd.formats"])
EXPORTS = set(PROJECT["entry-points"]["amplifierd.exports"])
IN, OUT = PAGE.split("## Exports\n")


def test_formats_match_the_table() -> None:
    formats = history_formats()
    assert {name: each.name for name, each in formats.items()} == {name: name for name in NAMES}
    assert names_of(IN) == NAMES | {"amplifierd"}


def names_of(page: str) -> set[str]:
    """The names of a table of formats."""
    return set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))


def test_exports_match_the_table() -> None:
    formats = export_formats()
    assert {name: each.name for name, each in formats.items()} == {name: name for name in EXPORTS}
    assert names_of(OUT) == EXPORTS | {"amplifierd"}


def test_format_of_the_page_is_found_and_used(tmp_path: Path) -> None:
    install_from_page(PAGE, "amplifierd.formats", tmp_path)
    source = tmp_path / "source"
    source.write_text('{"diary": "1", "id": "a", "text": "Rain."}\n{"diary": "1", "id": "b", "text": "Sun."}\n')
    command = [sys.executable, "-m", "amplifierd", "import", "--create", "--database", f"sqlite:///{tmp_path}/a.db"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    outcome = subprocess.run([*command, str(source)], env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert "Imported 1 session, extended 0, with 2 messages in all." in outcome.stderr
