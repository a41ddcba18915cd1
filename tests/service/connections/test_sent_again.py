"""Retries with an idempotency key over a real socket, even after a crash or to another process."""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from daemon import Daemon


@pytest.fixture
def path(client: httpx.Client) -> str:
    """The path of an active session."""
    path = f"/sessions/{client.post('/sessions').json()['id']}"
    client.post(f"{path}/start")
    return path


POSTS: list[tuple[str, Any]] = [
    ("", {"name": "x"}),
    ("/{}/start", None),
    ("/{}/complete", None),
    ("/{}/fail", {"error_message": "x"}),
    ("/{}/terminate", None),
    ("/{}/resume", None),
    ("/{}/fork", None),
    ("/{}/messages", {"content": "x", "metadata": {"a": 1.0}}),
    ("/{}/messages/batch", {"messages": [{"content": "x"}, {"content": "y"}]}),
    ("/delete", {"filter": {"archived": True}}),
    ("/cleanup", {"older_than_days": 10}),
]


@pytest.mark.parametrize(("post", "body"), POSTS)
def test_repeated_post_has_no_second_effect(client: httpx.Client, post: str, body: Any) -> None:
    session_id = client.post("/sessions").json()["id"]
    if "start" not in post:
        client.post(f"/sessions/{session_id}/start")
    headers = {"Idempotency-Key": f"test{post}"}
    first = client.post("/sessions" + post.format(session_id), json=body, headers=headers)
    assert first.is_success
    assert "idempotent-replayed" not in first.headers
    after = client.get(f"/sessions/{session_id}").text
    again = client.post("/sessions" + post.format(session_id), json=body, headers=headers)
    assert (again.status_code, again.text) == (first.status_code, first.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers.get("location") == first.headers.get("location")
    assert again.headers.get("etag") == first.headers.get("etag")
    assert client.get(f"/sessions/{session_id}").text == after


def test_responses_about_a_deleted_session_are_not_repeated(client: httpx.Client, path: str) -> None:
    headers = {"Idempotency-Key": f"deleted{path}"}
    for _ in range(2):
        assert client.post(f"{path}/messages", json={"content": "x"}, headers=headers).status_code == 201
    assert client.delete(path).status_code == 204
    again = client.post(f"{path}/messages", json={"content": "x"}, headers=headers)
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (404, None)
    assert "not found" in again.json()["detail"]


def test_key_with_another_body_or_path_is_422(client: httpx.Client, path: str) -> None:
    headers = {"Idempotency-Key": f"other-body{path}"}
    assert client.post(f"{path}/messages", json={"content": "x"}, headers=headers).status_code == 201
    for other, body in ((f"{path}/messages", {"content": "y"}), (f"{path}/messages/batch", {"messages": [{}]})):
        refused = client.post(other, json=body, headers=headers)
        assert refused.status_code == 422
    for other in (f"{path}/{step}" for step in ("start", "complete", "terminate", "resume", "fork")):
        refused = client.post(other, headers=headers)
        assert refused.status_code == 422
        assert "was used for another request" in refused.json()["detail"]
    spaced = client.post(
        f"{path}/messages", content='{ "content":  "x" }', headers=headers | {"Content-Type": "application/json"}
    )
    assert (spaced.status_code, spaced.headers["idempotent-replayed"]) == (201, "true")


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
def test_key_is_visible_ascii(client: httpx.Client, path: str, key: str) -> None:
    refused = client.post(f"{path}/messages", json={"content": "x"}, headers={"Idempotency-Key": key.encode()})  # type: ignore[arg-type]  # httpx takes bytes
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("Header 'Idempotency-Key' is ")


@contextmanager
def writes_held_up(database: str) -> Iterator[None]:
    """Block all writes within the `with` block by a lock of another transaction."""
    if database.startswith("sqlite"):
        lock = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        yield
        lock.close()
        return
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(database))
        runner.run(connection.execute("BEGIN; LOCK TABLE amplifierd.workspace"))
        yield
        runner.run(connection.close())


@pytest.mark.parametrize(("post", "body"), POSTS)
def test_request_in_progress_is_409(daemon: Daemon, client: httpx.Client, post: str, body: Any) -> None:
    session_id = client.post("/sessions").json()["id"]
    if "start" not in post:
        client.post(f"/sessions/{session_id}/start")

    def send(_number: int) -> int:
        url = "/sessions" + post.format(session_id)
        return client.post(url, json=body, headers={"Idempotency-Key": f"in-progress-{session_id}"}).status_code

    with ThreadPoolExecutor() as threads:
        with writes_held_up(daemon.database):
            sent = [threads.submit(send, number) for number in range(2)]
            [refused], [waiting] = wait(sent, return_when=FIRST_COMPLETED)
            assert refused.result() == 409
            assert not waiting.done()
        assert waiting.result() in (200, 201)


CONTEXTS: list[tuple[str, Any]] = [
    ("/profiles", {"name": "x"}),
    ("/profiles/default/copy", {"new_name": "y"}),
    ("/profiles/default/activate", None),
    ("/amplified-directories", {"relative_path": "x"}),
    ("/amplified-directories/scan", None),
]


def test_repeated_profiles_and_directories_have_no_second_effect(client: httpx.Client) -> None:
    for number, (url, body) in enumerate(CONTEXTS):
        headers = {"Idempotency-Key": f"context-{number}"}
        first = client.post(url, json=body, headers=headers)
        assert first.is_success
        again = client.post(url, json=body, headers=headers)
        assert (again.status_code, again.text) == (first.status_code, first.text)
        assert again.headers["idempotent-replayed"] == "true"
        other, changed = CONTEXTS[number - 1]
        assert client.post(other, json=changed, headers=headers).status_code == 422


def test_key_of_a_profile_or_directory_in_progress_is_409(database: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    folders = [("/collections", {"identifier": name, "source": f"{tmp_path}/a"}) for name in ("a", "b")]
    posts = [*CONTEXTS, folders[1], ("/collections/a/sync", None)]
    with (
        Daemon(database, "--collections-path", str(tmp_path)) as daemon,
        daemon.client() as client,
        ThreadPoolExecutor(2 * len(posts)) as threads,
    ):
        client.post(folders[0][0], json=folders[0][1]).raise_for_status()

        def send(post: tuple[str, Any]) -> int:
            return client.post(post[0], json=post[1], headers={"Idempotency-Key": post[0]}).status_code

        with writes_held_up(database):
            waiting = []
            for post in posts:
                [refused], [other] = wait([threads.submit(send, post) for _ in range(2)], return_when=FIRST_COMPLETED)
                assert refused.result() == 409
                waiting.append(other)
        assert {each.result() for each in waiting} <= {200, 201}


def test_repeated_import_has_no_second_effect(database: str, client: httpx.Client, path: str) -> None:
    assert path
    exported = client.get("/export").text
    with Daemon(database) as daemon, daemon.client() as other:

        def send(content: str) -> httpx.Response:
            headers = {"Idempotency-Key": "k", "Content-Type": "application/x-ndjson"}
            return other.post("/import", content=content, headers=headers)

        first, again, changed = send(exported), send(exported), send(exported + "\n")
        assert (first.status_code, again.status_code, changed.status_code) == (200, 200, 422)
        assert (again.text, again.headers["idempotent-replayed"]) == (first.text, "true")
        assert "was used for another request" in changed.json()["detail"]


def test_key_survives_a_crash_and_works_on_another_process(database: str) -> None:
    headers = {"Idempotency-Key": "k"}
    first = Daemon(database)
    with first.client() as client:
        url = f"/sessions/{client.post('/sessions').json()['id']}/messages"
        sent = client.post(url, json={"content": "x"}, headers=headers)
    with Daemon(database) as second, second.client() as client:
        again = client.post(url, json={"content": "x"}, headers=headers)
        assert (again.text, again.headers["idempotent-replayed"]) == (sent.text, "true")
        first.kill()
        assert client.post(url, json={"content": "x"}, headers=headers).text == sent.text
    with Daemon(database) as third, third.client() as client:
        assert client.post(url, json={"content": "x"}, headers=headers).text == sent.text
        assert len(client.get(url).json()["messages"]) == 1


def test_key_is_kept_for_the_configured_time(database: str) -> None:
    with Daemon(database, "--idempotency-ttl", "0") as daemon, daemon.client() as client:
        ids = {client.post("/sessions", headers={"Idempotency-Key": "k"}).json()["id"] for _ in range(3)}
        assert len(ids) == 3
