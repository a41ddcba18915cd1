"""Leases for sessions that are written in pieces: their messages are invisible until the session itself is written.

Until then the session is in the table `removal`, with a lease that each piece renews. If its writer stops, its messages
are removed when the lease has ended (see removal.py).
"""

from ...model.errors import StorageUnavailable
from ...sql.ports import Bindings, Transaction
from ...sql.statements.removals import ABANDON_WRITING, END_WRITING
from ...sql.statements.sessions import Statements
from . import removal


async def begin(transaction: Transaction, statements: Statements, key: Bindings, writer: str) -> None:
    """Take a lease for `writer` on a session whose first messages are written."""
    await transaction.row(statements.BEGIN_WRITING, key | {"writer": writer, "seconds": removal.LEASE_SECONDS})


async def renew(transaction: Transaction, statements: Statements, key: Bindings, writer: str) -> None:
    """Renew the lease, before the next piece. Raises `StorageUnavailable` if it has ended."""
    row = await transaction.row(statements.RENEW_LEASE, key | {"writer": writer, "seconds": removal.LEASE_SECONDS})
    _check(row is not None)


async def finish(transaction: Transaction, key: Bindings, writer: str) -> None:
    """End the lease and keep the messages, because the session is complete.

    Raises `StorageUnavailable` if the lease has ended already.
    """
    _check(await transaction.row(END_WRITING, key | {"writer": writer}) is not None)


async def abandon(transaction: Transaction, key: Bindings, writer: str) -> bool:
    """End the lease, so that the written messages are removed now. Returns False if the writer had none."""
    return await transaction.row(ABANDON_WRITING, key | {"writer": writer}) is not None


def _check(has_lease: bool) -> None:  # the checked condition
    if not has_lease:
        raise StorageUnavailable(
            f"the write of a session paused for more than {removal.LEASE_SECONDS} seconds; send the request again"
        )
