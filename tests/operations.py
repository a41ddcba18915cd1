"""Every operation that uses the storage, as a request."""

import httpx

OPERATIONS = [
    ("POST", "/sessions", {}),
    ("GET", "/sessions", None),
    ("GET", "/sessions?limit=1", None),
    ("GET", "/sessions/{}", None),
    ("PATCH", "/sessions/{}", {"name": "x"}),
    ("POST", "/sessions/{}/start", None),
    ("POST", "/sessions/{}/complete", None),
    ("POST", "/sessions/{}/fail", {"error_message": "x"}),
    ("POST", "/sessions/{}/terminate", None),
    ("POST", "/sessions/{}/resume", None),
    ("POST", "/sessions/{}/fork", None),
    ("GET", "/sessions/{}/lineage", None),
    ("GET", "/sessions/{}/profile", None),
    ("POST", "/profiles", {"name": "x"}),
    ("GET", "/profiles", None),
    ("GET", "/profiles/active", None),
    ("DELETE", "/profiles/active", None),
    ("GET", "/profiles/a/b", None),
    ("PATCH", "/profiles/a/b", {"version": "2"}),
    ("DELETE", "/profiles/a/b", None),
    ("POST", "/profiles/a/b/activate", None),
    ("POST", "/profiles/a/b/copy", {"new_name": "y"}),
    ("POST", "/collections", {"identifier": "x", "source": "/x"}),
    ("GET", "/collections", None),
    ("POST", "/collections/sync", None),
    ("GET", "/collections/x", None),
    ("POST", "/collections/x/sync", None),
    ("DELETE", "/collections/x", None),
    ("POST", "/amplified-directories", {"relative_path": "x"}),
    ("GET", "/amplified-directories", None),
    ("POST", "/amplified-directories/scan", None),
    ("GET", "/amplified-directories/a/b", None),
    ("PATCH", "/amplified-directories/a/b", {"metadata": {"x": 1}}),
    ("DELETE", "/amplified-directories/a/b", None),
    ("POST", "/sessions/{}/messages", {"content": "x"}),
    ("POST", "/sessions/{}/messages/batch", {"messages": [{"content": "x"}]}),
    ("GET", "/sessions/{}/messages", None),
    ("GET", "/sessions/{}/messages/1", None),
    ("PATCH", "/sessions/{}/messages/1", {"content": "x"}),
    ("DELETE", "/sessions/{}/messages/1", None),
    ("GET", "/sessions/{}/events", None),
    ("GET", "/events", None),
    ("GET", "/sessions/{}/transcript", None),
    ("GET", "/export", None),
    ("GET", "/sessions/{}/export", None),
    ("GET", "/sessions/{}/export?format=openai", None),
    ("GET", "/sessions/{}/export?format=html", None),
    ("GET", "/search?q=x", None),
    ("POST", "/sessions/cleanup", {"older_than_days": 0}),
    ("POST", "/sessions/delete", {"filter": {"archived": True}}),
    ("POST", "/import", b'{"header":{"format":"amplifierd-export","version":1}}'),
    ("POST", "/files", b"x"),
    ("GET", "/files", None),
    ("GET", f"/files/{'0' * 64}", None),
    ("DELETE", f"/files/{'0' * 64}", None),
    ("DELETE", "/sessions/{}", None),
    ("GET", "/health", None),
]


def send(client: httpx.Client, operation: tuple[str, str, object], session_id: str) -> httpx.Response:
    """What the operation answers for a session."""
    method, template, body = operation
    if isinstance(body, bytes):
        return client.request(method, template, content=body, headers={"Content-Type": "application/x-ndjson"})
    return client.request(method, template.format(session_id), json=body)
