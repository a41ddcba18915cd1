"""Search and cleanup over a real socket, and on the command line."""

from uuid import uuid4

import httpx
import pytest

from daemon import Daemon
from fork_server import run_amplifierd

SAID = ["The quick brown fox", "A quick one", "needle in <hay>"]


@pytest.fixture(scope="module")
def session_id(daemon: Daemon) -> str:
    """A session with messages."""
    with daemon.client() as client:
        client.post("/profiles", json={"name": "a/b"})
        created: str = client.post("/sessions", json={"profile": "a/b"}).json()["id"]
        client.post(f"/sessions/{created}/messages/batch", json={"messages": [{"content": text} for text in SAID]})
    return created


def test_messages_are_found(client: httpx.Client, session_id: str) -> None:
    [hit] = client.get("/search", params={"q": "needle"}).json()
    assert hit.pop("score") > 0.4
    snippet = "<mark>needle</mark> in &lt;hay&gt;"
    assert hit == {"sessionId": session_id, "sequence": 3, "role": "user", "snippet": snippet}
    assert client.get("/search", params={"q": "needle", "profile": "default"}).json() == []


def test_hits_are_paged(client: httpx.Client, session_id: str) -> None:
    first = client.get("/search", params={"q": "quick", "limit": 1, "session_id": session_id})
    second = client.get(first.url.join(first.links["next"]["url"]))
    assert [response.json()[0]["sequence"] for response in (first, second)] == [2, 1]
    assert "next" not in second.links


@pytest.mark.parametrize("q", ['"', "*", "'", "a AND", "(", "\\", "%00", "NEAR(a b, 2)", "-x", "🙂", "x" * 1000])
def test_search_accepts_any_text(client: httpx.Client, q: str) -> None:
    assert client.get("/search", params={"q": q}).status_code == 200


def test_query_needs_a_text(client: httpx.Client) -> None:
    assert client.get("/search").json()["detail"] == "Query parameter 'q' is required."
    assert client.get("/search", params={"q": ""}).status_code == 400
    assert client.get("/search", params={"q": "x" * 1001}).status_code == 400
    assert client.get("/search", params={"q": "x", "role": "robot"}).status_code == 400


def test_old_sessions_are_cleaned_up(client: httpx.Client, session_id: str) -> None:
    ended = client.post("/sessions").json()["id"]
    client.post(f"/sessions/{ended}/start")
    client.post(f"/sessions/{ended}/complete")
    would = client.post("/sessions/cleanup", json={"older_than_days": 0}).json()
    assert would == {"dryRun": True, "sessions": 1, "messages": 0, "sessionIds": [ended]}
    young = client.post("/sessions/cleanup", json={"older_than_days": 1, "dry_run": False}).json()
    assert young == {"dryRun": False, "sessions": 0, "messages": 0, "sessionIds": []}
    done = client.post("/sessions/cleanup", json={"older_than_days": 0, "dry_run": False}).json()
    assert done == would | {"dryRun": False}
    assert client.get(f"/sessions/{ended}").status_code == 404
    assert client.get(f"/sessions/{session_id}").status_code == 200


def test_sessions_are_deleted_by_filters(client: httpx.Client, session_id: str) -> None:
    archived = [client.post("/sessions", json={"archived": True}).json()["id"] for _ in range(3)]
    body: dict[str, object] = {"filter": {"archived": True, "ids": [*archived[:2], session_id, str(uuid4())]}}
    would = client.post("/sessions/delete", json=body).json()
    assert would == {"dryRun": True, "sessions": 2, "messages": 0, "sessionIds": archived[:2]}
    done = client.post("/sessions/delete", json=body | {"dry_run": False}).json()
    assert done == would | {"dryRun": False}
    assert [client.get(f"/sessions/{each}").status_code for each in (*archived, session_id)] == [
        404,
        404,
        200,
        200,
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/filter"),
        ({"filter": {}}, "/filter"),
        ({"filter": {"status": [], "label": [], "ids": []}}, "/filter"),
        ({"filter": {"roots": False, "recursive": True}, "dry_run": False}, "/filter"),
        ({"filter": {"id": "a"}}, "/filter/id"),
        ({"filter": {"ids": ["a"]}}, "/filter/ids/0"),
        ({"filter": {"created_after": "yesterday"}}, "/filter/created_after"),
    ],
)
def test_deletion_needs_a_filter(client: httpx.Client, body: dict[str, object], pointer: str) -> None:
    refused = client.post("/sessions/delete", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    "body",
    [{}, {"older_than_days": -1}, {"older_than_days": 0, "status": []}, {"older_than_days": 0, "status": ["old"]}],
)
def test_cleanup_requires_an_age(client: httpx.Client, body: dict[str, object]) -> None:
    assert client.post("/sessions/cleanup", json=body).status_code == 422
    assert client.get("/sessions/cleanup").status_code == 405


def test_command_line_cleans_up(daemon: Daemon, client: httpx.Client) -> None:
    ended = client.post("/sessions").json()["id"]
    client.post(f"/sessions/{ended}/messages", json={"content": "x"})
    client.post(f"/sessions/{ended}/fail", json={"error_message": "x"})
    command = ["cleanup", "--database", daemon.database, "--older-than-days", "0"]
    would = run_amplifierd(*command)
    assert would.stdout == "This would delete 1 session with 1 message; use --no-dry-run to delete.\n"
    done = run_amplifierd(*command, "--no-dry-run", "--status", "failed")
    assert done.stdout == "Deleted 1 session with 1 message.\n"
    assert client.get(f"/sessions/{ended}").status_code == 404
