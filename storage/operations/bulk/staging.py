"""Sessions that are written in pieces: their messages are invisible until the session itself is written, at the end.

Meanwhile such a session is in the table `removal`, with a lease that each piece renews. If its writer stops, its
messages are removed when the lease has ended (see removal.py).
"""

from ...model.errors import StorageUnavailable
from ...sql.ports import Bindings, Transaction
from ...sql.statements.removals import ABANDON_WRITING, END_WRITING
from ...sql.statements.sessions import Statements
from . import removal


async def begin(transaction: Transaction, statements: Statements, key: Bindings, writer: str) -> None:
    """Take a lease for a session of which some messages are written."""
    await transaction.row(statements.BEGIN_WRITING, key | {"writer": writer, "seconds": removal.LEASE_SECONDS})


async def renew(transaction: Transaction, statements: Statements, key: Bindings, writer: str) -> None:
    """Renew the lease, before the next piece. Raises `StorageUnavailable` if it has ended."""
    row = await transaction.row(statements.RENEW_LEASE, key | {"writer": writer, "seconds": removal.LEASE_SECONDS})
    _check(row is not None)


async def finish(transaction: Transaction, key: Bindings, writer: str) -> None:
    """Keep the messages: the session is complete. Raises `StorageUnavailable` if the lease has ended."""
    _check(await transaction.row(END_WRITING, key | {"writer": writer}) is not None)


async def abandon(transaction: Transaction, key: Bindings, writer: str) -> bool:
    """Let the written messages be removed now."""
    return await transaction.row(ABANDON_WRITING, key | {"writer": writer}) is not None


def _check(is_held: bool) -> None:  # the checked condition
    if not is_held:
        raise StorageUnavailable(
            f"a session was not written on for {removal.LEASE_SECONDS} seconds; send the request again"
        )
