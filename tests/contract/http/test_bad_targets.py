"""Request targets that the contract does not have: parameters, methods and paths."""

import httpx
import pytest

from daemon import Daemon
from raw import assert_problem, exchange, get


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limt=1", "'limt' is unknown; this operation takes: limit, cursor"),
        ("limit=1&limit=2", "'limit' is given more than once"),
        ("limit=", "must be an integer"),
        ("limit=abc", "'limit' is 'abc': it must be an integer"),
        ("limit=1.0", "must be an integer"),
        ("limit=1_0", "must be an integer"),
        ("limit=%205", "must be an integer"),
        ("limit=%2B5", "must be an integer"),
        ("limit=05", "must be an integer"),
        ("limit=nan", "must be an integer"),
        ("limit=" + "9" * 5000, "must be an integer"),
        ("limit=%D9%A3", "must be an integer"),
        ("limit=0", "must be at least 1"),
        ("limit=-1", "must be at least 1"),
        ("limit=1001", "must be at most 1000"),
        ("cursor=x", "must have at least 32 characters."),
        ("cursor=" + "%2B" * 32, "must match"),
        ("cursor=", "must have at least 32 characters"),
        ("created_after=2026-11-21", "it must be a date-time, such as 2025-11-21T19:33:49Z"),
        ("%ff=1", "not UTF-8"),
        ("=1", "'' is unknown"),
        ("Limit=1", "'Limit' is unknown"),
        ("&".join(["limit=1"] * 101), "more than 100"),
    ],
)
def test_invalid_query_parameter_is_400_by_name(daemon: Daemon, query: str, words: str) -> None:
    assert_problem(exchange(daemon.port, get(f"/api/v1/sessions?{query}")), 400, words)


def test_empty_parameter_is_ignored(daemon: Daemon) -> None:
    response = exchange(daemon.port, get(f"/api/v1/sessions?{'&' * 200}limit=1{'&' * 200}sort=updated_at&"))
    assert response.status == 200


@pytest.mark.parametrize("target", ["/sessions/{}%2Fmessages", "/sessions%2F{}", "/sessions/{}%2F", "/sessions/%FF{}"])
def test_encoded_slash_is_not_a_separator(daemon: Daemon, client: httpx.Client, target: str) -> None:
    session_id = client.post("/sessions").json()["id"]
    assert exchange(daemon.port, get(f"/api/v1{target.format(session_id)}")).status == 404
    assert exchange(daemon.port, get(f"/api/v1/s%65ssions/{session_id}")).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/health"),
        ("GET", "/api/v1/status"),
        ("GET", "/api/v1/live"),
        ("GET", "/api/v1/sessions/x"),
        ("DELETE", "/api/v1/sessions/x"),
        ("POST", "/api/v1/sessions/x/resume"),
        ("POST", "/api/v1/sessions/x/messages"),
        ("POST", "/api/v1/sessions"),
    ],
)
def test_operation_without_query_parameters_refuses_them(daemon: Daemon, method: str, path: str) -> None:
    request = f"{method} {path}?verbose=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
    assert_problem(exchange(daemon.port, request.encode()), 400, "'verbose' is unknown; this operation takes none")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/v1/sessions", "GET, HEAD, POST"),
        ("PUT", "/api/v1/sessions/x", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/api/v1/sessions/x/resume", "POST"),
        ("DELETE", "/api/v1/sessions/x/messages/", "GET, HEAD, POST"),
        ("OPTIONS", "/api/v1/health", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
def test_wrong_method_is_405_with_allowed_methods(daemon: Daemon, method: str, path: str, allow: str) -> None:
    response = exchange(daemon.port, get(path, method))
    assert_problem(response, 405, f"use {allow}")
    assert response.headers["allow"] == allow


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nope",
        "/api/v1/sessions/a/b",
        "/api/v1/health%0a",
        "///",
        "/%2e%2e",
    ],
)
def test_unknown_path_is_404(daemon: Daemon, path: str) -> None:
    assert_problem(exchange(daemon.port, get(path)), 404, "; /docs lists the operations.")


@pytest.mark.parametrize(
    "path", ["/api/v1/sessions/" + "x" * 300, "/api/v1/sessions/" + "x" * 8_000], ids=["300", "8000"]
)
def test_session_id_of_any_length_is_404(daemon: Daemon, path: str) -> None:
    assert_problem(exchange(daemon.port, get(path)), 404, "must have at most 255 characters")
