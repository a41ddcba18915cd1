"""Where a database is, as a person may read it, and whether there is one."""

import re
from pathlib import Path

from .errors import DatabaseUnusable

# Up to the last @ of the address: a password may have one that is not encoded.
_PASSWORD = re.compile(r"(?<=://)([^/?#:@]*):[^/?#]*@")


def without_password(url: str) -> str:
    """The URL of a database without the password in it."""
    return re.sub(r"([?&]password=)[^&#]*", r"\1…", _PASSWORD.sub(r"\1:…@", url))


def refuse_absent(path: Path) -> None:
    """Raises `DatabaseUnusable` where there is no file."""
    if not path.exists():
        raise DatabaseUnusable(f"There is no database at {path}; name another.")
