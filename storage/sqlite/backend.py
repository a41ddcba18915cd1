"""SQLite as a backend: the URLs `sqlite:///PATH`."""

from pathlib import Path

from ..model.backend import Backend, StorageOptions
from ..model.database_errors import DatabaseUrlInvalid, HomeMissing, MemoryNotShared, ReadLine
from ..model.interface import Storage
from ..model.maintenance import Maintenance


class SQLiteBackend(Backend):
    """Keeps a database in one file."""

    def storage(self, url: str, options: StorageOptions) -> Storage:
        path = self.file(url)
        # Imported here, because `file` does not need the driver.
        from .store import SQLiteStorage

        return SQLiteStorage(
            str(path),
            idempotency_ttl=options.idempotency_ttl,
            clock=options.clock,
            upgrade=options.upgrade,
            create=options.create,
            single_machine=options.single_machine,
            temporary_bytes=options.temporary_bytes,
            installed=options.installed,
            embedder=options.embedder,
            skipped=options.skipped,
        )

    def maintenance(self, url: str, read_line: ReadLine) -> Maintenance:
        # As above.
        from .maintenance.tasks import SQLiteMaintenance

        return SQLiteMaintenance(self.file(url), read_line)

    def file(self, url: str) -> Path:
        path = url.partition("://")[2]
        if path == "/:memory:":
            raise MemoryNotShared
        if not path.startswith("/") or path == "/":
            raise DatabaseUrlInvalid(url, "sqlite:///PATH")
        try:
            return Path(path[1:]).expanduser()
        except RuntimeError as error:
            raise HomeMissing(url) from error
