"""`amplifierd export`, `import`, `cleanup` and `copy`: on a database itself, whether a daemon serves it or not."""

import asyncio
from pathlib import Path
from typing import BinaryIO, get_args

import click

from ..settings import CONTRACT
from ..storage import open_existing, open_storage, path_of
from ..storage.model.database_url import refuse_itself
from ..storage.model.records import ENDED, CleanUp, OnConflict, SessionStatus
from ..storage.values.clock import DAY_SECONDS
from .options import FROM_ENVIRONMENT, database, may_create, sentences, workspace

# Who imports from the command line has the file already; the bound is against a file that has no lines.
MAX_LINE = 1024 * 1024 * 1024

# A command has the disk of whoever starts it; the bound is against clients of a daemon.
UNBOUNDED_BYTES = 2**63

# An import that was broken off goes on within so long.
RESUMED_SECONDS = 30 * DAY_SECONDS


@click.command("export", context_settings=FROM_ENVIRONMENT)
@database
@workspace
@click.argument("file", type=click.Path(allow_dash=True), default="-")
def export_sessions(database: str, workspace: str, file: str) -> None:
    """Write every session with its messages to FILE as NDJSON; to the standard output where FILE is left out.

    A daemon may serve the database meanwhile.
    """
    from .database_transfer import export_to

    with sentences():
        kept_in = path_of(database)
        if kept_in is not None:
            refuse_itself(kept_in, Path(file))
        exported = asyncio.run(export_to(file, open_existing(database), workspace))
    click.echo(f"Exported {exported} sessions.", err=True)


@click.command("import", context_settings=FROM_ENVIRONMENT)
@database
@may_create
@workspace
@click.option(
    "--on-conflict",
    type=click.Choice(get_args(OnConflict)),
    default="fail",
    help="What to do with a session whose id is there already.",
)
@click.argument("file", type=click.File("rb"), default="-")
def import_sessions(
    database: str, workspace: str, on_conflict: OnConflict, file: BinaryIO, *, may_create: bool
) -> None:
    """Take the sessions of an export from FILE; from the standard input where FILE is left out.

    A daemon may serve the database meanwhile. An import that was broken off goes on where it was: start it again.
    """
    from ..contract import line_reader, load_document
    from .database_transfer import import_from

    with sentences():
        reader = line_reader(load_document(CONTRACT), MAX_LINE)
        storage = open_storage(
            database,
            upgrade=False,
            create=may_create,
            idempotency_ttl=RESUMED_SECONDS,
            temporary_bytes=UNBOUNDED_BYTES,
        )
        report = asyncio.run(import_from(file, storage, workspace, reader, on_conflict))
    click.echo(
        f"Imported {report.sessions} sessions with {report.messages} messages; "
        f"{report.skipped} were skipped, {report.renamed} got a new id.",
        err=True,
    )


@click.command("cleanup", context_settings=FROM_ENVIRONMENT)
@database
@workspace
@click.option(
    "--older-than-days",
    type=click.IntRange(0, 36500),
    required=True,
    help="How many days ago they were last updated, by this machine's clock; 0 is all of them.",
)
@click.option(
    "--status",
    type=click.Choice(get_args(SessionStatus)),
    multiple=True,
    default=ENDED,
    help="The statuses that they have; give it once for each.",
)
@click.option("--dry-run/--no-dry-run", default=True, help="Say only what would go.")
def clean_up_sessions(
    database: str, workspace: str, older_than_days: int, status: tuple[SessionStatus, ...], *, dry_run: bool
) -> None:
    """Delete old sessions; a daemon may serve the database meanwhile."""
    from .database_transfer import clean_up

    with sentences():
        report = asyncio.run(clean_up(open_existing(database), workspace, CleanUp(older_than_days, status, dry_run)))
    done = "would be deleted; --no-dry-run deletes them" if dry_run else "were deleted"
    click.echo(f"{report.sessions} sessions with {report.messages} messages {done}.")


@click.command("copy", context_settings=FROM_ENVIRONMENT)
@click.option("--from", "source", required=True, help="The database whose sessions are copied; see serve --database.")
@click.option("--to", "target", required=True, help="The database that they are copied into.")
def copy_sessions(source: str, target: str) -> None:
    """Copy every session from one database into another, and compare both.

    Nobody may write to the sessions meanwhile. A copy that was cut off goes on where it was.
    """
    from .copy_database import copy

    with sentences():
        copied = asyncio.run(
            copy(open_existing(source), open_storage(target, upgrade=False, temporary_bytes=UNBOUNDED_BYTES))
        )
    click.echo(
        f"{copied.sessions} sessions with {copied.messages} messages are the same in both, "
        f"{copied.found} of which were there before; checksum {copied.checksum}."
    )
