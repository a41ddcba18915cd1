"""`amplifierd backup`, `restore`, `compact` and `check`: for a whole database with all its workspaces."""

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import click

from ..storage import open_maintenance
from ..storage.model.database_errors import RepairFailed
from ..storage.model.maintenance import Finding, Maintenance, Progress
from ..storage.values.quantities import conversations, quantity
from .options import FROM_ENVIRONMENT, database, sentences
from .output import progress_bar

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("backup", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.argument("file", type=_FILE)
def back_up(database: str, file: Path, *, force: bool) -> None:
    """Copy a SQLite database, even while daemons serve it, to FILE, which is itself a database."""
    with sentences(), progress_bar("Pages copied") as progress:
        contents = asyncio.run(open_maintenance(database).back_up(file, replace=force, progress=progress))
    click.echo(f"{file} has {conversations(contents.sessions, contents.messages)}.")
    click.echo("SQLite finds no damage in it; `amplifierd check` examines its records.")


@click.command("restore", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--force", is_flag=True, help="Replace an existing database; it is kept under another name.")
@click.argument("file", type=_FILE)
def restore(database: str, file: Path, *, force: bool) -> None:
    """Replace a SQLite database that no daemon serves with the backup in FILE."""
    with sentences(), progress_bar("Pages copied") as progress:
        restored = asyncio.run(open_maintenance(database).restore(file, replace=force, progress=progress))
    contents = restored.contents
    click.echo(f"Restored {conversations(contents.sessions, contents.messages)}.")
    if restored.kept is not None:
        click.echo(f"The previous database is now {restored.kept}.")


@click.command("compact", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--full", is_flag=True, help="Rewrite everything; no daemon may be serving the database.")
def compact(database: str, *, full: bool) -> None:
    """Free unused space and remove the remains of deleted text, even while daemons serve the database."""
    with sentences(), progress_bar("Compacted") as progress:
        compacted = asyncio.run(open_maintenance(database).compact(full=full, progress=progress))
    size = f"{compacted.after}, as before" if compacted.before == compacted.after else compacted.after
    click.echo(f"The database had {compacted.before} bytes and now has {size}.")


@click.command("check", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--repair", is_flag=True, help="Repair what can be rebuilt from the messages.")
@click.pass_context
def check(context: click.Context, database: str, *, repair: bool) -> None:
    """Look for damage, gaps, wrong counts and missing index entries, even while daemons serve the database.

    The exit code is 0 if nothing is wrong or everything was repaired, and 1 otherwise.
    """
    from .database_transfer import lines_of_exports

    with sentences():
        faults = asyncio.run(_check(open_maintenance(database, lines_of_exports().read_stored), repair=repair))
    if faults:
        context.exit(1)


async def _check(maintenance: Maintenance, *, repair: bool) -> int:
    """Report faults and their repair. Returns the number of faults that are left."""
    with progress_bar("Messages checked") as progress:
        found, repaired = await _report(maintenance, progress, repair=repair)
    contents = await maintenance.contents()
    faults = f"Found {quantity(found, 'fault')} and repaired {repaired}" if found else "Nothing is wrong"
    click.echo(f"{faults} in {conversations(contents.sessions, contents.messages)}.")
    return found - repaired


async def _report(maintenance: Maintenance, progress: Progress, *, repair: bool) -> tuple[int, int]:
    """Print each fault and its repair. Returns how many were found, and how many of them were repaired."""
    found = repaired = 0
    async with aclosing(maintenance.check(progress)) as findings:
        async for finding in findings:
            found += 1
            if sys.stderr.isatty():
                # A line of its own, below the bar.
                click.echo(err=True)
            click.echo(finding.text)
            repaired += repair and await _repair(maintenance, finding)
    return found, repaired


async def _repair(maintenance: Maintenance, finding: Finding) -> bool:
    """Repair a fault, and print a sentence about it. Returns whether it was repaired."""
    try:
        done = await maintenance.repair(finding)
    except RepairFailed as error:
        click.echo(f"  {error}.")
        return False
    click.echo(f"  {done or 'It cannot be repaired; a backup may have what is lost.'}")
    return done is not None
