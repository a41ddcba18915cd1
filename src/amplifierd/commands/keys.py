"""`amplifierd keys`: access to a database and its workspaces."""

import asyncio
import re
from typing import get_args

import click

from ..storage import open_existing, open_storage
from ..storage.model.workspaces import Key, Scope
from ..storage.values.clock import Clock
from .options import FROM_ENVIRONMENT, database, may_create, sentences, workspace

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_HEAD = ("id", "name", "workspace", "scope", "created", "expires", "state")


def _seconds(_context: click.Context, _option: click.Parameter, duration: str | None) -> float | None:
    if duration is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", duration)
    if match is None:
        raise click.BadParameter(f"Invalid duration {duration!r}: write 90d, 12h, 30m or 60s.")
    return float(match[1]) * _UNITS[match[2]]


def _check_name(_context: click.Context, _option: click.Parameter, name: str) -> str:
    # A list of keys has one key on each line.
    if not (name.strip() and name.isprintable()):
        raise click.BadParameter(f"Invalid name {name!r}: write what the key is for, in one line.")
    return name


@click.group()
def keys() -> None:
    """Manage the keys of a database. Once it has a key, every request needs one."""


@keys.command(context_settings=FROM_ENVIRONMENT)
@click.option("--name", required=True, callback=_check_name, help="What the key is for; shown in the list of keys.")
@workspace
@click.option(
    "--scope",
    type=click.Choice(get_args(Scope)),
    default="write",
    help="What it allows: read allows reading; write, also changing; admin, also importing and cleaning up.",
)
@click.option("--expires", callback=_seconds, help="When it expires, from now: 90d, 12h, 30m or 60s. [default: never]")
@database
@may_create
def create(database: str, name: str, workspace: str, scope: Scope, expires: float | None, *, may_create: bool) -> None:
    """Create a key and write it to standard output. It cannot be shown again: the database keeps only its SHA-256."""
    from ..auth import new_key

    text, key = new_key(name, workspace, scope, expires)

    async def keep() -> tuple[Key, bool]:
        async with open_storage(database, upgrade=False, create=may_create) as storage:
            is_first = not await storage.has_keys()
            return await storage.create_key(key), is_first

    with sentences():
        record, is_first = asyncio.run(keep())
    if is_first:
        click.echo("This is the first key of the database: from now on, every request needs a key.", err=True)
    click.echo(
        f"Key {record.id} opens workspace {workspace} for scope {scope}, until {record.expires_at or 'revoked'}:",
        err=True,
    )
    click.echo(text)


@keys.command("list", context_settings=FROM_ENVIRONMENT)
@database
def list_keys(database: str) -> None:
    """List all keys."""

    async def read() -> list[Key]:
        async with open_existing(database) as storage:
            return await storage.list_keys()

    with sentences():
        found = asyncio.run(read())
    moment = Clock().now()
    rows = [_HEAD, *(_row(key, moment) for key in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@keys.command(context_settings=FROM_ENVIRONMENT)
@click.argument("key_id", metavar="ID")
@database
def revoke(database: str, key_id: str) -> None:
    """Revoke the key with this id. Every process refuses it within a second."""

    async def change() -> Key:
        async with open_existing(database) as storage:
            return await storage.revoke_key(key_id)

    with sentences():
        revoked = asyncio.run(change())
    click.echo(f"Key {revoked.id} ({revoked.name}) was revoked at {revoked.revoked_at}.")


def _row(key: Key, moment: str) -> tuple[str, ...]:
    state = "revoked" if key.revoked_at else "valid" if key.is_valid(moment) else "expired"
    return key.id, key.name, key.workspace, key.scope, key.created_at, key.expires_at or "never", state
