"""Options that commands share. Every option is also an environment variable: `--port` is `AMPLIFIERD_PORT`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

FROM_ENVIRONMENT = {"auto_envvar_prefix": "AMPLIFIERD", "show_default": True}


def _default_database() -> str:
    from ..settings import default_database

    return default_database()


database = click.option(
    "--database",
    default=_default_database,
    show_default="a file in your data directory",
    show_envvar=True,
    help="Where conversations are kept: sqlite:///relative/path, sqlite:////absolute/path or "
    "postgresql://user@host/name. Pass the password in PGPASSWORD or a password file (PGPASSFILE), so that no list of "
    "processes shows it.",
)


def _check_hosts(_context: click.Context, _option: click.Parameter, hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if re.fullmatch(r"[A-Za-z0-9._-]+(:[1-9][0-9]{0,4})?", host) is None:
            raise click.BadParameter(f"Invalid host {host!r}: write github.com, or git.example.com:8443.")
    return hosts


collections_path = click.option(
    "--collections-path",
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    show_envvar=True,
    help="A folder that may contain collections and git repositories of collections; repeat for several.",
)

collection_host = click.option(
    "--collection-host",
    multiple=True,
    callback=_check_hosts,
    show_envvar=True,
    help="A host from which collections may be fetched by git over HTTPS; repeat for several.",
)

may_create = click.option(
    "--create/--no-create",
    "may_create",
    default=False,
    help="Create the database if it does not exist. By default that is an error, since the name may be mistyped.",
)


def check_workspace(_context: click.Context, _option: click.Parameter, name: str) -> str:
    """Return the name of a workspace unchanged. Raises `click.BadParameter` if it is invalid."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name) is None:
        raise click.BadParameter(f"Invalid workspace name {name!r}: use lower-case letters, digits and hyphens.")
    return name


workspace = click.option(
    "--workspace", default="default", callback=check_workspace, show_envvar=True, help="The workspace to use."
)


@contextmanager
def sentences() -> Iterator[None]:
    """Report errors of the input or the database in a sentence, without a traceback."""
    from ..contract import Problem
    from ..storage.model.errors import StorageError
    from .copy_database import CopyDiffers
    from .error_messages import message_of

    try:
        yield
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    except CopyDiffers as error:
        raise click.ClickException(str(error)) from error
    except StorageError as error:
        raise click.ClickException(message_of(error)) from error
