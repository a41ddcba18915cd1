"""`amplifierd serve`."""

import gc
import math
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, get_args

import click
from click.core import ParameterSource

from ..settings import LogFormat, LogLevel, Settings, default_data_path, default_database
from ..storage.values.clock import DAY_SECONDS
from .options import FROM_ENVIRONMENT, collection_host, collections_path, database

# Read as early as possible: if the parent exits while this process starts, this process exits too.
PARENT = os.getppid()

_DEFAULTS = Settings()

# The form of an origin that browsers send (RFC 6454, section 6.2).
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class _Seconds(click.FloatRange):
    """A number of seconds from `least` to a century; a longer time could end after the last valid year."""

    name = "seconds"

    def __init__(self, least: float = 0) -> None:
        super().__init__(least, 36_525 * DAY_SECONDS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value} is not a valid number of seconds.", param, ctx)
        return seconds


def _rate(_context: click.Context, _option: click.Parameter, rate: str | None) -> str | None:
    if rate is not None:
        from ..contract import RateLimit

        try:
            RateLimit(rate)
        except ValueError as error:
            raise click.BadParameter(
                f"Invalid rate {rate!r}: {error}. Write 100/second, or 5000 per 1 hour."
            ) from error
    return rate


def _hosts(_context: click.Context, _option: click.Parameter, hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if re.fullmatch(r"\*|[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host) is None:
            raise click.BadParameter(f"Invalid host {host!r}: write example.com, without a port, or * for any.")
    return hosts


def _origins(_context: click.Context, _option: click.Parameter, origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if origin not in ("*", "null") and _ORIGIN.fullmatch(origin) is None:
            raise click.BadParameter(f"Invalid origin {origin!r}: write https://example.com, without a path, or *.")
    return origins


class _StartError(click.ClickException):
    """A start error, written as a line of the JSON log."""

    def show(self, file: IO[Any] | None = None) -> None:
        del file
        from ..server.logs import log_start_error

        log_start_error(self.message)


class _UsageError(_StartError):
    """A usage error, written as a line of the JSON log."""

    exit_code = click.UsageError.exit_code


class _Serve(click.Command):
    """A command whose errors are lines of JSON if its log is, so that a log reader can parse every line."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        logs_json = _logs_json(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            if logs_json:
                raise _UsageError(error.format_message()) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if ctx.params["log_format"] == "json":
                raise _StartError(error.format_message()) from error
            raise


def _logs_json(arguments: list[str]) -> bool:
    """Whether the log format is JSON; the other arguments may have errors."""
    for argument, following in pairwise([*arguments, ""]):
        if argument == "--log-format":
            return following == "json"
        if argument.startswith("--log-format="):
            return argument == "--log-format=json"
    return os.environ.get("AMPLIFIERD_LOG_FORMAT") == "json"


@click.command(cls=_Serve, context_settings=FROM_ENVIRONMENT)
@click.option("--host", default=_DEFAULTS.host, show_envvar=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=_DEFAULTS.port,
    show_envvar=True,
    help="The port to listen on; 0 picks a free one.",
)
@database
@click.option(
    "--single-machine/--no-single-machine",
    default=_DEFAULTS.single_machine,
    show_envvar=True,
    help="Serve a SQLite file on a network file system that no other machine uses; a second machine is refused.",
)
@click.option(
    "--data-path",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_data_path,
    show_default="a folder in your data directory",
    show_envvar=True,
    help="Where amplified directories are on disk.",
)
@collections_path
@collection_host
@click.option(
    "--embedder",
    show_envvar=True,
    help="The embedder for search by meaning: wordllama, a model in this process, or openai, a service with "
    "OpenAI's API.",
)
@click.option(
    "--embedder-url",
    show_envvar=True,
    help="The URL of the embedder's service, such as https://api.openai.com/v1.",
)
@click.option("--embedder-model", show_envvar=True, help="The name of the embedder's model in the service.")
@click.option(
    "--embedder-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    show_envvar=True,
    help="A file that contains the key for the embedder's service, instead of AMPLIFIERD_EMBEDDER_KEY.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=_DEFAULTS.workers,
    show_envvar=True,
    help="The number of server processes.",
)
@click.option(
    "--max-body",
    type=click.IntRange(1),
    default=_DEFAULTS.max_body,
    show_envvar=True,
    help="The largest body, in bytes.",
)
@click.option(
    "--max-file",
    type=click.IntRange(1),
    default=_DEFAULTS.max_file,
    show_envvar=True,
    help="The largest file, in bytes.",
)
@click.option(
    "--idempotency-ttl",
    type=_Seconds(),
    default=_DEFAULTS.idempotency_ttl,
    show_envvar=True,
    help="How many seconds the response to a request with an Idempotency-Key is kept.",
)
@click.option(
    "--log-level",
    type=click.Choice(get_args(LogLevel)),
    default=_DEFAULTS.log_level,
    show_envvar=True,
    help="The least severe level to log.",
)
@click.option(
    "--log-format",
    type=click.Choice(get_args(LogFormat)),
    default=_DEFAULTS.log_format,
    show_envvar=True,
    help="The format of the log.",
)
@click.option(
    "--check-responses/--no-check-responses",
    default=_DEFAULTS.check_responses,
    show_envvar=True,
    help="Validate every response against the contract; a violation becomes a 500 that names it.",
)
@click.option(
    "--ephemeral/--no-ephemeral",
    default=_DEFAULTS.ephemeral,
    show_envvar=True,
    help="For a test run: keep data in memory, use a free port, print the URL as JSON, exit with the parent process.",
)
@click.option(
    "--parent",
    type=click.Choice(("own", "none")),
    default="own",
    show_envvar=True,
    help="With --ephemeral: own to exit with the process that started the daemon, none to keep running after it.",
)
@click.option(
    "--allowed-hosts",
    multiple=True,
    callback=_hosts,
    show_envvar=True,
    help="A name to accept in the Host header, * for any; repeat for several.",
)
@click.option(
    "--cors-origin",
    multiple=True,
    callback=_origins,
    show_envvar=True,
    help="An origin whose web pages may use the service, such as https://example.com; repeat for several.",
)
@click.option(
    "--insecure-open/--no-insecure-open",
    default=_DEFAULTS.insecure_open,
    show_envvar=True,
    help="Serve other machines even without keys: everyone can read and change everything.",
)
@click.option(
    "--rate-limit",
    callback=_rate,
    show_envvar=True,
    help="The request limit of each key, or of each address without a key: 100/second, 5000 per 1 hour.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    default=_DEFAULTS.max_requests,
    show_envvar=True,
    help="The limit of concurrent requests; further requests are refused at once.",
)
@click.option(
    "--request-timeout",
    type=_Seconds(least=0.1),
    default=_DEFAULTS.request_timeout,
    show_envvar=True,
    help="How many seconds a request may take until its response begins; after that it is aborted.",
)
@click.option(
    "--keep-alive",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    default=_DEFAULTS.keep_alive,
    show_envvar=True,
    help="How many seconds an idle connection stays open; set it longer than a proxy keeps one in its pool.",
)
@click.option(
    "--shutdown-timeout",
    type=click.IntRange(0, 3_600),
    metavar="SECONDS",
    default=_DEFAULTS.shutdown_timeout,
    show_envvar=True,
    help="How many seconds requests have to finish after the daemon is told to stop; the others then get 503.",
)
@click.option("--max-age", type=_Seconds(), show_envvar=True, help="Exit after this many seconds.")
@click.pass_context
def serve(context: click.Context, /, **options: Any) -> None:
    """Serve conversations until Ctrl-C, SIGTERM or SIGHUP."""
    if options["ephemeral"] and context.get_parameter_source("port") is ParameterSource.DEFAULT:
        options["port"] = 0
    if options["ephemeral"] and context.get_parameter_source("database") is ParameterSource.ENVIRONMENT:
        # The variable names the database of real conversations, not one for a test run.
        options["database"] = default_database()
    # Imported modules and the compiled contract stay; scanning them for garbage would take a tenth of the start.
    gc.disable()
    # Imported here: `--help` needs no server.
    from ..contract import ContractError
    from ..server.daemon import CannotListen
    from ..server.daemon import serve as run
    from ..server.data_path import DataPathUnusable
    from ..storage.model.database_errors import DatabaseUnusable
    from .error_messages import message_of

    try:
        run(Settings(**options | {"parent": PARENT if options["parent"] == "own" else None}))
    except CannotListen as error:
        also = "" if error.database is None else f" And: {message_of(error.database)}"
        raise click.ClickException(f"{error}{also}") from error
    except DatabaseUnusable as error:
        raise click.ClickException(message_of(error)) from error
    except (ContractError, DataPathUnusable) as error:
        raise click.ClickException(str(error)) from error
