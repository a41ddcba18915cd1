"""What a connection may ask for, and how long it may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a request may have before its body, in bytes, and how slow a client may be.

    A target has `target_bytes`, or as many as the longest that the application's contract takes.
    A head has to be there in `head_seconds`; of a body, `body_bytes` have to come in each `body_seconds` in which the
    server reads, or its end. Past so many `connections` a new one is refused.
    """

    target_bytes: int = 8 * 1024
    header_bytes: int = 32 * 1024
    headers: int = 100
    head_seconds: float = 10
    body_seconds: float = 30
    body_bytes: int = 30 * 1024
    connections: int = 4_096


LIMITS = Limits()
