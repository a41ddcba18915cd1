"""The session operations over a real socket."""

from uuid import uuid4

import httpx
import pytest

ID = "019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11"


def test_creation_returns_the_location(client: httpx.Client) -> None:
    created = client.post("/sessions", json={"context": {"a": 1}})
    assert created.status_code == 201
    assert created.headers["location"] == f"sessions/{created.json()['id']}"
    assert client.get(f"/sessions/{created.json()['id']}").json() == created.json()


def test_create_needs_no_body(client: httpx.Client) -> None:
    created = client.post("/sessions")
    assert created.status_code == 201
    session = created.json()
    assert (session["profile"], session["context"], session["amplifiedDir"]) == ("default", {}, ".")


def test_pages_are_linked(client: httpx.Client) -> None:
    for _ in range(7):
        client.post("/sessions")
    whole = client.get("/sessions").json()
    paged = []
    page = client.get("/sessions", params={"limit": 3})
    while True:
        assert len(page.json()) <= 3
        paged += page.json()
        if "next" not in page.links:
            break
        page = client.get(page.url.join(page.links["next"]["url"]))
    assert paged == whole
    assert len(whole) >= 7


def test_list_without_limit_has_no_link(client: httpx.Client) -> None:
    assert "link" not in client.get("/sessions").headers


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/sessions/{}", None),
        ("DELETE", "/sessions/{}", None),
        ("POST", "/sessions/{}/resume", None),
        ("GET", "/sessions/{}/messages", None),
        ("POST", "/sessions/{}/messages", {"content": "x"}),
    ],
)
@pytest.mark.parametrize("unknown", [ID, "non-existent-session-id", "%2e%2e", "é", "a%00b", "'", "%2Fetc"])
def test_operation_on_an_unknown_session_is_404(
    client: httpx.Client, method: str, path: str, body: object, unknown: str
) -> None:
    response = client.request(method, path.format(unknown), json=body)
    assert response.status_code == 404
    plain = httpx.URL("/" + unknown).path.removeprefix("/")
    assert response.json()["detail"] == f"Session {plain} not found"
    assert response.json()["type"] == "urn:amplifierd:problem:session-not-found"


def test_deleting_twice_is_404(client: httpx.Client) -> None:
    path = f"/sessions/{client.post('/sessions').json()['id']}"
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404


def test_resume_moves_the_session_to_the_front(client: httpx.Client) -> None:
    first = client.post("/sessions").json()
    client.post("/sessions")
    resumed = client.post(f"/sessions/{first['id']}/resume").json()
    assert resumed["updatedAt"] > first["updatedAt"]
    assert client.get("/sessions", params={"limit": 1}).json()[0]["id"] == first["id"]


def test_id_in_capitals_is_the_same_when_sent_again(client: httpx.Client) -> None:
    session_id = client.post("/sessions").json()["id"]
    capitals = session_id.upper()
    headers = {"Idempotency-Key": f"capitals-{session_id}"}
    first = client.post(f"/sessions/{session_id}/messages", json={"content": "x"}, headers=headers)
    again = client.post(f"/sessions/{capitals}/messages", json={"content": "x"}, headers=headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    fork = client.post(f"/sessions/{capitals}/fork").json()
    assert fork["parentSessionId"] == session_id
    assert [each["id"] for each in client.get(f"/sessions?parent_session_id={capitals}").json()] == [fork["id"]]
    assert client.get(f"/search?q=x&session_id={capitals}").json()[0]["sessionId"] == session_id
    found = client.get(f"/sessions/{capitals}")
    assert found.json()["id"] == session_id
    headers = {"If-Match": found.headers["etag"]}
    assert client.delete(f"/sessions/{capitals}", headers=headers).status_code == 204
    assert client.get(f"/sessions/{session_id}").status_code == 404


def test_import_takes_ids_of_any_version_and_in_capitals(client: httpx.Client) -> None:
    session_id = client.post("/sessions").json()["id"]
    other = str(uuid4())
    body = client.get(f"/sessions/{session_id}/export").text.replace(session_id, other.upper())
    headers = {"Content-Type": "application/x-ndjson"}
    assert client.post("/import", content=body, headers=headers).json()["sessions"] == 1
    assert client.get(f"/sessions/{other}").json()["id"] == other
    assert client.get("/export").status_code == 200
