"""Creates folders and repositories of collections for tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon import Daemon, http_post


def profile(name: str, version: str = "1.0.0", more: str = "") -> str:
    """The text of a profile file."""
    return f"---\nprofile: {{name: {name}, version: {version}, schema_version: 2}}\n{more}---\n"


def make(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a folder."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def git(folder: Path, *arguments: str, entries: str = "") -> str:
    """Run git in a folder without any user's configuration, with `entries` as its input."""
    nobody = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = os.environ | nobody | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    ended = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment,
        input=entries,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return ended.stdout.strip()


def commit(folder: Path, files: dict[str, str]) -> str:
    """Commit files to the repository in a folder, creating it if necessary. Returns the hash of the commit."""
    make(folder, files)
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return git(folder, "rev-parse", "HEAD")


@contextmanager
def daemon_with_collection(folder: Path, identifier: str, files: dict[str, str]) -> Iterator[Daemon]:
    """A daemon on SQLite with one collection, whose files are in a folder of the same name."""
    source = str(make(folder / identifier.rpartition("/")[2], files))
    with Daemon(f"sqlite:///{folder}/a.db", "--collections-path", str(folder)) as running:
        body = {"identifier": identifier, "source": source}
        http_post(f"{running.api}/collections", json=body).raise_for_status()
        yield running
