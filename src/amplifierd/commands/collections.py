"""`amplifierd collections`: add, list, sync and remove the collections of a workspace."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from ..settings import CONTRACT
from ..storage import open_existing
from ..storage.model.collections import Collection, CollectionSummary, NewCollection, all_collections
from ..storage.model.interface import Storage
from .options import FROM_ENVIRONMENT, collection_host, collections_path, database, sentences, workspace

if TYPE_CHECKING:
    from ..contract import Document
    from ..documents.collections.sync import CollectionSources

Result = TypeVar("Result")


@click.group()
def collections() -> None:
    """Manage collections: folders and git repositories that provide profiles and modules."""


@collections.command(context_settings=FROM_ENVIRONMENT)
@database
@workspace
@collections_path
@collection_host
@click.argument("identifier")
@click.argument("source")
def add(
    database: str,
    workspace: str,
    collections_path: tuple[Path, ...],
    collection_host: tuple[str, ...],
    identifier: str,
    source: str,
) -> None:
    """Add the collection IDENTIFIER from SOURCE, a folder or git+https://host/owner/name@ref#subdirectory=path."""
    new = NewCollection(identifier, source)

    async def create(storage: Storage) -> Collection:
        document = _contract()
        sources = _sources(document, collections_path, collection_host)
        _check(document, new)
        return await storage.create_collection(workspace, identifier, partial(sources.read, new, _no_progress))

    _report(_run(database, create))


@collections.command("list", context_settings=FROM_ENVIRONMENT)
@database
@workspace
def list_collections(database: str, workspace: str) -> None:
    """List the collections of a workspace."""

    async def read(storage: Storage) -> list[CollectionSummary]:
        return [summary async for summary in all_collections(storage, workspace)]

    for collection in _run(database, read):
        click.echo(f"{collection.identifier}  {collection.status}  {collection.synced_at}  {collection.source}")


@collections.command(context_settings=FROM_ENVIRONMENT)
@database
@workspace
@collections_path
@collection_host
@click.argument("identifier", required=False)
def sync(
    database: str,
    workspace: str,
    collections_path: tuple[Path, ...],
    collection_host: tuple[str, ...],
    identifier: str | None,
) -> None:
    """Sync the collection IDENTIFIER, or all collections. The exit code is 1 if one could not be read."""

    async def read(storage: Storage) -> bool:
        sources = _sources(_contract(), collections_path, collection_host)
        if identifier is not None:
            return _report(await sources.sync(storage, workspace, identifier, _no_progress))
        return all([_report(synced) async for synced in sources.sync_all(storage, workspace, _no_progress)])

    if not _run(database, read):
        raise click.exceptions.Exit(1)


@collections.command(context_settings=FROM_ENVIRONMENT)
@database
@workspace
@click.argument("identifier")
def remove(database: str, workspace: str, identifier: str) -> None:
    """Remove the collection IDENTIFIER with its profiles; sessions keep theirs, and the source is not changed."""

    async def delete(storage: Storage) -> None:
        await storage.delete_collection(workspace, identifier)

    _run(database, delete)
    click.echo(f"Collection {identifier} was removed.")


def _run(database: str, use: Callable[[Storage], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_existing(database) as storage:
            return await use(storage)

    with sentences():
        return asyncio.run(run())


def _sources(document: "Document", roots: tuple[Path, ...], hosts: tuple[str, ...]) -> "CollectionSources":
    from ..documents.collections.sync import CollectionSources

    return CollectionSources(document, roots, hosts)


def _contract() -> "Document":
    from ..contract import load_document

    return load_document(CONTRACT)


def _check(document: "Document", new: NewCollection) -> None:
    from ..contract import record_reader

    records = record_reader(document, "CreateCollectionRequest", NewCollection)
    records.read(msgspec.json.encode(new), "The collection")


def _report(collection: Collection) -> bool:
    """Show what was read, and whether its source could be read."""
    click.echo(
        f"{collection.identifier}: {collection.status}; profiles: {len(collection.profiles)}, "
        f"agents: {len(collection.agents)}, context: {len(collection.context)}, modules: {len(collection.modules)}"
    )
    for problem in collection.problems:
        place = f"{problem.file}: " if isinstance(problem.file, str) else ""
        if isinstance(problem.line, int):
            place = f"{problem.file}:{problem.line}: "
        click.echo(f"  {place}{problem.detail}")
    return collection.status == "synced"


def _no_progress() -> None:
    """Report no progress: a command has no request whose deadline could be extended."""
