"""Options that select sessions, named like the parameters of `listSessions`."""

from collections.abc import Callable
from typing import Any, get_args
from uuid import UUID

import click

from ...storage.model.queries import SessionQuery
from ...storage.model.records import SessionStatus

Command = Callable[..., Any]

_MAX_IDS = 50
_MAX_LABELS = 4


def _check_moment(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    # Imported late, because no other command needs the formats.
    from ...formats.history import time_of

    moment = time_of(value)
    if value is not None and moment is None:
        raise click.BadParameter(f"{value!r} is not a time such as 2026-03-01T10:00:00Z.")
    return moment


def check_session_id(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return the id of a session in lower case. Raises `click.BadParameter` if it is invalid."""
    try:
        return None if value is None else str(UUID(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not the id of a session.") from None


def _check_ids(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (check_session_id(context, option, value) for value in values)))


_OPTIONS = (
    click.option(
        "--status", type=click.Choice(get_args(SessionStatus)), multiple=True, help="A status; repeat for several."
    ),
    click.option("--profile", help="Only sessions with this profile."),
    click.option("--amplified-dir", help="Only sessions with this working directory."),
    click.option("--recursive", is_flag=True, help="Include the directories below --amplified-dir."),
    click.option("--parent-session-id", callback=check_session_id, help="Only forks of this session."),
    click.option("--created-after", callback=_check_moment, help="Only sessions created later than this time."),
    click.option("--created-before", callback=_check_moment, help="Only sessions created earlier than this time."),
    click.option("--updated-after", callback=_check_moment, help="Only sessions updated later than this time."),
    click.option("--updated-before", callback=_check_moment, help="Only sessions updated earlier than this time."),
    click.option("--name", help="Only sessions whose name contains this text, ignoring case."),
    click.option("--label", multiple=True, help="A label that sessions have: key, or key:value; repeat for several."),
    click.option("--archived/--no-archived", default=None, help="Only archived sessions, or only others."),
    click.option("--pinned/--no-pinned", default=None, help="Only pinned sessions, or only others."),
    click.option("--roots", is_flag=True, help="Omit forks."),
    click.option("--ids", callback=_check_ids, multiple=True, help="Only sessions with these ids; repeat for several."),
)


def session_filters(command: Command) -> Command:
    """Give a command the options; it gets their values as keyword arguments, for `query_of`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def query_of(label: tuple[str, ...], **filters: Any) -> SessionQuery | None:
    """The query for the options, oldest sessions first; None without any filter.

    Raises `click.UsageError`.
    """
    if len(label) > _MAX_LABELS or len(filters["ids"]) > _MAX_IDS:
        raise click.UsageError(f"At most {_MAX_LABELS} labels and {_MAX_IDS} ids are possible.")
    query = SessionQuery(sort="created_at", labels=label, **filters)
    return None if query == SessionQuery(sort="created_at") else query
