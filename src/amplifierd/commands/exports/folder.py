"""A folder of exported sessions: a file for each, and the files to which their messages refer."""

import asyncio
import mimetypes
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import click

from ...formats.exports.reading import Place
from ...storage.model.errors import FileNotFound
from ...storage.model.files import FileContent
from ...storage.model.interface import Storage
from ..output import writing

_FILES = "files"
# A name has at most 255 bytes on common file systems; the id and the suffix take 45 of them.
_MAX_CHARACTERS = 50
_SEPARATORS = re.compile(r"[\W_]+")


class Folder:
    """A folder, which is created if it does not exist. Raises `click.ClickException` if it cannot be."""

    def __init__(self, path: Path, suffix: str) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.ClickException(f"Cannot create the folder {path}: {error.strerror}.") from error
        self._path = path
        self._suffix = suffix

    def path_of(self, session_id: str, name: str) -> Path:
        """The file of a session: letters and digits of its name, and its id, so that no two are the same."""
        letters = _SEPARATORS.sub("-", unicodedata.normalize("NFC", name)).strip("-")
        short = letters.encode()[: 3 * _MAX_CHARACTERS].decode(errors="ignore")[:_MAX_CHARACTERS].strip("-")
        return self._path / f"{short}{'-' if short else ''}{session_id}{self._suffix}"

    def place_files(self, storage: Storage, workspace: str) -> Place:
        """Write the files of messages into the folder `files`. Raises `click.ClickException`."""

        async def place(urls: list[str]) -> Sequence[str | None]:
            found: dict[str, str] = {}
            for url in dict.fromkeys(urls):
                try:
                    content = await storage.read_file(workspace, url.removeprefix("/files/"))
                    found[url] = await self._place(content)
                except FileNotFound:
                    continue
            return [found.get(url) for url in urls]

        return place

    async def _place(self, content: FileContent) -> str:
        """Write a file; its relative path. Raises `FileNotFound`."""
        suffix = mimetypes.guess_extension(content.file.media.partition(";")[0].strip()) or ""
        path = self._path / _FILES / f"{content.file.id}{suffix}"
        try:
            path.parent.mkdir(exist_ok=True)
            if not path.exists() or path.stat().st_size != content.file.size:
                await _write(path, content)
        except OSError as error:
            raise click.ClickException(f"Cannot write {path}: {error.strerror}.") from error
        return f"{_FILES}/{path.name}"


async def _write(path: Path, content: FileContent) -> None:
    with writing(str(path)) as file:
        if content.file.size:
            async for block in content.read(0, content.file.size - 1):
                await asyncio.to_thread(file.write, block)
