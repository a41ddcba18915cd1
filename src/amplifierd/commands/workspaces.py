"""`amplifierd workspaces`: list the workspaces of a database, delete one."""

import asyncio
from dataclasses import astuple
from pathlib import Path

import click

from ..settings import default_data_path
from ..storage import open_existing
from ..storage.model.workspaces import WorkspaceContents
from ..storage.values.quantities import conversations, quantity
from .options import FROM_ENVIRONMENT, check_workspace, database, sentences

_HEAD = ("workspace", "sessions", "messages", "profiles", "directories", "keys", "files", "responses")


@click.group()
def workspaces() -> None:
    """List workspaces, or delete one with everything in it."""


@workspaces.command("list", context_settings=FROM_ENVIRONMENT)
@database
def list_workspaces(database: str) -> None:
    """List all workspaces and how much each holds."""
    with sentences():
        found = asyncio.run(_contents(database))
    rows = [_HEAD, *(tuple(map(str, astuple(contents))) for contents in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@workspaces.command("delete", context_settings=FROM_ENVIRONMENT)
@database
@click.option(
    "--data-path",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_data_path,
    show_default="a folder in your data directory",
    show_envvar=True,
    help="Where amplified directories are on disk.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.argument("name", callback=check_workspace)
def delete_workspace(database: str, data_path: Path, name: str, *, yes: bool) -> None:
    """Delete the workspace NAME with everything in it, even while daemons serve the database."""
    with sentences():
        contents = next((each for each in asyncio.run(_contents(database)) if each.workspace == name), None)
        if contents is None:
            raise click.ClickException(f"There is no workspace {name!r}; `amplifierd workspaces list` shows them.")
        click.echo(
            f"Workspace {name} has {conversations(contents.sessions, contents.messages)}, "
            f"{_places(contents, ', ')}, {quantity(contents.keys, 'key')}, {quantity(contents.files, 'file')} and "
            f"{quantity(contents.responses, 'recorded response')}."
        )
        if not yes:
            click.confirm("Delete everything? This cannot be undone.", abort=True)
        left, keys = asyncio.run(_delete(database, data_path, name))
    click.echo(f"Workspace {name} was deleted.")
    if left.sessions or left.profiles or left.directories:
        click.echo(
            f"Since the deletion began, {conversations(left.sessions, left.messages)}, {_places(left, ' and ')} were "
            "created in it. A daemon that needs no key serves it: stop its clients, and run the command again."
        )
    if keys:
        click.echo(
            "Its keys stay, revoked: there are no others, and without any key the database would be open to everybody."
        )


def _places(contents: WorkspaceContents, conjunction: str) -> str:
    profiles = quantity(contents.profiles, "profile")
    return profiles + conjunction + quantity(contents.directories, "directory", "directories")


async def _contents(database: str) -> list[WorkspaceContents]:
    async with open_existing(database) as storage:
        return await storage.workspace_contents()


async def _delete(database: str, data_path: Path, name: str) -> tuple[WorkspaceContents, int]:
    """Delete a workspace and its markers. Returns what was created during the deletion, and the number of kept keys."""
    from ..auth import DEFAULT_WORKSPACE
    from ..documents.marker_files import MarkerFiles

    async with open_existing(database) as storage:
        # First, because the next start of a daemon would amplify the directories of remaining markers.
        await MarkerFiles(data_path, DEFAULT_WORKSPACE).remove_all(name)
        left = await storage.delete_workspace(name)
        return left, sum(key.workspace == name for key in await storage.list_keys())
