"""Installs packages in a folder, with code from a page of the documentation."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path


def install_from_page(page: str, group: str, folder: Path) -> None:
    """Install the Python class that `page` shows, with its entry point in `group`, in `folder`."""
    [source] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [project] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    [(name, value)] = tomllib.loads(project)["project"]["entry-points"][group].items()
    (folder / f"{value.partition(':')[0]}.py").write_text(source)
    install_entry_points(folder, group, {name: value})


def install_entry_points(folder: Path, group: str, points: Mapping[str, str]) -> None:
    """Install a package with entry points in `folder`; its code may be written later."""
    package = next(iter(points.values())).partition(":")[0]
    metadata = folder / f"{package}-1.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1\n")
    lines = [f"{name} = {value}\n" for name, value in points.items()]
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{''.join(lines)}")
