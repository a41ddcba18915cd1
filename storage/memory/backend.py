"""Memory as a backend: the URLs `memory://` and `memory://NAME`."""

import re

from ..model.backend import Backend, StorageOptions
from ..model.database_errors import DatabaseUrlInvalid
from ..model.interface import Storage
from .contents import Database
from .store import MemoryStorage

_NAME = re.compile(r"[\w.-]*")
# Like a file, a database with a name outlives the storages that open it, so it is kept here for the whole process.
_databases: dict[str, Database] = {}


class MemoryBackend(Backend):
    """Keeps databases in memory: one without a name belongs to one storage, others are shared within the process."""

    is_of_one_process = True

    def storage(self, url: str, options: StorageOptions) -> Storage:
        name = url.partition("://")[2]
        if not _NAME.fullmatch(name):
            raise DatabaseUrlInvalid(url, "memory:// or memory://NAME")
        return MemoryStorage(_databases.setdefault(name, Database()) if name else Database(), options)
