"""Packages of others, as a page of the documentation shows them, installed in a folder."""

import re
import tomllib
from pathlib import Path


def install_from_page(page: str, group: str, folder: Path) -> None:
    """Install the one class in Python that `page` shows, under its one entry point of `group`, in `folder`."""
    [source] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [project] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    [(name, value)] = tomllib.loads(project)["project"]["entry-points"][group].items()
    module = value.partition(":")[0]
    (folder / f"{module}.py").write_text(source)
    metadata = folder / f"{module}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
