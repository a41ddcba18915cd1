"""Where a database is, as a person may read it."""

import re

# Up to the last @ of the address: a password may have one that is not encoded.
_PASSWORD = re.compile(r"(?<=://)([^/?#:@]*):[^/?#]*@")


def without_password(url: str) -> str:
    """The URL of a database without the password in it."""
    return re.sub(r"([?&]password=)[^&#]*", r"\1…", _PASSWORD.sub(r"\1:…@", url))
