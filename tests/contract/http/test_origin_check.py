"""What a web page in the user's browser may not do, and the limits for every client."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from daemon import Daemon, http_get
from keys import create_key
from operations import OPERATIONS, send
from raw import Connection, exchange, post

ALL = [*OPERATIONS, ("GET", "/status", None), ("GET", "/live", None)]
PROBES = ["/live", "/health"]
CHANGES = [operation for operation in OPERATIONS if operation[0] != "GET"]


def name(operation: tuple[str, str, object]) -> str:
    return f"{operation[0]} {operation[1]}"


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that also accepts another host name."""
    database = f"sqlite:///{tmp_path_factory.mktemp('public')}/a.db"
    with Daemon(database, "--allowed-hosts", "Amp.example") as running:
        yield running


@pytest.mark.parametrize("operation", ALL, ids=name)
def test_rebound_host_name_is_421(client: httpx.Client, operation: tuple[str, str, object]) -> None:
    client.headers["Host"] = "rebound.example:8420"
    response = send(client, operation, "x")
    assert response.status_code == 421
    assert response.json()["type"] == "urn:amplifierd:problem:misdirected-request"
    assert "'rebound.example:8420'" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.yaml", "/nothing"])
def test_pages_are_421_for_other_names(daemon: Daemon, path: str) -> None:
    assert http_get(f"{daemon.url}{path}", headers={"Host": "rebound.example"}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8420", "localhost.", "[::1]"])
def test_local_names_are_accepted(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["amp.example", "amp.example:443", "localhost"])
def test_names_may_be_added(public: Daemon, host: str) -> None:
    assert http_get(f"{public.api}/health", headers={"Host": host}).status_code == 200
    assert http_get(f"{public.api}/health", headers={"Host": "example"}).status_code == 421


@pytest.mark.parametrize("hosts", [b"", b"Host: localhost\r\nHost: localhost\r\n", b"Host: localhost\r\nHost: x\r\n"])
def test_request_names_one_host(daemon: Daemon, hosts: bytes) -> None:
    response = exchange(daemon.port, b"GET /api/v1/health HTTP/1.1\r\n" + hosts + b"\r\n")
    assert response.status == 400
    assert response.json["type"] == "urn:amplifierd:problem:bad-host"


@pytest.mark.parametrize("authority", [b"localhost", b"LOCALHOST:1", b"[::1]:8420", b"user:password@127.0.0.1"])
def test_host_of_the_target_precedes_the_header(daemon: Daemon, authority: bytes) -> None:
    def ask(authority: bytes, header: bytes) -> int:
        head = b"GET http://%b/api/v1/health HTTP/1.1\r\nHost: %b\r\n\r\n" % (authority, header)
        return exchange(daemon.port, head).status

    assert ask(authority, b"rebound.example") == 200
    assert ask(b"rebound.example", authority) == 421


def test_target_with_only_a_host_is_the_root(daemon: Daemon) -> None:
    def ask(target: bytes) -> object:
        return exchange(daemon.port, b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target).json

    assert ask(b"http://localhost") == ask(b"http://localhost?x=1") == ask(b"/") != ask(b"/nothing")


def test_http_1_0_has_no_host(daemon: Daemon) -> None:
    assert exchange(daemon.port, b"GET /api/v1/health HTTP/1.0\r\n\r\n").status == 200


@pytest.mark.parametrize("operation", CHANGES, ids=name)
@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_foreign_page_changes_nothing(client: httpx.Client, operation: tuple[str, str, object], origin: str) -> None:
    before = client.get("/sessions").json()
    client.headers["Origin"] = origin
    response = send(client, operation, "x")
    assert response.status_code == 403
    assert response.json()["type"] == "urn:amplifierd:problem:origin-not-allowed"
    assert f"'{origin}'" in response.json()["detail"]
    assert client.get("/sessions").json() == before


def test_own_pages_may_write_and_no_header_allows_others_to_read(daemon: Daemon, client: httpx.Client) -> None:
    assert client.post("/sessions", headers={"Origin": daemon.url}).status_code == 201
    response = client.get("/sessions", headers={"Origin": "https://evil.example"})
    assert response.status_code == 200
    assert not [header for header in response.headers if header.startswith("access-control-")]


def test_form_media_types_are_rejected(client: httpx.Client) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        response = client.post("/sessions", content=b"{}", headers={"Content-Type": content_type})
        assert response.status_code == 415


@pytest.mark.parametrize("path", ["/sessions/%2e%2e", "/sessions/..", "/sessions/%2e%2e%2f%2e%2e", "/sessions/%00"])
def test_id_with_a_path_is_rejected(daemon: Daemon, path: str) -> None:
    with daemon.client() as client:
        client.post("/sessions")
        before = client.get("/sessions").json()
        response = exchange(daemon.port, f"DELETE /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert response.status == 404
        assert client.get("/sessions").json() == before
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("operation", ALL, ids=name)
def test_unknown_query_parameter_is_400(client: httpx.Client, operation: tuple[str, str, object]) -> None:
    method, path, body = operation
    response = send(client, (method, f"{path}{'&' if '?' in path else '?'}nonsense=1", body), "x")
    assert response.status_code == 400
    assert response.json()["detail"].startswith("Query parameter 'nonsense' is unknown; ")


def test_requests_past_the_rate_are_429(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--rate-limit", "2/hour") as daemon, daemon.client() as client:
        accepted = [client.get("/status") for _ in range(2)]
        assert [response.status_code for response in accepted] == [200, 200]
        assert [response.headers["ratelimit-policy"] for response in accepted] == ['"default";q=2;w=3600'] * 2
        assert re.fullmatch('"default";r=1;t=[0-9]+', accepted[0].headers["ratelimit"])
        for path in PROBES:
            assert client.get(path).status_code == 200
            assert "ratelimit" not in client.get(path).headers
        for operation in ALL:
            if operation[1] in PROBES:
                continue
            response = send(client, operation, "x")
            assert response.status_code == 429, operation
            assert 1 <= int(response.headers["retry-after"]) <= 3600
            assert response.headers["ratelimit"].startswith('"default";r=0;t=')
            assert response.json()["type"] == "urn:amplifierd:problem:too-many-requests"
            assert response.json()["detail"].startswith("The rate limit is 2 per 1 hour; wait ")


def test_rate_limit_counts_each_key_separately(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    first, second = create_key(database), create_key(database)
    with Daemon(database, "--rate-limit", "3 per 1 hour") as daemon, daemon.client() as client:

        def ask(key: str) -> int:
            return client.get("/sessions", headers={"Authorization": f"Bearer {key}"}).status_code

        assert [ask(first) for _ in range(4)] == [200, 200, 200, 429]
        assert [ask("guessed") for _ in range(4)] == [401, 401, 401, 429]
        assert ask(second) == 200


def test_invalid_rate_is_refused_at_the_start(tmp_path: Path) -> None:
    for rate in ("many", "0/second", "5/fortnight", "5/second;9/minute"):
        with pytest.raises(RuntimeError, match=f"Invalid rate '{rate}': .*Write 100/second"):
            Daemon(f"sqlite:///{tmp_path}/a.db", "--rate-limit", rate)


def test_invalid_origin_is_refused_at_the_start(tmp_path: Path) -> None:
    for origin in ("app.example", "https://app.example/", "https://App.example", "https://*.example"):
        with pytest.raises(RuntimeError, match=f"Invalid origin '{re.escape(origin)}': write https://example.com"):
            Daemon(f"sqlite:///{tmp_path}/a.db", "--cors-origin", origin)


def test_invalid_host_is_refused_at_the_start(tmp_path: Path) -> None:
    for host in ("a:80", "http://a", "*.a.example"):
        with pytest.raises(RuntimeError, match=f"Invalid host '{re.escape(host)}': write example.com"):
            Daemon(f"sqlite:///{tmp_path}/a.db", "--allowed-hosts", host)


def test_requests_past_the_limit_are_503_at_once(tmp_path: Path) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--max-requests", "1") as daemon, daemon.client() as client:
        with client.stream("GET", "/events"):
            for path in PROBES:
                assert client.get(path).status_code == 200
            for operation in ALL:
                if operation[1] in PROBES:
                    continue
                response = send(client, operation, "x")
                assert response.status_code == 503, operation
                assert response.headers["retry-after"] == "1"
                assert response.json()["type"] == "urn:amplifierd:problem:busy"
        # Until the daemon notices that the reader has disconnected.
        assert any(client.get("/sessions").status_code == 200 for _ in range(1_000))


def test_bodies_share_limited_memory(tmp_path: Path) -> None:
    size = 40 * 1024 * 1024
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--max-body", str(size)) as daemon, daemon.client() as client:
        head, body = post("/api/v1/sessions", b" " * (size - 2) + b"{}")[:-size], b" " * (size - 2)
        with Connection(daemon.port) as first:
            first.send(head, body)
            second = exchange(daemon.port, head, body, b"{}")
            assert second.status == 503
            assert second.json["type"] == "urn:amplifierd:problem:busy"
            assert client.post("/sessions", json={}).status_code == 201
            first.send(b"{}")
            assert first.response().status == 201
        assert exchange(daemon.port, head, body, b"{}").status == 201


def test_unfinished_lines_share_limited_memory(tmp_path: Path) -> None:
    size = 16 * 1024 * 1024
    head = (
        b"POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    line = b"%x\r\n%b\r\n" % (size, b" " * size)
    with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon, ExitStack() as stack:
        for response, room in ((5, 4), (1, 1)):
            connections = [stack.enter_context(Connection(daemon.port, seconds=60)) for _ in range(response)]
            for connection in connections:
                connection.send(head, line)
            for connection in connections:
                connection.send(b"0\r\n\r\n")
            statuses = [connection.response().status for connection in connections]
            # A value of only spaces is an empty header.
            assert statuses.count(422) >= min(room, 3)
            assert statuses.count(503) == response - statuses.count(422)
            assert (503 in statuses) is (response > room)


EVERYWHERE = "0.0.0.0"  # noqa: S104  # that is what is tried


def test_daemon_without_keys_refuses_other_machines(database: str) -> None:
    for workers in ("1", "2"):
        with pytest.raises(RuntimeError, match="the database has no keys") as refused:
            Daemon(database, "--host", EVERYWHERE, "--workers", workers)
        assert "amplifierd keys create" in str(refused.value)
        assert "Traceback" not in str(refused.value)
    with Daemon(database, "--host", EVERYWHERE, "--insecure-open") as daemon:
        assert http_get(f"http://127.0.0.1:{daemon.port}/api/v1/sessions").status_code == 200
    create_key(database)
    with Daemon(database, "--host", EVERYWHERE) as daemon:
        response = http_get(f"http://127.0.0.1:{daemon.port}/api/v1/sessions", headers={"Host": "any.example"})
        assert response.status_code == 401


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_addresses_of_this_machine_are_open(tmp_path: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--host", host) as daemon, socket.socket(family) as connection:
        connection.connect((host, daemon.port))
        connection.sendall(f"GET /api/v1/health HTTP/1.1\r\nHost: {daemon.host}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"
