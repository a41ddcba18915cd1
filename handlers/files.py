"""Files to which parts of messages refer."""

from dataclasses import replace

from ..storage.model.files import File, FileContent, NewFile
from ..storage.model.interface import Storage
from ..storage.model.records import Listing


async def create_file(body: NewFile, media: str | None, name: str | None, *, storage: Storage, workspace: str) -> File:
    """Store a file."""
    return await storage.create_file(workspace, replace(body, media=media or body.media, name=name))


async def list_files(limit: int | None, cursor: str | None, *, storage: Storage, workspace: str) -> Listing:
    """The files of the workspace, the newest first."""
    return await storage.list_files(workspace, limit=limit, cursor=cursor)


async def get_file(file_id: str, *, storage: Storage, workspace: str) -> FileContent:
    """A file with its bytes."""
    return await storage.read_file(workspace, file_id)


async def delete_file(file_id: str, *, storage: Storage, workspace: str) -> None:
    """Delete a file to which no message refers."""
    await storage.delete_file(workspace, file_id)
