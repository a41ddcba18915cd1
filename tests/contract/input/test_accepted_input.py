"""Input that the contract allows is accepted in every form that HTTP and JSON permit, and returned as sent."""

import json

import httpx
import pytest

from daemon import Daemon
from raw import Connection, exchange, get, post

MESSAGES = "/api/v1/sessions/{}/messages"


@pytest.fixture
def session_id(client: httpx.Client) -> str:
    created: str = client.post("/sessions", json={}).json()["id"]
    return created


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"APPLICATION/JSON",
        b"application/json; charset=utf-8",
        b'Application/Json;charset="UTF-8"',
        b"application/json; profile=x",
    ],
)
def test_any_json_media_type_is_accepted(daemon: Daemon, session_id: str, content_type: bytes) -> None:
    body = '{"content":"é"}'.encode()
    response = exchange(daemon.port, post(MESSAGES.format(session_id), body, content_type=content_type))
    assert response.status == 201
    assert response.json["content"] == "é"
    refused = exchange(daemon.port, post(MESSAGES.format(session_id), b"{}", content_type=content_type))
    assert refused.status == 422


def test_chunked_body(daemon: Daemon, session_id: str) -> None:
    head = (
        f"POST {MESSAGES.format(session_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    pieces = [b'9\r\n{"content', b'\r\n6\r\n":"x"}\r\n', b"0\r\n\r\n"]
    response = exchange(daemon.port, head.encode(), *pieces)
    assert response.status == 201
    assert response.json["content"] == "x"


def test_body_after_100_continue(daemon: Daemon, session_id: str) -> None:
    head, _, body = post(MESSAGES.format(session_id), b'{"content":"x"}', b"Expect: 100-continue").partition(
        b"\r\n\r\n"
    )
    with Connection(daemon.port) as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.response().status == 100
        connection.send(body)
        assert connection.response().status == 201


@pytest.mark.parametrize("pieces", [1, 2, 7, 300])
def test_offer_to_upgrade_to_http_2_is_ignored(daemon: Daemon, session_id: str, pieces: int) -> None:
    offer = (
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA",
    )
    body = json.dumps({"content": "from Java " + "x" * 1000}).encode()
    request = post(MESSAGES.format(session_id), body, *offer)
    size = -(-len(request) // pieces)
    with Connection(daemon.port) as connection:
        connection.send(*(request[start : start + size] for start in range(0, len(request), size)))
        assert connection.response().json["content"].startswith("from Java")
        connection.send(request + get("/api/v1/health"))
        assert connection.response().status == 201
        assert connection.response().json == {"status": "healthy"}


def test_pipelined_upgrade_offers_are_ignored(daemon: Daemon) -> None:
    request = get("/api/v1/health")[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with Connection(daemon.port) as connection:
        connection.send(request * 1_500)
        assert {connection.response().status for _ in range(1_500)} == {200}


def test_offer_to_upgrade_a_get_is_ignored(daemon: Daemon) -> None:
    request = get("/api/v1/health")[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert exchange(daemon.port, request).json == {"status": "healthy"}


def test_connection_header_keeps_other_options(daemon: Daemon) -> None:
    for request in (
        get("/api/v1/health")[:-2] + b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n",
        get("/api/v1/health").replace(b"1.1", b"1.0", 1)[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ):
        with Connection(daemon.port) as connection:
            connection.send(request)
            response = connection.response()
            assert response.json == {"status": "healthy"}
            assert response.headers["connection"] == "close"
            with pytest.raises(ConnectionError):
                connection.response()


def test_pipelined_requests_get_responses_in_request_order(daemon: Daemon) -> None:
    with Connection(daemon.port) as connection:
        connection.send(get("/api/v1/health") + get("/api/v1/sessions/x") + post("/api/v1/sessions", b"{}"))
        assert [connection.response().status for _ in range(3)] == [200, 404, 201]


@pytest.mark.parametrize(
    "metadata",
    [
        "{}",
        '{"z":1,"a":2,"m":{"y":[],"x":{}}}',
        '{"float":1.0,"exponent":1e2,"minus":-0,"precise":0.12345678901234567890123}',
        '{"past64":123456789012345678901234567890,"negative":-99999999999999999999}',
        '{"largest":' + "1" * 309 + ',"least":-1' + "0" * 308 + "}",
        '{"extremes":[1e308,-1.7976931348623157e308,5e-324,1e-400,9007199254740993,-0,-0.0],"long":0.'
        + "3" * 998
        + "}",
        '{"__proto__":{"constructor":1},"":{"":""},"' + "k" * 50_000 + '":1}',
        '{"nul":"\\u0000","nul\\u0000":1,"escaped":"\\u00e9\\/","emoji":"\\ud83d\\ude00💬"}',
        '{"":"","a b":null,"true":false}',
        '{ "white" : [ 1 ,\n 2 ],\t"text" : "a  b" }',
    ],
)
def test_metadata_keeps_every_digit(daemon: Daemon, session_id: str, metadata: str) -> None:
    body = f'{{"content":"x","metadata":{metadata}}}'.encode()
    sent = exchange(daemon.port, post(MESSAGES.format(session_id), body))
    listed = exchange(daemon.port, get(MESSAGES.format(session_id)))
    assert sent.status == 201
    for response in (sent, listed):
        assert tokens(metadata) in tokens(response.body.decode())


def tokens(text: str) -> str:
    """The tokens of a JSON text, with numbers and strings as written."""
    parts = text.split('"')
    return '"'.join(part if position % 2 else "".join(part.split()) for position, part in enumerate(parts))


@pytest.mark.parametrize("content", ["", "a\0b", "é💬", "\u2028", '"\\', "x" * 8_000_000])
def test_any_text_is_content(client: httpx.Client, session_id: str, content: str) -> None:
    sent = client.post(f"/sessions/{session_id}/messages", json={"content": content})
    assert sent.status_code == 201
    [listed] = client.get(f"/sessions/{session_id}/messages").json()["messages"]
    assert listed == sent.json()
    assert listed["content"] == content


@pytest.mark.parametrize(
    "metadata",
    [
        b'{"a":[' + b",".join([b"0"] * 99_996) + b"]}",
        b'{"a":[' + b" , ".join([b"[ ]"] * 99_996) + b"]}",
        b'{"a":[' + b",".join([b'"\\\\\\"{[,"'] * 99_996) + b"]}",
        b'{"a":"' + b"[{,:}]" * 200_000 + b'"}',
        b'{"a":"' + b'\\"' * 500_000 + b'"}',
    ],
)
def test_largest_number_of_values_is_accepted(daemon: Daemon, session_id: str, metadata: bytes) -> None:
    body = b'{"content":"x","metadata":' + metadata + b"}"
    assert exchange(daemon.port, post(MESSAGES.format(session_id), body)).status == 201


def test_hundred_levels_are_returned_in_a_transcript(daemon: Daemon, session_id: str) -> None:
    body = b'{"content":"x","metadata":{"a":' + b"[" * 98 + b"]" * 98 + b"}}"
    assert exchange(daemon.port, post(MESSAGES.format(session_id), body)).status == 201
    assert exchange(daemon.port, get(MESSAGES.format(session_id))).status == 200


@pytest.mark.parametrize(
    ("directory", "kept"),
    [
        (".", "."),
        ("./.", "."),
        ("a", "a"),
        ("a/b/c", "a/b/c"),
        ("x//b/./c", "x/b/c"),
        ("a b", "a b"),
        ("é/ü", "é/ü"),
        ("y/", "y"),
        ("~", "~"),
    ],
)
def test_directory_of_a_session_is_normalized(client: httpx.Client, directory: str, kept: str) -> None:
    if kept != ".":
        assert client.post("/amplified-directories", json={"relative_path": directory}).status_code == 201
    created = client.post("/sessions", json={"amplified_dir": directory})
    assert created.status_code == 201
    assert client.get(created.url.join(created.headers["location"])).json()["amplifiedDir"] == kept


@pytest.mark.parametrize("directory", [".a", "...", "..a/b..", "nobody/knows"])
def test_session_in_an_unamplified_directory_is_404(client: httpx.Client, directory: str) -> None:
    response = client.post("/sessions", json={"amplified_dir": directory})
    assert response.status_code == 404
    assert response.json()["detail"].startswith(f"Directory {directory} is not amplified; amplify it first")


@pytest.mark.parametrize("path", ["/live", "/health", "/status", "/sessions"])
def test_trailing_slash_is_the_same_resource(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == client.get(path + "/").status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/api/v1/live", "/api/v1/sessions"])
def test_encoded_slash_at_the_end_is_another_resource(daemon: Daemon, path: str) -> None:
    with Connection(daemon.port) as connection:
        connection.send(get(f"{path}%2F"))
        assert connection.response().status == 404


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/sessions", "/", "/openapi.json", "/api/v1/sessions/x"])
def test_head_is_get_without_the_body(daemon: Daemon, path: str) -> None:
    with Connection(daemon.port) as connection:
        connection.send(get(path) + get(path, "HEAD") + get("/api/v1/health"))
        whole = connection.response()
        head = connection.response("HEAD")
        assert connection.response().json == {"status": "healthy"}
    assert (head.status, head.body) == (whole.status, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    if "requestId" not in whole.body.decode():
        assert head.headers["content-length"] == str(len(whole.body))
