"""`amplifierd export`, `import`, `cleanup` and `copy`: directly on a database, with or without a daemon."""

import asyncio
import gc
from pathlib import Path
from typing import Any, get_args

import click

from ..storage import is_same_database, open_existing, open_storage, path_of
from ..storage.model.backend import refuse_itself
from ..storage.model.database_errors import Skipped
from ..storage.model.records import ENDED, CleanUp, OnConflict, SessionStatus
from ..storage.values.clock import DAY_SECONDS
from ..storage.values.quantities import conversations, quantity
from .exports.filters import check_session_id, query_of, session_filters
from .options import FROM_ENVIRONMENT, database, may_create, sentences, workspace
from .output import SkippedRecords

# A command uses the disk of the user who starts it; the limit is for clients of a daemon.
UNBOUNDED_BYTES = 2**63

# How long an interrupted import can be continued.
RESUMED_SECONDS = 30 * DAY_SECONDS

skip_damaged = click.option(
    "--skip-damaged",
    is_flag=True,
    help="Skip damaged records, report them at the end, and exit with 1. A damaged message is written as deleted.",
)


def _skipping(records: SkippedRecords) -> Skipped:
    """How a database is opened to skip damaged records, and to keep a sentence about each."""
    from .database_transfer import lines_of_exports

    return Skipped(records.tell, lines_of_exports().read_stored)


@click.command("export", context_settings=FROM_ENVIRONMENT)
@database
@workspace
@click.option(
    "--format",
    "format_name",
    default="amplifierd",
    help="amplifierd, for an import; openai, anthropic or sharegpt, one session on each line; markdown; html.",
)
@click.option("--session", callback=check_session_id, help="Only the session with this id.")
@session_filters
@click.option("--files", is_flag=True, help="Include the files to which messages refer.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="For markdown and html: the folder into which to write one file for each session.",
)
@skip_damaged
@click.argument("file", type=click.Path(allow_dash=True), default="-")
def export_sessions(
    database: str,
    workspace: str,
    format_name: str,
    session: str | None,
    file: str,
    output: Path | None,
    *,
    files: bool,
    skip_damaged: bool,
    **filters: Any,
) -> None:
    """Write sessions with their messages to FILE, or to standard output. Without a filter, write all sessions.

    A daemon may serve the database at the same time. Data that the format cannot represent is reported at the end.
    """
    from .exports.writing import ExportTarget, export_to

    with sentences():
        kept_in = path_of(database)
        if kept_in is not None and output is None:
            refuse_itself(kept_in, Path(file))
        skipped = SkippedRecords()
        target = ExportTarget(format_name, session, query_of(**filters), files, file, output)
        storage = open_existing(database, _skipping(skipped) if skip_damaged else None)
        exported = asyncio.run(export_to(target, storage, workspace))
    click.echo(f"Exported {quantity(exported, 'session')}.", err=True)
    if skipped.report():
        raise click.exceptions.Exit(1)


@click.command("import", context_settings=FROM_ENVIRONMENT)
@database
@may_create
@workspace
@click.option(
    "--on-conflict",
    type=click.Choice(get_args(OnConflict)),
    default="fail",
    help="What to do if a session of an export already exists. Sessions of other tools are always extended.",
)
@click.option(
    "--format",
    "format_name",
    default="auto",
    help="The format of the files; auto recognizes it by their content. docs/history.md has all names.",
)
@click.option(
    "--watch",
    "is_watching",
    is_flag=True,
    help="Watch PATHS and import what other tools write there, until SIGINT or SIGTERM.",
)
@click.argument("paths", type=click.Path(allow_dash=True), nargs=-1)
def import_sessions(
    database: str,
    workspace: str,
    on_conflict: OnConflict,
    format_name: str,
    paths: tuple[str, ...],
    *,
    may_create: bool,
    is_watching: bool,
) -> None:
    """Import sessions from PATHS, or from standard input without PATHS.

    A path is an export of amplifierd, a file of another tool, a zip archive or a directory of such files. Sessions
    that were imported before get only new messages. A daemon may serve the database at the same time. To continue an
    interrupted import, run it again.
    """
    from .database_transfer import lines_of_exports
    from .history.paths import ImportPaths, import_paths
    from .history.watching import watch_paths

    with sentences():
        reader = lines_of_exports()
        storage = open_storage(
            database,
            upgrade=False,
            create=may_create,
            idempotency_ttl=RESUMED_SECONDS,
            temporary_bytes=UNBOUNDED_BYTES,
        )
        # Objects that are loaded by now stay, so the garbage collector need not scan them again.
        gc.freeze()
        job = ImportPaths(paths or ("-",), format_name, database, workspace, on_conflict)
        is_clean = asyncio.run((watch_paths if is_watching else import_paths)(job, storage, reader))
    if not is_clean:
        raise click.exceptions.Exit(1)


@click.command("cleanup", context_settings=FROM_ENVIRONMENT)
@database
@workspace
@click.option(
    "--older-than-days",
    type=click.IntRange(0, 36500),
    required=True,
    help="The minimum number of days since the last update, by this machine's clock; 0: of any age.",
)
@click.option(
    "--status",
    type=click.Choice(get_args(SessionStatus)),
    multiple=True,
    default=ENDED,
    help="A status to delete; repeat for several.",
)
@click.option("--dry-run/--no-dry-run", default=True, help="Only report what would be deleted.")
def clean_up_sessions(
    database: str, workspace: str, older_than_days: int, status: tuple[SessionStatus, ...], *, dry_run: bool
) -> None:
    """Delete old sessions. A daemon may serve the database at the same time.

    Only completed, failed and terminated sessions are deleted unless --status says otherwise.
    """
    from .database_transfer import clean_up

    with sentences():
        report = asyncio.run(clean_up(open_existing(database), workspace, CleanUp(older_than_days, status, dry_run)))
    deleted = conversations(report.sessions, report.messages)
    click.echo(f"This would delete {deleted}; use --no-dry-run to delete." if dry_run else f"Deleted {deleted}.")


@click.command("copy", context_settings=FROM_ENVIRONMENT)
@click.option("--from", "source", required=True, help="The database to copy from; see serve --database.")
@click.option("--to", "target", required=True, help="The database to copy to.")
@skip_damaged
def copy_sessions(source: str, target: str, *, skip_damaged: bool) -> None:
    """Copy all sessions from one database to another, and compare both.

    Stop all writers first. To continue an interrupted copy, run it again.
    """
    from .copy_database import copy

    with sentences():
        if is_same_database(source, target):
            raise click.ClickException("--from and --to name the same database; name another with --to.")
        skipped = SkippedRecords()
        into = open_storage(target, upgrade=False, temporary_bytes=UNBOUNDED_BYTES)
        on_damage = _skipping(skipped) if skip_damaged else None
        copied = asyncio.run(copy(open_existing(source, on_damage), into, on_damage))
    click.echo(
        f"Both databases have the same {conversations(copied.sessions, copied.messages)}; checksum {copied.checksum}. "
        f"Of these sessions, {copied.found} had been copied before."
    )
    if copied.without_files:
        click.echo(
            f"The copy lacks the files of {quantity(copied.without_files, 'reference')} in messages. "
            "`amplifierd check` names files of which the source has only the bytes; with --repair, it restores them "
            "for another copy.",
            err=True,
        )
    if skipped.report():
        raise click.exceptions.Exit(1)
