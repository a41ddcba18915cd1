"""A session to which no test may write."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx


@contextmanager
def empty_session(client: httpx.Client) -> Iterator[str]:
    """The id of a new session. At the end, the session must be empty and the server healthy."""
    created = client.post("/sessions", json={}).json()["id"]
    yield created
    assert client.get(f"/sessions/{created}").json()["messageCount"] == 0
    assert client.get("/health").status_code == 200
