"""A series of requests that uses each operation and causes each of its errors."""

from collections.abc import Iterator

import httpx

from operations import OPERATIONS

# Streams do not end.
STREAMS = ("/events", "/sessions/{}/events")
NOBODY = "00000000-0000-4000-8000-000000000000"


def exchanges(client: httpx.Client) -> Iterator[httpx.Response]:
    """The responses to all requests; the base URL of `client` is that of the contract, or of a proxy in front of it."""
    session_id = client.post("/sessions", json={"name": "Exchanges"}).json()["id"]
    yield client.post(f"/sessions/{session_id}/messages", json={"content": "The first message", "role": "user"})
    for method, template, body in OPERATIONS:
        if template not in STREAMS:
            path = one_segment(template).replace("{}", session_id)
            yield from _wrong(client, method, path, body)
            if "{}" in template:
                yield _send(client, method, path.replace(session_id, NOBODY), body)
            yield _send(client, method, path, body)
    yield client.get("/sessions?limit=1")


def one_segment(path: str) -> str:
    """A path in which a name with slashes is a single segment, as generated clients send it."""
    for name in ("a/b", "a/tool/b"):
        path = path.replace(name, name.replace("/", "%2F"))
    return path


def _wrong(client: httpx.Client, method: str, path: str, body: object) -> Iterator[httpx.Response]:
    """Requests that the operation rejects: an unknown parameter, a failed precondition, bodies of a wrong type."""
    yield _send(client, method, f"{path}{'&' if '?' in path else '?'}unknown=1", body)
    if method in {"PATCH", "PUT"}:
        yield client.request(method, path, json=body, headers={"If-Match": '"0"'})
    if isinstance(body, dict):
        yield client.request(method, path, json=[])
        yield client.request(method, path, json={"unknown": 1})
        # Prism sends no response to a request with invalid JSON.
        yield client.request(method, path, content=b"x", headers={"Content-Type": "text/html"})


def _send(client: httpx.Client, method: str, path: str, body: object) -> httpx.Response:
    if isinstance(body, bytes):
        media = "application/octet-stream" if path.startswith("/files") else "application/x-ndjson"
        return client.request(method, path, content=body, headers={"Content-Type": media})
    return client.request(method, path, json=body)
