"""Labels, archived and pinned sessions over HTTP, and lists filtered by them."""

from typing import Any
from uuid import uuid4

import httpx
import pytest


@pytest.fixture
def project() -> str:
    """A label that no other session has."""
    return f"project:{uuid4()}"


def create(client: httpx.Client, project: str, **members: Any) -> dict[str, Any]:
    key, value = project.split(":")
    created = client.post("/sessions", json={"labels": {key: value, **members.pop("labels", {})}, **members})
    assert created.status_code == 201, created.text
    session: dict[str, Any] = created.json()
    return session


def listed_ids(client: httpx.Client, **query: Any) -> list[str]:
    response = client.get("/sessions", params=query)
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()]


def test_labels_are_merged_and_removed(client: httpx.Client, project: str) -> None:
    session = create(client, project, labels={"topic": "x"})
    path = f"/sessions/{session['id']}"
    patch = {"labels": {"topic": None, "é": "1:2"}, "pinned": True, "archived": True}
    patched = client.patch(path, json=patch, headers={"Content-Type": "application/merge-patch+json"}).json()
    assert patched["labels"] == {"project": project.removeprefix("project:"), "é": "1:2"}
    assert (patched["pinned"], patched["archived"], patched["version"]) == (True, True, 2)
    assert client.get(path).json() == patched
    patched = client.patch(path, json={"labels": {"project": None, "é": None}, "pinned": False, "archived": False})
    assert not {"labels", "pinned", "archived"} & patched.json().keys()


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [
        ({"a:b": "x"}, "/labels/a:b"),
        ({"": "x"}, "/labels/"),
        ({"a": ""}, "/labels/a"),
        ({"a": "x" * 201}, "/labels/a"),
        ({"a": "x\n"}, "/labels/a"),
        ({"a": 1}, "/labels/a"),
        ({"x" * 201: "x"}, f"/labels/{'x' * 201}"),
        ({str(number): "x" for number in range(65)}, "/labels"),
        (["a"], "/labels"),
    ],
)
def test_invalid_labels_are_refused(client: httpx.Client, labels: object, pointer: str) -> None:
    session = client.post("/sessions").json()
    for response in (
        client.post("/sessions", json={"labels": labels}),
        client.patch(f"/sessions/{session['id']}", json={"labels": labels}),
    ):
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer), response.text


def test_sessions_are_listed_by_repeated_parameters(client: httpx.Client, project: str) -> None:
    first = create(client, project, labels={"topic": "a:b"}, name="b")["id"]
    second = create(client, project, archived=True, name="A")["id"]
    third = create(client, project, pinned=True)["id"]
    client.post(f"/sessions/{first}/start")
    client.post(f"/sessions/{second}/start")
    client.post(f"/sessions/{second}/complete")
    fork = client.post(f"/sessions/{third}/fork").json()["id"]
    everything = [fork, second, first, third]
    assert listed_ids(client, label=project) == everything
    assert listed_ids(client, label=[project, "topic"]) == [first]
    assert listed_ids(client, label=[project, "topic:a:b"]) == [first]
    assert listed_ids(client, label=[project, "topic:a"]) == []
    assert listed_ids(client, label=project, archived="false") == [fork, first, third]
    assert listed_ids(client, label=project, archived="true") == [second]
    assert listed_ids(client, label=project, pinned="true") == [third]
    assert listed_ids(client, label=project, status=["active", "completed"]) == [second, first]
    assert listed_ids(client, label=project, status="created") == [fork, third]
    assert listed_ids(client, label=project, roots="true") == [second, first, third]
    assert listed_ids(client, ids=[third, first.upper(), str(uuid4())]) == [first, third]
    assert listed_ids(client, label=project, sort="name") == [second, first, *sorted([third, fork])]


def test_total_is_counted_on_request(client: httpx.Client, project: str) -> None:
    for _ in range(3):
        create(client, project)
    response = client.get("/sessions", params={"label": project, "limit": 1, "total": "true"})
    assert (len(response.json()), response.headers["x-total-count"]) == (1, "3")
    after = client.get(response.url.join(response.links["next"]["url"]))
    assert (len(after.json()), after.headers["x-total-count"]) == (1, "3")
    assert client.get("/sessions", params={"label": project, "total": "true"}).headers["x-total-count"] == "3"
    assert "x-total-count" not in client.get("/sessions", params={"label": project, "limit": 1}).headers


@pytest.mark.parametrize(
    "query",
    [
        "label=",
        "label=:x",
        "label=x:",
        "label=a%00b",
        "label=a&label=b&label=c&label=d&label=e",
        f"status={'&status='.join(['active'] * 6)}",
        "status=active,created",
        "status=",
        "ids=x",
        "archived=1",
        "archived=true&archived=true",
        "sort=names",
        f"ids={'&ids='.join(str(uuid4()) for _ in range(51))}",
    ],
)
def test_invalid_filter_is_refused(client: httpx.Client, query: str) -> None:
    response = client.get(f"/sessions?{query}")
    assert response.status_code == 400
    assert response.json()["detail"].startswith(f"Query parameter '{query.partition('=')[0]}' is ")


def test_list_has_the_last_message(client: httpx.Client, project: str) -> None:
    session = create(client, project)
    path = f"/sessions/{session['id']}/messages"
    sent = client.post(path, json={"content": "😀" * 300, "role": "assistant"}).json()
    [listed] = client.get("/sessions", params={"label": project}).json()
    expected = {"role": "assistant", "timestamp": sent["timestamp"], "content": "😀" * 200}
    assert listed["lastMessage"] == expected


def test_search_is_filtered_by_labels_and_times(client: httpx.Client, project: str) -> None:
    old = create(client, project, labels={"topic": "x"}, created_at="2020-01-01T00:00:00Z")
    sessions = [create(client, project), old]
    for session in sessions:
        client.post(f"/sessions/{session['id']}/messages", json={"content": "labelledword"})

    def hits(**query: Any) -> list[str]:
        response = client.get("/search", params={"q": "labelledword", "label": project, **query})
        assert response.status_code == 200, response.text
        return [hit["sessionId"] for hit in response.json()]

    first, second = (session["id"] for session in sessions)
    assert sorted(hits()) == sorted([first, second])
    assert hits(label=[project, "topic:x"]) == [second]
    assert hits(created_after="2021-01-01T00:00:00+01:00") == [first]
    assert hits(created_before="2021-01-01T00:00:00.000000000Z") == [second]
    assert hits(updated_before="2021-01-01T00:00:00Z") == []
    assert hits(updated_after="2021-01-01T00:00:00Z") == hits()
