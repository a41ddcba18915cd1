"""Where a database is, as a person may read it, and whether there is one."""

import re
from pathlib import Path

from .database_errors import DatabaseMissing, MaintenanceRefused

# Up to the last @ of the address: a password may have one that is not encoded.
_PASSWORD = re.compile(r"(?<=://)([^/?#:@]*):[^/?#]*@")


def without_password(url: str) -> str:
    """The URL of a database without the password in it."""
    return re.sub(r"([?&]password=)[^&#]*", r"\1…", _PASSWORD.sub(r"\1:…@", url))


def refuse_itself(database: Path, file: Path) -> None:
    """Raises `MaintenanceRefused` where what is to be written to a file would be written over the database."""
    if file.exists() and database.exists() and file.samefile(database):
        raise MaintenanceRefused(f"{file} is the database itself; name another file.")


def refuse_absent(path: Path) -> None:
    """Raises `DatabaseMissing` if there is no file."""
    if not path.exists():
        raise DatabaseMissing(f"There is no database at {path}")
