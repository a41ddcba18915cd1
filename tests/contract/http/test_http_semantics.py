"""HTTP semantics on raw sockets: the server accepts what the RFCs allow, and refuses what it does not support."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from amplifierd.contract import load_document
from amplifierd.contract.request.target_limit import longest_target
from amplifierd.server.http1.error_responses import KINDS
from amplifierd.settings import CONTRACT
from daemon import Daemon
from raw import Connection, assert_problem, exchange, get, post

DOCUMENT = load_document(CONTRACT)
HEALTH = "/api/v1/health"
JSON = b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKS = b"\r\n2\r\n{}\r\n0\r\n\r\n"


def health(*headers: bytes) -> bytes:
    return b"".join(
        [b"GET /api/v1/health HTTP/1.1\r\n", *(b"%b\r\n" % field for field in headers or [b"Host: localhost"]), b"\r\n"]
    )


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on SQLite only, because most of these requests do not reach the database."""
    with Daemon(f"sqlite:///{tmp_path_factory.mktemp('daemon')}/a.db") as running:
        yield running


@pytest.fixture(scope="module")
def open_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that serves any host."""
    database = f"sqlite:///{tmp_path_factory.mktemp('open')}/a.db"
    with Daemon(database, "--allowed-hosts", "*", "--cors-origin", "https://app.example") as running:
        yield running


@pytest.fixture
def session(client: httpx.Client) -> str:
    created: str = client.post("/sessions", json={}).json()["id"]
    return f"/api/v1/sessions/{created}"


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t  "])
def test_blanks_after_a_header_value_are_removed(daemon: Daemon, session: str, blank: bytes) -> None:
    assert exchange(daemon.port, health(b"Host: 127.0.0.1" + blank)).status == 200
    headers = (b'If-Match: "1"' + blank, b"Idempotency-Key: " + session.encode() + blank)
    assert exchange(daemon.port, post(f"{session}/start", b"", *headers)).status == 200
    request = post("/api/v1/sessions", b"{}", b"Expect: 100-continue" + blank)
    with Connection(daemon.port) as connection:
        connection.send(request[:-2])
        assert connection.response().status == 100
        connection.send(request[-2:])
        assert connection.response().status == 201


@pytest.mark.parametrize("host", [b"127.0.0.1:", b"localhost:0", b"localhost:65535", b"[::1]:", b"LOCALHOST:00080"])
def test_valid_hosts_are_accepted(daemon: Daemon, host: bytes) -> None:
    assert exchange(daemon.port, health(b"Host: " + host)).status == 200
    target = b"GET http://%b/api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n" % host
    assert exchange(daemon.port, target).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *(b"", b" ", b":", b":80", b"localhost:65536", b"localhost:" + b"9" * 400, b"localhost:x", b"localhost:-1"),
        *(b"localhost:80:80", b"local host", b"http://localhost", b"localhost/", b"user@localhost", b"::1"),
        *(b"[::1", b"[]", b"[:::]", b"[localhost]", b"[::1]x", b"localhost\xff", b"a" * 256, b"localhost, localhost"),
    ],
)
@pytest.mark.parametrize("is_open", [False, True])
def test_invalid_hosts_are_400(daemon: Daemon, open_daemon: Daemon, host: bytes, is_open: bool) -> None:
    response = exchange(open_daemon.port if is_open else daemon.port, health(b"Host: " + host))
    assert_problem(response, 400, "Host ")
    assert response.json["type"] == "urn:amplifierd:problem:bad-host"


def test_address_allows_one_host_when_any_is_served(open_daemon: Daemon) -> None:
    for hosts in ([b"X: x"], [b"Host: a", b"Host: a"]):
        assert_problem(exchange(open_daemon.port, health(*hosts)), 400, "Host headers; send one")
    assert exchange(open_daemon.port, health(b"Host: any.example")).status == 200


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"1.9", b"2.0", b"3.0", b"9.9"])
def test_other_versions_are_505(daemon: Daemon, version: bytes) -> None:
    response = exchange(daemon.port, health().replace(b"1.1", version))
    assert_problem(response, 505, f"HTTP/{version.decode()} is not supported; send HTTP/1.1")
    assert response.headers["connection"] == "close"


def test_request_line_without_a_version_is_505_or_400(daemon: Daemon) -> None:
    assert_problem(exchange(daemon.port, b"GET /api/v1/health\r\n\r\n"), 505, "HTTP/0.9")


@pytest.mark.parametrize(
    "method",
    [
        *(b"BREW", b"get", b"GETT", b"G", b"PURGE", b"PROPFIND", b"M-SEARCH", b"SOURCE", b"X_!#9", b"CONNECT"),
        *(b"DESCRIBE", b"GET_PARAMETER", b"PLAY", b"PRI"),
    ],
)
@pytest.mark.parametrize("piece", [1, 1_000])
def test_unknown_methods_are_501(daemon: Daemon, method: bytes, piece: int) -> None:
    target = b"localhost:80" if method == b"CONNECT" else b"/api/v1/health"
    request = method + b" %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target
    response = exchange(daemon.port, *(request[at : at + piece] for at in range(0, len(request), piece)))
    assert_problem(response, 501, "is not supported")
    assert response.json["type"] == "urn:amplifierd:problem:not-implemented"


@pytest.mark.parametrize("codings", [[b"gzip, chunked"], [b"gzip", b"chunked"], [b"identity, chunked"]])
@pytest.mark.parametrize("path", [b"/api/v1/sessions", b"/api/v1/sessions/x/start", b"/nothing"])
def test_other_transfer_codings_are_501(daemon: Daemon, codings: list[bytes], path: bytes) -> None:
    lines = b"".join(b"Transfer-Encoding: %b\r\n" % coding for coding in codings)
    request = JSON.replace(b"/api/v1/sessions", path) + lines + CHUNKS
    assert_problem(exchange(daemon.port, request), 501, "The transfer coding")


@pytest.mark.parametrize("coding", [b"chunked ", b",chunked", b" , chunked", b"Chunked"])
def test_chunked_is_accepted_in_a_list_with_empty_elements(daemon: Daemon, coding: bytes) -> None:
    assert exchange(daemon.port, JSON + b"Transfer-Encoding: " + coding + b"\r\n" + CHUNKS).status == 201


EXTENDED = [
    *(b";a", b" ;a", b"; a", b"\t ; \t a", b";a=b", b" ; a = b ; c", b';a="x;y\\" =\xff"', b'; a = "" ;b=c\t;d'),
    *(b";" + b"a" * 5_000, b""),
]


@pytest.mark.parametrize("extension", EXTENDED, ids=range(len(EXTENDED)))
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_chunk_extensions_may_have_blanks(daemon: Daemon, extension: bytes, piece: int) -> None:
    parts = [b'{"name":', b"\r\n\r\n", b'"abcde"', b"}", b""]
    chunks = b"".join(b"0%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)[:-2]
    for trailers in (b"", b"X: 1\r\nY: 2\r\n"):
        for offer in (b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"):
            request = JSON + offer + b"TRANSFER-encoding: Chunked\r\n\r\n" + chunks + trailers + b"\r\n"
            # With other requests before and after it, in the same pieces.
            ahead = post("/api/v1/sessions", b"{}") + request + get(HEALTH) + request + get(HEALTH)
            if len(extension) > 1_000 and piece == 1:
                ahead = request + get(HEALTH)
            with Connection(daemon.port) as connection:
                connection.send(*(ahead[at : at + piece] for at in range(0, len(ahead), piece)))
                if len(ahead) > 2 * len(request):
                    assert connection.response().status == 201
                response = connection.response()
                assert (response.status, response.json["name"]) == (201, "abcde")
                assert connection.response().json == {"status": "healthy"}


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"2 ",
            b"2;",
            b"2; ",
            b"2;a=",
            b"2;a b",
            b'2;a="',
            b"2;;a",
            b"2,a",
            b" 2",
            b"2;a\x00",
            b"2;a=b\n",
            b"2\t;\x7f",
        ),
        *(b"2\t;\x7f", b"", b";a", b"0x2", b"2;a\r", b"2\xff", b"10000000000000002", b'2;a="\\\x01"'),
    ],
)
def test_other_chunk_lines_are_400(daemon: Daemon, line: bytes) -> None:
    for piece in (1, 10_000):
        request = JSON + b"Transfer-Encoding: chunked\r\n\r\n" + line + b"\r\n{}\r\n0\r\n\r\n"
        pieces = (request[at : at + piece] for at in range(0, len(request), piece))
        assert_problem(exchange(daemon.port, *pieces), 400, "RFC 9112")


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"gzip, identity", b"nonsense"])
def test_other_content_codings_are_415_naming_identity(daemon: Daemon, coding: bytes) -> None:
    response = exchange(daemon.port, post("/api/v1/sessions", b"{}", b"Content-Encoding: " + coding))
    assert_problem(response, 415, "is not supported; send the body without a coding")
    assert response.headers["accept-encoding"] == "identity"
    for coding_name in (b"identity", b"Identity "):
        assert exchange(daemon.port, post("/api/v1/sessions", b"{}", b"Content-Encoding: " + coding_name)).status == 201


def test_other_media_types_are_415_naming_the_accepted_ones(daemon: Daemon, session: str) -> None:
    def ask(method: str, path: str) -> dict[str, str]:
        request = post(path, b"{}", content_type=b"text/csv").replace(b"POST", method.encode(), 1)
        response = exchange(daemon.port, request)
        assert_problem(response, 415, "'text/csv' is not supported here")
        return response.headers

    assert ask("POST", "/api/v1/sessions")["accept"] == "application/json"
    assert ask("POST", "/api/v1/import")["accept"] == "application/x-ndjson, application/octet-stream"
    assert ask("POST", "/api/v1/profiles")["accept"] == "application/json, text/markdown"
    assert "accept-encoding" not in ask("POST", "/api/v1/sessions")
    patched = ask("PATCH", session)
    assert patched["accept"] == patched["accept-patch"] == "application/merge-patch+json, application/json"


def text_of(schema: dict[str, Any]) -> str:
    """The longest text that a parameter's schema may allow, percent-encoded; its pattern is left out."""
    schema = DOCUMENT.resolve(schema)
    if "enum" in schema:
        return max(map(str, schema["enum"]), key=len)
    if schema.get("format") == "date-time":
        return f"2025-11-21T19:33:19.{'1' * 32}%2B05:45"
    return "%F0%9F%92%AC" * schema["maxLength"] if schema["type"] == "string" else str(schema.get("maximum", "false"))


TARGETS = {}
for path, method, operation in DOCUMENT.operations():
    parameters = DOCUMENT.parameters(path, operation)
    query = "&".join(f"{each['name']}={text_of(each['schema'])}" for each in parameters if each["in"] == "query")
    filled = path
    for each in parameters:
        filled = filled.replace(f"{{{each['name']}}}", text_of(each["schema"]))
    TARGETS[operation["operationId"]] = (method.upper(), f"{DOCUMENT.base_path}{filled}?{query}&x")


@pytest.mark.parametrize("name", TARGETS)
def test_longest_target_of_every_operation_fits(daemon: Daemon, name: str) -> None:
    method, target = TARGETS[name]
    response = exchange(daemon.port, get(target, method))
    assert response.status in (200, 201, 204, 400, 404, 415, 422), response


def test_word_of_1000_characters_is_searched_for(daemon: Daemon) -> None:
    response = exchange(daemon.port, get("/api/v1/search?q=" + "%E3%81%82" * 1_000))
    assert (response.status, response.json) == (200, [])


def test_path_of_1024_characters_is_accepted(daemon: Daemon) -> None:
    response = exchange(daemon.port, get("/api/v1/amplified-directories/" + "%E3%81%82" * 1_024))
    assert_problem(response, 404, "ああ")


def declared_at_http() -> dict[int, str]:
    """The responses to any request, which the contract lists in one place: status, reason."""
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \|$", DOCUMENT.spec["info"]["description"], re.MULTILINE)
    return {int(status): reason for status, reason in rows}


def test_contract_lists_responses_to_requests_that_reach_no_operation() -> None:
    # Every operation declares a 500.
    assert set(declared_at_http()) == set(KINDS) - {500}
    longest = longest_target(DOCUMENT)
    assert f"longer than {longest // 1024} KiB" in declared_at_http()[414]
    assert longest > max(len(target) for _, target in TARGETS.values())


GETS = [path for path, method, _ in DOCUMENT.operations() if method == "get"]


@pytest.mark.parametrize("path", [*GETS, "openapi.yaml", "docs", "docs/reference.js", "nothing"])
def test_head_response_is_the_get_response_without_a_body(
    daemon: Daemon, client: httpx.Client, session: str, path: str
) -> None:
    for _ in range(2):
        client.post(f"{session.removeprefix('/api/v1')}/messages", json={"content": "x" * 100_000})
    target = f"/{path}"
    if path in GETS:
        filled = path.format(
            session_id=session.rpartition("/")[2],
            sequence=1,
            name="default",
            identifier="a",
            module_id="a/tool/b",
            relative_path=".%2F.",
            file_id=client.post("/files", content=b"x" * 100_000).json()["id"],
        )
        target = f"/api/v1{filled}{'?q=x' if path == '/search' else ''}"
    with Connection(daemon.port) as connection, Connection(daemon.port) as other:
        connection.send(get(target, "HEAD") + get(HEALTH))
        head = connection.response("HEAD")
        assert connection.response().json == {"status": "healthy"}
        other.send(get(target))
        whole = other.head()
    varying = {"date", "x-request-id", "transfer-encoding"}
    if "uptime" in path or path == "/status":
        varying |= {"content-length"}
    assert head.status == whole.status
    assert {field for field in head.headers.items() if field[0] not in varying} == {
        field for field in whole.headers.items() if field[0] not in varying
    }
