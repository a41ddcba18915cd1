"""The command line. Every option is also an environment variable: `--port` is `AMPLIFIERD_PORT`."""

import asyncio
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, get_args

import click
from click.core import ParameterSource

from . import __version__
from .settings import CONTRACT, LogFormat, LogLevel, Settings, default_database
from .storage import open_storage
from .storage.clock import DAY_SECONDS
from .storage.records import ENDED, CleanUp, OnConflict, SessionStatus

FROM_ENVIRONMENT = {"auto_envvar_prefix": "AMPLIFIERD", "show_default": True}

# Who imports from the command line has the file already; the bound is against a file that has no lines.
MOST_LINE = 1024 * 1024 * 1024

# Asked as early as can be: a parent that ends while this process starts is one to end with.
PARENT = os.getppid()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="amplifierd")
def cli() -> None:
    """A store for LLM conversations, served over HTTP by the contract in openapi.yaml."""


_database = click.option(
    "--database",
    default=default_database,
    show_default="a file in your data directory",
    show_envvar=True,
    help="Where conversations are kept: sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host/name.",
)


@cli.command(context_settings=FROM_ENVIRONMENT)
@click.option("--host", default="127.0.0.1", show_envvar=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8420, show_envvar=True, help="The port; 0 takes a free one."
)
@_database
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_envvar=True, help="How many processes serve.")
@click.option(
    "--max-body", type=click.IntRange(1), default=8 * 1024 * 1024, show_envvar=True, help="The largest body, in bytes."
)
@click.option(
    "--idempotency-ttl",
    type=click.FloatRange(min=0),
    default=DAY_SECONDS,
    show_envvar=True,
    help="How many seconds the answer to a request with an Idempotency-Key is kept.",
)
@click.option(
    "--log-level", type=click.Choice(get_args(LogLevel)), default="info", show_envvar=True, help="What is logged."
)
@click.option(
    "--log-format", type=click.Choice(get_args(LogFormat)), default="text", show_envvar=True, help="How it is logged."
)
@click.option(
    "--check-responses/--no-check-responses",
    default=False,
    show_envvar=True,
    help="Hold every response against the contract; a breach is a 500 that says so.",
)
@click.option(
    "--ephemeral/--no-ephemeral",
    default=False,
    show_envvar=True,
    help="For a test run: data in memory, a free port, one line of JSON that says where, and an end with its parent.",
)
@click.option("--max-age", type=click.FloatRange(min=0), show_envvar=True, help="End after so many seconds.")
@click.pass_context
def serve(context: click.Context, /, **options: Any) -> None:
    """Serve conversations until Ctrl-C or SIGTERM."""
    if options["ephemeral"] and context.get_parameter_source("port") is ParameterSource.DEFAULT:
        options["port"] = 0
    # What is imported and compiled stays: looking through it for garbage would be a tenth of the start.
    gc.disable()
    # Imported here: `--help` needs no server.
    from .contract import ContractError
    from .server import CannotListen
    from .server import serve as run
    from .storage.errors import DatabaseUnusable

    try:
        run(Settings(**options, parent=PARENT))
    except (CannotListen, ContractError, DatabaseUnusable) as error:
        raise click.ClickException(str(error)) from error


@cli.command("export", context_settings=FROM_ENVIRONMENT)
@_database
@click.argument("file", type=click.File("wb"), default="-")
def export_sessions(database: str, file: BinaryIO) -> None:
    """Write every session with its messages to FILE as NDJSON; to the standard output where FILE is left out.

    A daemon may serve the database meanwhile.
    """
    from .commands import export_to

    with _sentences():
        exported = asyncio.run(export_to(file, open_storage(database)))
    click.echo(f"Exported {exported} sessions.", err=True)


@cli.command("import", context_settings=FROM_ENVIRONMENT)
@_database
@click.option(
    "--on-conflict",
    type=click.Choice(get_args(OnConflict)),
    default="fail",
    help="What to do with a session whose id is there already.",
)
@click.argument("file", type=click.File("rb"), default="-")
def import_sessions(database: str, on_conflict: OnConflict, file: BinaryIO) -> None:
    """Take the sessions of an export from FILE; from the standard input where FILE is left out.

    A daemon may serve the database meanwhile.
    """
    from .commands import import_from
    from .contract import line_reader, load_document

    size = os.fstat(file.fileno()).st_size if file.seekable() else None
    with _sentences():
        reader = line_reader(load_document(CONTRACT), MOST_LINE)
        report = asyncio.run(import_from(file, size, open_storage(database), reader, on_conflict))
    click.echo(
        f"Imported {report.sessions} sessions with {report.messages} messages; "
        f"{report.skipped} were skipped, {report.renamed} got a new id.",
        err=True,
    )


@cli.command("cleanup", context_settings=FROM_ENVIRONMENT)
@_database
@click.option(
    "--older-than-days", type=click.IntRange(0, 36500), required=True, help="How many days ago they were last updated."
)
@click.option(
    "--status",
    type=click.Choice(get_args(SessionStatus)),
    multiple=True,
    default=ENDED,
    help="The statuses that they have; give it once for each.",
)
@click.option("--dry-run/--no-dry-run", default=True, help="Say only what would go.")
def clean_up_sessions(database: str, older_than_days: int, status: tuple[SessionStatus, ...], *, dry_run: bool) -> None:
    """Delete old sessions; a daemon may serve the database meanwhile."""
    from .commands import clean_up

    with _sentences():
        report = asyncio.run(clean_up(open_storage(database), CleanUp(older_than_days, status, dry_run)))
    done = "would be deleted; --no-dry-run deletes them" if dry_run else "were deleted"
    click.echo(f"{report.sessions} sessions with {report.messages} messages {done}.")


@cli.command("copy", context_settings=FROM_ENVIRONMENT)
@click.option("--from", "source", required=True, help="The database whose sessions are copied; see serve --database.")
@click.option("--to", "target", required=True, help="The database that they are copied into.")
def copy_sessions(source: str, target: str) -> None:
    """Copy every session from one database into another, and compare both.

    Nobody may write to the sessions meanwhile. A copy that was cut off goes on where it was.
    """
    from .copying import copy

    with _sentences():
        copied = asyncio.run(copy(open_storage(source), open_storage(target)))
    click.echo(
        f"{copied.sessions} sessions with {copied.messages} messages are the same in both, "
        f"{copied.found} of which were there before; checksum {copied.checksum}."
    )


@contextmanager
def _sentences() -> Iterator[None]:
    """What is wrong with the input or the database is said in a sentence, without a traceback."""
    from .contract import Problem
    from .copying import CopyDiffers
    from .storage.errors import StorageError

    try:
        yield
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    except (CopyDiffers, StorageError) as error:
        raise click.ClickException(str(error)) from error
