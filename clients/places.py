"""Where things lie: what is kept in the repository, what is made under `build/`."""

from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

SOURCES = Path(__file__).parent
CONTRACT = SOURCES.parent / "openapi.yaml"
BUILD = SOURCES / "build"


def workshop(language: str, *, keep: str | None = None) -> Path:
    """A folder under `build/` with the program and the configuration of a language, and nothing else but `keep`.

    Generators and compilers work on this copy, so that what they leave behind is never beside the sources.
    """
    folder = BUILD / language
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name != keep:
            rmtree(entry) if entry.is_dir() else entry.unlink()
    runner = ignore_patterns("__init__.py", "__pycache__", "recipe.py")
    copytree(SOURCES / language, folder, ignore=runner, dirs_exist_ok=True)
    return folder
