"""`amplifierd backup`, `restore`, `compact` and `check`: of a whole database, with all workspaces in it."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import click

from ..storage import open_maintenance
from ..storage.model.maintenance import Maintenance, Progress
from .options import FROM_ENVIRONMENT, database, sentences

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("backup", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--force", is_flag=True, help="Replace FILE where it is there already.")
@click.argument("file", type=_FILE)
def back_up(database: str, file: Path, *, force: bool) -> None:
    """Write all of a SQLite database to FILE, a database itself, as it is now; daemons may serve it meanwhile."""
    with sentences(), _pages("Pages copied") as progress:
        contents = asyncio.run(open_maintenance(database).back_up(file, replace=force, progress=progress))
    click.echo(f"{file} has {contents.sessions} sessions with {contents.messages} messages, and is sound.")


@click.command("restore", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--force", is_flag=True, help="Replace the database where it is there already; it is kept beside.")
@click.argument("file", type=_FILE)
def restore(database: str, file: Path, *, force: bool) -> None:
    """Put the backup in FILE in the place of a SQLite database that no daemon serves."""
    with sentences(), _pages("Pages copied") as progress:
        restored = asyncio.run(open_maintenance(database).restore(file, replace=force, progress=progress))
    contents = restored.contents
    click.echo(f"Restored {contents.sessions} sessions with {contents.messages} messages.")
    if restored.kept is not None:
        click.echo(f"The database that was there before is {restored.kept} now.")


@click.command("compact", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--full", is_flag=True, help="Write everything again; no daemon may serve the database meanwhile.")
def compact(database: str, *, full: bool) -> None:
    """Give free space back to the disk and remove what is left of deleted text; daemons may serve it meanwhile."""
    with sentences(), _pages("Compacted") as progress:
        compacted = asyncio.run(open_maintenance(database).compact(full=full, progress=progress))
    click.echo(f"The database took {compacted.before} bytes and takes {compacted.after} now.")


@click.command("check", context_settings=FROM_ENVIRONMENT)
@database
@click.option("--repair", is_flag=True, help="Put right what can be rebuilt from the messages.")
@click.pass_context
def check(context: click.Context, database: str, *, repair: bool) -> None:
    """Look for damage, gaps, wrong counts and what is not found; daemons may serve the database meanwhile.

    The exit code is 0 where nothing is wrong, or all of it was repaired, and 1 otherwise.
    """
    with sentences():
        faults = asyncio.run(_check(open_maintenance(database), repair=repair))
    if faults:
        context.exit(1)


async def _check(maintenance: Maintenance, *, repair: bool) -> int:
    """Say what is wrong and what was done about it; how much of it is left."""
    found = repaired = 0
    async with aclosing(maintenance.check()) as findings:
        async for finding in findings:
            found += 1
            click.echo(finding.text)
            done = await maintenance.repair(finding) if repair else None
            if repair:
                click.echo(f"  {done or 'It cannot be repaired; a backup may have what is lost.'}")
            repaired += done is not None
    contents = await maintenance.contents()
    faults = f"Found {found} faults, of which {repaired} were repaired," if found else "Nothing is wrong"
    click.echo(f"{faults} in {contents.sessions} sessions with {contents.messages} messages.")
    return found - repaired


@contextmanager
def _pages(label: str) -> Iterator[Progress]:
    """A bar that shows how many pages are done."""
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield show
