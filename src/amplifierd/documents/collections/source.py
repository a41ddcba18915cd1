"""Sources of collections: a folder below a root, or a git repository on an allowed host.

    /srv/collections/foundation
    git+https://host/owner/name.git@v1.2#subdirectory=collections/foundation
    git+file:///srv/repositories/name@main

A reference (a branch, a tag or a commit) is optional, and so is the subdirectory.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from ...storage.model.collections import CollectionSourceInvalid

_GIT = "git+"
# A name that git accepts (git-check-ref-format), except options and ranges.
_REFERENCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,254}")
_PATH = re.compile(r"(/[A-Za-z0-9_.~+-]+)+/?")


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of this machine; `path` has no symbolic links."""

    path: Path


@dataclass(frozen=True, slots=True)
class GitSource:
    """A git repository; `reference` is HEAD if the source names none."""

    url: str
    reference: str
    subdirectory: str


class AllowedSources:
    """The folders and hosts that the operator allows: `roots`, and `hosts` with a port unless it is 443."""

    def __init__(self, roots: Iterable[Path], hosts: Iterable[str]) -> None:
        self._roots = [root.expanduser() for root in roots]
        self._hosts = {host.lower() for host in hosts}

    def check(self, source: str) -> FolderSource | GitSource:
        """Parse a source and check the disk. Raises `CollectionSourceInvalid` if the source is not allowed."""
        try:
            if not source.isprintable():
                raise ValueError("it has characters that cannot be printed")
            if source.startswith(_GIT):
                return self._git(source)
            if not source.startswith("/"):
                raise ValueError("write the absolute path of a folder, git+https://… or git+file://…")
            return FolderSource(self._below_a_root(source))
        except (ValueError, OSError, RuntimeError) as error:
            raise CollectionSourceInvalid(source, str(error)) from None

    def _git(self, source: str) -> GitSource:
        address, _, fragment = source.removeprefix(_GIT).partition("#")
        subdirectory = unquote(fragment.removeprefix("subdirectory="), errors="strict").strip("/")
        if ".." in subdirectory.split("/") or "\0" in subdirectory:
            raise ValueError("the subdirectory leads out of the repository")
        # An @ before the path would separate a user name.
        slash = address.find("/", address.find("://") + 3)
        path, at, reference = address[slash:].partition("@") if slash > 0 else ("", "", "")
        if at and (_REFERENCE.fullmatch(reference) is None or ".." in reference):
            raise ValueError("the text after @ is not the name of a branch, a tag or a commit")
        if _PATH.fullmatch(path) is None or ".." in path.split("/"):
            raise ValueError("write git+https://host/owner/name@ref#subdirectory=path, without percent-encoding")
        return GitSource(self._url(address[:slash], path), reference or "HEAD", subdirectory)

    def _url(self, origin: str, path: str) -> str:
        if origin.lower() == "file://":
            return f"file://{quote(str(self._git_folder(path)))}"
        parts = urlsplit(origin)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("a git repository is at git+https://… or git+file://…")
        if parts.username is not None or "@" in parts.netloc:
            raise ValueError("a source has no user and no password")
        host = parts.hostname if parts.port in (None, 443) else f"{parts.hostname}:{parts.port}"
        if host not in self._hosts:
            raise ValueError(
                f"the host {host} is not allowed; the operator of this server allows it with --collection-host {host}"
            )
        return f"https://{host}{path}"

    def _git_folder(self, path: str) -> Path:
        """The folder of a repository's objects; refuses a file or a link in its place, which could lead elsewhere."""
        folder = self._below_a_root(path)
        inner = folder / ".git"
        if inner.is_file():
            raise ValueError("its .git is a file; name the repository to which it leads")
        found = self._below_a_root(str(inner)) if inner.exists() else folder
        if not (found / "HEAD").exists():
            raise ValueError("the folder is not a git repository")
        return found

    def _below_a_root(self, path: str) -> Path:
        resolved = Path(path).resolve()
        if not any(resolved.is_relative_to(root.resolve()) for root in self._roots):
            raise ValueError(
                "the folder is not below a folder for collections; the operator of this server names one with "
                "--collections-path"
            )
        if not resolved.is_dir():
            raise ValueError("there is no such folder")
        return resolved
