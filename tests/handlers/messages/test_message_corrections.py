"""Corrections of messages over HTTP: patches, tombstones, preconditions, events, documents."""

from collections.abc import Callable

import httpx


def test_patch_returns_the_new_version(client: httpx.Client, new_session: Callable[..., str]) -> None:
    path = f"/sessions/{new_session('one')}/messages/1"
    read = client.get(path)
    assert (read.headers["etag"], "version" in read.json()) == ('"1"', False)
    body = b'{"content": "two", "metadata": {"rating": 5}}'
    headers = {"Content-Type": "application/merge-patch+json", "If-Match": '"1"'}
    patched = client.patch(path, content=body, headers=headers)
    assert (patched.status_code, patched.headers["etag"]) == (200, '"2"')
    assert client.get(path).json() == patched.json()
    assert patched.json() == {
        **read.json(),
        "content": "two",
        "metadata": {"rating": 5},
        "version": 2,
        "editedAt": patched.json()["editedAt"],
    }


def test_versions_are_preconditions(client: httpx.Client, new_session: Callable[..., str]) -> None:
    path = f"/sessions/{new_session('one')}/messages/1"
    assert client.patch(path, json={"content": "two"}).status_code == 200
    assert client.get(path, headers={"If-None-Match": '"2"'}).status_code == 304
    stale = client.get(path, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["detail"]) == (
        412,
        "The message is at version 2, which is not in If-Match.",
    )
    for refused in (
        client.patch(path, json={"content": "three"}, headers={"If-Match": '"1"'}),
        client.delete(path, headers={"If-Match": '"1"'}),
        client.delete(path, headers={"If-None-Match": '"2"'}),
    ):
        assert (refused.status_code, refused.headers["etag"], refused.json()["version"]) == (412, '"2"', 2)
    assert client.get(path).json()["content"] == "two"


def test_deleted_message_stays_as_tombstone(client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("one", "two")
    path = f"/sessions/{session}/messages/2"
    deleted = client.delete(path)
    assert deleted.status_code == 200
    assert (deleted.json()["content"], deleted.json()["sequence"]) == ("", 2)
    assert client.delete(path).json() == client.get(path).json() == deleted.json()
    refused = client.patch(path, json={"content": "x"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:amplifierd:problem:message-deleted")
    [summary] = client.get("/sessions", params={"ids": session}).json()
    assert summary["lastMessage"]["content"] == ""


def test_invalid_corrections_are_explained(client: httpx.Client, new_session: Callable[..., str]) -> None:
    path = f"/sessions/{new_session({'parts': [{'type': 'text', 'text': 'one'}]})}/messages/1"
    refused = client.patch(path, json={"content": "two"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/content")
    many = client.patch(path, json={"metadata": {"a": {str(number): 1 for number in range(99_990)}}})
    assert many.status_code == 200
    too_many = client.patch(path, json={"metadata": {"b": {str(number): 1 for number in range(99_990)}}})
    assert (too_many.status_code, "more than 100000 values" in too_many.json()["detail"]) == (422, True)


def test_transcript_shows_corrections(client: httpx.Client, new_session: Callable[..., str]) -> None:
    path = f"/sessions/{new_session('one', 'two')}"
    client.patch(f"{path}/messages/1", json={"content": "edited text"}).raise_for_status()
    client.delete(f"{path}/messages/2").raise_for_status()
    text = client.get(f"{path}/transcript", headers={"Accept": "text/markdown"}).text
    assert "UTC, edited\n\nedited text\n" in text
    assert "*This message was deleted.*" in text


def test_corrections_are_events(client: httpx.Client, new_session: Callable[..., str]) -> None:
    path = f"/sessions/{new_session('one', 'two')}"
    client.patch(f"{path}/messages/1", json={"content": "changed"}).raise_for_status()
    client.delete(f"{path}/messages/2").raise_for_status()
    kinds: list[str] = []
    with client.stream("GET", f"{path}/events", headers={"Last-Event-ID": "2.1"}) as response:
        for line in response.iter_lines():
            kinds += [line.removeprefix("event: ")] if line.startswith("event: ") else []
            if "message_deleted" in kinds:
                break
    assert kinds == ["session", "message_updated", "message_deleted"]


def test_compressed_message_has_its_own_tag(client: httpx.Client, new_session: Callable[..., str]) -> None:
    path = f"/sessions/{new_session('word ' * 1_000)}/messages/1"
    tag = client.get(path, headers={"Accept-Encoding": "gzip"}).headers["etag"]
    assert tag == '"1-gzip"'
    assert client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": tag}).status_code == 304
    assert client.patch(path, json={"metadata": {"rating": 5}}, headers={"If-Match": tag}).status_code == 200
