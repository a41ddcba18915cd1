"""Limits for the length of a request's headers, checked before anything parses them.

The parser of a library may take time quadratic in a header's length.
"""

from ..core.problems import Headers, Problem

# In bytes, for all lines with the name together. The contract limits the headers that are its parameters.
MAX_BYTES = {
    b"accept": 1024,
    b"accept-encoding": 1024,
    b"authorization": 1024,
    b"content-type": 256,
    b"content-encoding": 256,
    b"host": 512,
    b"origin": 512,
}

# Most requests have fewer bytes in total than this, so none of their headers can be too long.
UNCHECKED_BYTES = min(MAX_BYTES.values())


def check_headers(headers: Headers) -> None:
    """Raises a 400 problem for a header that is longer than its limit."""
    sizes = dict.fromkeys(MAX_BYTES, 0)
    for name, value in headers:
        if name in sizes:
            sizes[name] += len(value)
    for name, size in sizes.items():
        if size > MAX_BYTES[name]:
            shown = name.decode().title()
            detail = f"Header '{shown}' has {size} bytes; the limit is {MAX_BYTES[name]}."
            raise Problem(400, "header-too-long", detail)
