"""PostgreSQL as a backend: the URLs `postgresql://USER@HOST/DATABASE`, or `postgres://`.

The parameters of a URL are those of libpq:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from ..model.backend import Backend, StorageOptions, without_password
from ..model.database_errors import DatabaseUrlInvalid, ReadLine
from ..model.interface import Storage
from ..model.maintenance import Maintenance


class PostgresBackend(Backend):
    """Keeps a database on a server that many machines share."""

    def storage(self, url: str, options: StorageOptions) -> Storage:
        _check(url)
        # Imported here, because the driver is not needed to find the kind of a database.
        from .store import PostgresStorage

        return PostgresStorage(
            url,
            idempotency_ttl=options.idempotency_ttl,
            clock=options.clock,
            upgrade=options.upgrade,
            create=options.create,
            temporary_bytes=options.temporary_bytes,
            installed=options.installed,
            embedder=options.embedder,
            skipped=options.skipped,
        )

    def maintenance(self, url: str, read_line: ReadLine) -> Maintenance:
        _check(url)
        # As above.
        from .maintenance.tasks import PostgresMaintenance

        return PostgresMaintenance(url, read_line)


def _check(url: str) -> None:
    """Raises `DatabaseUrlInvalid` if nothing follows the scheme."""
    if not url.partition("://")[2]:
        raise DatabaseUrlInvalid(without_password(url), "postgresql://USER@HOST/DATABASE")
