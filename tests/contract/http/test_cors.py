"""Access for web pages of other origins (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Iterator

import httpx
import pytest

from daemon import Daemon
from raw import Connection, assert_problem

ORIGIN = "https://app.example"
STRANGE = ["https://evil.example", f"{ORIGIN}.evil.example", "null", f"{ORIGIN}:443"]
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization, if-match,content-type",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that pages of another origin may use."""
    with Daemon(f"sqlite:///{tmp_path_factory.mktemp('cors')}/a.db", "--cors-origin", ORIGIN) as running:
        yield running


def listed(text: str) -> set[str]:
    return {name.strip().lower() for name in text.split(",")}


def test_allowed_page_may_read_and_change(client: httpx.Client) -> None:
    client.headers["Origin"] = ORIGIN
    created = client.post("/sessions")
    assert created.status_code == 201
    assert created.headers["access-control-allow-origin"] == ORIGIN
    assert "ETag" in created.headers["access-control-expose-headers"]
    unknown = client.get(f"/sessions/{created.json()['id']}x")
    assert (unknown.status_code, unknown.headers["access-control-allow-origin"]) == (404, ORIGIN)


@pytest.mark.parametrize("origin", [None, ORIGIN, *STRANGE])
def test_response_varies_by_origin(daemon: Daemon, client: httpx.Client, origin: str | None) -> None:
    if origin is not None:
        client.headers["Origin"] = origin
    transcript = f"/sessions/{client.post('/sessions', headers={'Origin': ORIGIN}).json()['id']}/transcript"
    for method, path in (
        *(("GET", "/sessions"), ("HEAD", "/sessions"), ("GET", "/nothing"), ("PUT", "/sessions")),
        *(("GET", transcript), ("GET", f"{daemon.url}/openapi.json"), ("OPTIONS", "/sessions")),
    ):
        response = client.request(method, path)
        assert "origin" in listed(response.headers["vary"]), (method, path)
        allowed = ORIGIN if origin == ORIGIN else None
        assert response.headers.get("access-control-allow-origin") == allowed, (method, path)
    assert listed(client.get(transcript).headers["vary"]) == {"accept", "origin"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/sessions", {"get", "head", "post"}),
        ("/sessions/", {"get", "head", "post"}),
        ("/sessions/x", {"get", "head", "patch", "delete"}),
        ("/profiles/a/b", {"get", "head", "put", "patch", "delete"}),
        ("/import", {"post"}),
        ("/nothing", {"get", "head"}),
    ],
)
def test_preflight_lists_methods_and_headers(client: httpx.Client, path: str, methods: set[str]) -> None:
    for method in methods:
        headers = PREFLIGHT | {"Access-Control-Request-Method": method.upper()}
        allowed = client.options(path, headers=headers)
        assert (allowed.status_code, allowed.content) == (204, b"")
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert listed(allowed.headers["access-control-allow-methods"]) == methods
        assert {"authorization", "if-match", "content-type"} <= listed(allowed.headers["access-control-allow-headers"])
        assert allowed.headers["access-control-max-age"] == "600"
        assert "origin" in listed(allowed.headers["vary"])
        assert "x-request-id" in allowed.headers
        assert "access-control-allow-private-network" not in allowed.headers


def test_preflight_allows_private_network_access(client: httpx.Client) -> None:
    headers = PREFLIGHT | {"Access-Control-Request-Private-Network": "true"}
    allowed = client.options("/sessions/x", headers=headers)
    assert (allowed.status_code, allowed.headers["access-control-allow-private-network"]) == (204, "true")
    assert "access-control-request-private-network" in listed(allowed.headers["vary"])
    for origin in STRANGE:
        strange = client.options("/sessions/x", headers=headers | {"Origin": origin})
        assert (strange.status_code, strange.headers["content-type"]) == (405, "application/problem+json")
        assert not [name for name in strange.headers if name.startswith("access-control-allow-")]


def test_refused_preflight_is_a_readable_problem(daemon: Daemon) -> None:
    for changed, status, words in (
        ({"Access-Control-Request-Method": "PUT"}, 405, "PUT is not allowed on /api/v1/sessions/x; use DELETE"),
        ({"Access-Control-Request-Method": "get"}, 405, "get is not allowed"),
        ({"Access-Control-Request-Headers": "content-type, x-mine"}, 400, "Header 'x-mine' is not allowed from a page"),
        ({"Host": "rebound.example"}, 421, "This server does not serve host 'rebound.example'"),
    ):
        lines = "".join(f"{name}: {value}\r\n" for name, value in ({"Host": "localhost"} | PREFLIGHT | changed).items())
        with Connection(daemon.port) as connection:
            connection.send(f"OPTIONS /api/v1/sessions/x HTTP/1.1\r\n{lines}\r\n".encode())
            response = connection.response()
            assert_problem(response, status, words)
            assert response.headers["access-control-allow-origin"] == ORIGIN


def test_foreign_page_changes_nothing(client: httpx.Client) -> None:
    for origin in STRANGE:
        assert client.post("/sessions", headers={"Origin": origin}).status_code == 403


def test_wildcard_origin_allows_any_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = f"sqlite:///{tmp_path_factory.mktemp('any')}/a.db"
    with Daemon(database, "--cors-origin", "*") as running, running.client() as client:
        headers = PREFLIGHT | {"Origin": "https://any.example"}
        allowed = client.options("/sessions/x", headers=headers)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, "*")
