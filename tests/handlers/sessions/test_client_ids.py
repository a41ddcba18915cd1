"""Client-assigned ids and times over HTTP: accepted in any spelling; a conflict names what exists."""

from uuid import uuid4

import httpx
import pytest


def test_existing_session_id_is_a_conflict_with_the_session(client: httpx.Client) -> None:
    session_id = str(uuid4())
    created = client.post("/sessions", json={"id": session_id.upper(), "name": "Mine", "context": {"a": 1}})
    assert (created.status_code, created.json()["id"]) == (201, session_id)
    assert created.headers["location"] == f"sessions/{session_id}"
    again = client.post("/sessions", json={"id": session_id})
    assert again.status_code == 409
    problem = again.json()
    assert problem["type"] == "urn:amplifierd:problem:session-id-in-use"
    assert problem["detail"].startswith(f"Session {session_id} already exists; read it (getSession)")
    existing = created.json()
    del existing["context"]
    assert problem["session"] == existing


@pytest.mark.parametrize(
    "session_id",
    [
        "x",
        "",
        "42a886a4-eb65-11f1-a2f0-02fc0000000",
        "d334bd1ee9f0438f982c10d4ed63b748",
        1,
        "urn:uuid:cf1fe86d-d474-43a1-9249-ae492d65290c",
        None,
    ],
)
def test_session_id_other_than_a_uuid_is_refused(client: httpx.Client, session_id: object) -> None:
    response = client.post("/sessions", json={"id": session_id})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/id")


def test_replay_with_a_client_id_is_not_a_conflict(client: httpx.Client) -> None:
    body, headers = {"id": str(uuid4())}, {"Idempotency-Key": str(uuid4())}
    sent = [client.post("/sessions", json=body, headers=headers) for _ in range(2)]
    assert [each.status_code for each in sent] == [201, 201]
    assert sent[0].json() == sent[1].json()
    assert sent[1].headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2023-03-01T10:00:00+01:00", "2023-03-01T09:00:00.000000Z"),
        ("2023-03-01t09:00:00.123456789z", "2023-03-01T09:00:00.123456Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
    ],
)
def test_own_times_are_accepted_in_any_spelling(client: httpx.Client, sent: str, stored: str) -> None:
    session = client.post("/sessions", json={"created_at": sent}).json()
    assert session["createdAt"] == stored < session["updatedAt"]
    path = f"/sessions/{session['id']}/messages"
    message = client.post(path, json={"content": "a", "timestamp": sent})
    assert (message.status_code, message.json()["timestamp"]) == (201, stored)
    batch = client.post(f"{path}/batch", json={"messages": [{"content": "b"}, {"content": "c", "timestamp": sent}]})
    later, own = batch.json()["messages"]
    assert own["timestamp"] == stored < later["timestamp"]


@pytest.mark.parametrize("sent", ["2023-03-01", "2023-03-01T10:00:00", "yesterday", 1, "", None])
def test_invalid_own_time_is_refused(client: httpx.Client, sent: object) -> None:
    response = client.post("/sessions", json={"created_at": sent})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/created_at")
    path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
    response = client.post(path, json={"content": "a", "timestamp": sent})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/timestamp")


def test_message_is_found_by_its_own_id(client: httpx.Client) -> None:
    path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
    client.post(path, json={"content": "a"})
    sent = client.post(path, json={"content": "b", "id": "msg & é/1"}).json()
    assert sent["id"] == "msg & é/1"
    assert client.get(path, params={"id": "msg & é/1"}).json()["messages"] == [sent]
    assert client.get(path, params={"id": "msg & é/1", "limit": 1}).json()["messages"] == [sent]
    assert client.get(path, params={"id": "unknown"}).json()["messages"] == []
    assert client.get(path, params={"id": ""}).status_code == 400
    assert client.get(path, params={"id": "x" * 201}).status_code == 400


def test_message_id_in_use_is_409_with_its_sequence(client: httpx.Client) -> None:
    session_id = client.post("/sessions").json()["id"]
    path = f"/sessions/{session_id}/messages"
    client.post(path, json={"content": "a"})
    headers = {"Idempotency-Key": str(uuid4())}
    sent = [client.post(path, json={"content": "b", "id": "m"}, headers=headers) for _ in range(2)]
    assert [each.status_code for each in sent] == [201, 201]
    again = client.post(path, json={"content": "b", "id": "m"})
    assert (again.status_code, again.json()["sequence"]) == (409, 2)
    assert again.json()["type"] == "urn:amplifierd:problem:message-id-in-use"
    assert again.json()["detail"].startswith(f"Message 2 of session {session_id} already has the id 'm'; read it")
    batch = client.post(f"{path}/batch", json={"messages": [{"content": "c", "id": "n"}, {"content": "d", "id": "n"}]})
    assert (batch.status_code, batch.json()["errors"]) == (
        422,
        [{"pointer": "/messages/1/id", "detail": "is the id of /messages/0 as well"}],
    )
    for invalid in ("", "x" * 201, "a\nb", 1):
        response = client.post(path, json={"content": "c", "id": invalid})
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/id")
