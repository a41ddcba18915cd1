"""Every operation rejects unknown bodies and parameters."""

from collections.abc import Iterator

import httpx
import pytest

from daemon import Daemon
from empty_session import empty_session
from raw import assert_problem, exchange, post


@pytest.fixture
def session_id(client: httpx.Client) -> Iterator[str]:
    """A session that must still be empty after the test."""
    with empty_session(client) as created:
        yield created


TAKERS = ["fail", "fork", "messages", "messages/batch"]


@pytest.mark.parametrize("path", TAKERS)
def test_every_operation_with_a_body_is_as_strict(daemon: Daemon, session_id: str, path: str) -> None:
    url = f"/api/v1/sessions/{session_id}/{path}"
    assert_problem(exchange(daemon.port, post(url, b"{", content_type=b"text/plain")), 415, "application/json")
    assert_problem(exchange(daemon.port, post(url, b"{")), 400, "Expecting property name")
    assert_problem(exchange(daemon.port, post(url, b"7")), 422, "")
    assert_problem(exchange(daemon.port, post(url, b" " * (8 * 1024 * 1024 + 1))), 413, "larger than 8388608 bytes")


@pytest.mark.parametrize("path", ["", "/messages/1"])
def test_patch_is_as_strict(client: httpx.Client, session_id: str, path: str) -> None:
    for content, status in ((b"{", 400), (b"7", 422), (b" " * (8 * 1024 * 1024 + 1), 413)):
        kind = {"Content-Type": "application/merge-patch+json"}
        assert client.patch(f"/sessions/{session_id}{path}", content=content, headers=kind).status_code == status


@pytest.mark.parametrize("path", ["/profiles/a/b", "/amplified-directories/a%2Fb"])
def test_patch_body_is_strict(client: httpx.Client, path: str) -> None:
    contents = ((b"{", 400), (b"7", 422), (b" " * (8 * 1024 * 1024 + 1), 413), (b'{"metadta":1}', 422))
    for content, status in contents:
        kind = {"Content-Type": "application/merge-patch+json"}
        assert client.patch(path, content=content, headers=kind).status_code == status
    assert client.patch(path, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


@pytest.mark.parametrize("path", ["/modules/a/tool/b/sources", "/profiles/a/b"])
def test_put_is_as_strict(client: httpx.Client, path: str) -> None:
    for content, status in ((b"{", 400), (b"7", 422), (b" " * (8 * 1024 * 1024 + 1), 413)):
        kind = {"Content-Type": "application/json"}
        assert client.put(path, content=content, headers=kind).status_code == status


@pytest.mark.parametrize(
    "path", ["", "/lineage", "/profile", "/mount-plan", "/messages", "/messages/1", "/transcript", "/events"]
)
def test_unknown_parameter_is_refused_by_name(client: httpx.Client, session_id: str, path: str) -> None:
    refused = client.get(f"/sessions/{session_id}{path}", params={"limt": "1"})
    assert refused.status_code == 400
    assert "limt" in refused.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        *("/export", "/events", "/search", "/health", "/live", "/status", "/sessions", "/profiles", "/profiles/active"),
        *("/profiles/default", "/amplified-directories", "/amplified-directories/.", "/modules", "/modules/a/tool/b"),
        *("/modules/providers", "/modules/tools", "/modules/hooks", "/modules/orchestrators", "/modules/contexts"),
    ],
)
def test_refusal_names_the_body_without_a_session(client: httpx.Client, path: str) -> None:
    assert client.get(path, params={"q": "x", "limt": "1"}).status_code == 400


SENT = [
    "/sessions/delete",
    "/sessions/cleanup",
    "/import",
    "/sessions",
    "/profiles",
    "/profiles/default/activate",
    "/profiles/default/copy",
]


@pytest.mark.parametrize(
    "path",
    [
        *SENT,
        "/amplified-directories",
        "/amplified-directories/scan",
        "/modules/a/tool/b/sources",
        "/mount-plans/generate",
    ],
)
def test_refusal_names_the_body_of_a_message(client: httpx.Client, path: str) -> None:
    assert client.post(f"{path}?x=1", json={}).status_code == 400


@pytest.mark.parametrize(
    "path", ["/profiles/active", "/profiles/a/b", "/amplified-directories/a/b", "/modules/a/tool/b/sources"]
)
def test_refusal_names_the_body_of_a_deletion(client: httpx.Client, path: str) -> None:
    assert client.delete(f"{path}?x=1").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/sessions/delete",
        "/sessions/cleanup",
        "/sessions",
        "/profiles",
        "/profiles/default/copy",
        "/amplified-directories",
        "/modules/a/tool/b/sources",
        "/mount-plans/generate",
    ],
)
def test_every_operation_with_a_body_and_no_session_is_as_strict(daemon: Daemon, path: str) -> None:
    url = f"/api/v1{path}"
    assert_problem(exchange(daemon.port, post(url, b"{", content_type=b"text/plain")), 415, "application/json")
    assert_problem(exchange(daemon.port, post(url, b"{")), 400, "Expecting property name")
    assert_problem(exchange(daemon.port, post(url, b"7")), 422, "")
    assert_problem(exchange(daemon.port, post(url, b" " * (8 * 1024 * 1024 + 1))), 413, "larger than 8388608 bytes")
