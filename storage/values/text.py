"""JSON values as the database holds them."""

from msgspec import Raw


def text(value: Raw) -> str:
    """The text of a value."""
    return bytes(value).decode()
