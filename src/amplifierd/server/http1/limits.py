"""The limits of a connection: sizes and times."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Size limits for requests without their bodies, in bytes, and limits for slow clients.

    A target has at most `target_bytes`, or the length of the longest target that the application's contract accepts.
    A head must arrive within `head_seconds`. While the server reads a body, `body_bytes` of it or its end must come in
    each `body_seconds`. A client that reads none of the waiting data for `read_seconds` is disconnected. The server
    refuses more than `connections` connections.
    """

    target_bytes: int = 8 * 1024
    header_bytes: int = 32 * 1024
    headers: int = 100
    head_seconds: float = 10
    body_seconds: float = 30
    body_bytes: int = 30 * 1024
    read_seconds: float = 180
    connections: int = 4_096


LIMITS = Limits()
