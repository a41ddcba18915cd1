"""Invalid input is rejected with a problem body, nothing is written, and the server continues to work."""

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from daemon import Daemon
from empty_session import empty_session
from raw import Connection, assert_problem, exchange, get, post

MESSAGES = "/api/v1/sessions/{}/messages"
DEEP = b'{"content":"x","metadata":{"a":' + b"[" * 98 + b"]" * 98 + b"}}"
DEEPER = b'{"content":"x","metadata":{"a":' + b"[" * 99 + b"]" * 99 + b"}}"


@pytest.fixture
def session_id(client: httpx.Client) -> Iterator[str]:
    """A session that must still be empty after the test."""
    with empty_session(client) as created:
        yield created


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"hello", "Expecting value"),
        (b'{"content":"x"} {}', "Extra data"),
        (b'{"content":"x",}', "line 1, column"),
        (b"{'content':'x'}", "Expecting property name"),
        (b'\xef\xbb\xbf{"content":"x"}', "Expecting value"),
        ('{"content":"x"}'.encode("utf-16"), "not UTF-8"),
        (b'{"content":"\xff"}', "not UTF-8 at byte 12"),
        (b'{"content":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"content":"\x01"}', "Invalid control character"),
        (b'{"content":"x","content":"y"}', 'the key "content" occurs twice in one object, at /content'),
        (b'{"content":"x","\\u0063ontent":"y"}', 'the key "content" occurs twice'),
        (b'{"content":"x","metadata":{"a":{"b":1,"b":2}}}', 'the key "b" occurs twice in one object, at /metadata/a/b'),
        (b"{" + b",".join(b'"%x":0' % key for key in range(60_000)) + b',"ea5f":0}', 'the key "ea5f" occurs twice'),
        (b'{"content":"\\ud800"}', "\\ud800 is half of a surrogate pair, at /content"),
        (b'{"content":"x","metadata":{"\\uDFFF":1}}', "half of a surrogate pair, at /metadata"),
        (b'{"content":"x","metadata":{"a":["\\udc00x"]}}', "half of a surrogate pair, at /metadata/a/0"),
        (b'{"content":"x","metadata":{"a":NaN}}', "NaN is not a JSON value, at /metadata/a"),
        (b'{"content":"x","metadata":{"a":Infinity}}', "Infinity is not a JSON value, at /metadata/a"),
        (b'{"content":"x","metadata":{"a/b":[-Infinity]}}', "-Infinity is not a JSON value, at /metadata/a~1b/0"),
        (b"NaN", "NaN is not a JSON value, at the root"),
        (b'{"content":"x","metadata":{"a":1e400}}', "1e400 is out of the range of a double, at /metadata/a"),
        (b'{"content":"x","metadata":{"a":-1E309}}', "-1E309 is out of the range"),
        (b'{"content":"x","metadata":{"a":' + b"9" * 309 + b"}}", "out of the range of a double, at /metadata/a"),
        (b'{"content":"x","metadata":{"a":-' + b"9" * 309 + b"}}", "out of the range of a double, at /metadata/a"),
        (b'{"content":"x","metadata":{"a":1' + b"0" * 309 + b"}}", "out of the range of a double, at /metadata/a"),
        (b'{"content":"x","metadata":{"a":' + b"7" * 5000 + b"}}", "out of the range of a double, at /metadata/a"),
        (b'{"content":"x","metadata":{"a":' + b"7" * 8_000_000 + b"}}", "out of the range of a double, at /metadata/a"),
        (b'{"content":"x","metadata":{"a":0.' + b"3" * 999 + b"}}", "a number has 1001 characters; the limit is 1000"),
        (b'{"content":"x","metadata":{"' + b"k" * 50_001 + b'":1}}', "a key has 50001 characters; the limit is 50000"),
        (b'{"content":"x","metadata":{"v":{"\\u0000a":1}}}', 'the key "\\u0000a" begins with NUL, at /metadata/v/\0a'),
        (
            b'{"content":"x","metadata":{"b":"' + b"k" * 60_000 + b'","a":NaN}}',
            "NaN is not a JSON value, at /metadata/a",
        ),
        (b'{"content":"x","metadata":{"a":01}}', "Expecting"),
        (DEEPER, "deeper than 100 levels at byte 129"),
        (b'{"content":"x","metadata":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}", "deeper than 100 levels"),
        (b"[" * 90_000, "deeper than 100 levels"),
    ],
)
def test_body_other_than_i_json_is_400(daemon: Daemon, session_id: str, body: bytes, words: str) -> None:
    assert_problem(exchange(daemon.port, post(MESSAGES.format(session_id), body)), 400, words)


def test_i_json_fault_has_a_pointer(daemon: Daemon, session_id: str) -> None:
    request = post(MESSAGES.format(session_id), b'{"content":"x","metadata":{"a":[1e400]}}')
    response = exchange(daemon.port, request)
    assert_problem(response, 400, "/metadata/a/0")
    [error] = response.json["errors"]
    assert error == {"pointer": "/metadata/a/0", "detail": "the number 1e400 is out of the range of a double"}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (b"[]", {"": "must be of type object"}),
        (b"null", {"": "must be of type object"}),
        (b'"text"', {"": "must be of type object"}),
        (b'{"content":1}', {"/content": "must be of type string"}),
        (b'{"content":null}', {"/content": "must be of type string"}),
        (b'{"content":"x","role":"robot"}', {"/role": "must be one of user, assistant, system, developer, tool"}),
        (b'{"content":"x","metadata":[]}', {"/metadata": "must be of type object"}),
        (b'{"content":"x","a/b~c":1}', {"/a~1b~0c": "is unknown"}),
        (b'{"content":"x","tokenCount":1}', {"/tokenCount": "is unknown; its name in requests is token_count"}),
        (
            b'{"contnet":"x","role":7,"metadata":1}',
            {
                "/contnet": "is unknown",
                "/role": "must be one of user, assistant, system, developer, tool",
                "/metadata": "must be of type object",
            },
        ),
        (
            json.dumps({"content": "x", "metadata": {str(n): n for n in range(1025)}}).encode(),
            {"/metadata": "must have at most 1024 properties"},
        ),
    ],
)
def test_invalid_body_is_422_with_every_place(
    daemon: Daemon, session_id: str, body: bytes, errors: dict[str, str]
) -> None:
    response = exchange(daemon.port, post(MESSAGES.format(session_id), body))
    assert_problem(response, 422, "The body breaks its schema")
    details = {error["pointer"]: error["detail"] for error in response.json["errors"]}
    assert details.keys() == errors.keys()
    for pointer, detail in errors.items():
        assert detail in details[pointer]


@pytest.mark.parametrize(
    "body",
    [
        b'{"content":"x",' + b",".join(b'"%d":1' % number for number in range(99_000)) + b"}",
        b'{"content":"x",' + b",".join(b'"' + b"y" * 7000 + b'%d":1' % number for number in range(1_100)) + b"}",
    ],
    ids=["short", "long"],
)
def test_first_hundred_places_are_listed_and_a_thousand_counted(daemon: Daemon, session_id: str, body: bytes) -> None:
    response = exchange(daemon.port, post(MESSAGES.format(session_id), body))
    assert_problem(response, 422, "The body breaks its schema in 1000 places or more: ")
    assert_problem(response, 422, "; and 995 more")
    assert len(response.json["errors"]) == 100
    assert len(response.body) < 256 * 1024


def test_message_without_content_and_parts_is_422(daemon: Daemon, session_id: str) -> None:
    response = exchange(daemon.port, post(MESSAGES.format(session_id), b"{}"))
    assert_problem(response, 422, "/content is required unless there are parts")
    assert response.json["errors"] == [{"pointer": "/content", "detail": "is required unless there are parts"}]


def test_refusal_names_the_body_of_a_long_batch(daemon: Daemon, session_id: str) -> None:
    body = b'{"messages":[' + b",".join([b'{"y":1}'] * 40_000) + b"]}"
    response = exchange(daemon.port, post(f"{MESSAGES.format(session_id)}/batch", body))
    assert_problem(response, 422, "/messages must have at most 1000 items; /messages/0/y is unknown")
    assert len(response.json["errors"]) == 100


@pytest.mark.parametrize(
    "directory",
    ["", "/", "/etc", "..", "../x", "a/..", "a/../b", "./..", "a\0b", "a\nb", "a\\b", "C:/x", "a\x7f", "x" * 1025],
)
def test_directory_outside_the_data_root_is_422(client: httpx.Client, directory: str) -> None:
    response = client.post("/sessions", json={"amplified_dir": directory})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/amplified_dir"


@pytest.mark.parametrize(
    "profile", ["", " ", "a/b/c", "/a", "a/", "../a", "a b", "é", "a\0", ".a", "x" * 65, "a/" + "x" * 65]
)
def test_invalid_profile_name_is_422(client: httpx.Client, profile: str) -> None:
    response = client.post("/sessions", json={"profile": profile})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/profile"


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        (None, "no Content-Type"),
        (b"", "Content-Type ''"),
        (b"text/plain", "'text/plain' is not supported"),
        (b"application/x-www-form-urlencoded", "is not supported"),
        (b"application/jsonp", "is not supported"),
        (b"text/json; a=application/json", "is not supported"),
        (b"application/json\r\nContent-Type: application/json", "two Content-Type"),
    ],
)
def test_unsupported_content_type_is_415(
    daemon: Daemon, session_id: str, content_type: bytes | None, words: str
) -> None:
    request = post(MESSAGES.format(session_id), b'{"content":"x"}', content_type=content_type)
    assert_problem(exchange(daemon.port, request), 415, words)


def test_optional_body_needs_a_content_type_as_well(daemon: Daemon) -> None:
    assert_problem(exchange(daemon.port, post("/api/v1/sessions", b"{}", content_type=None)), 415, "no Content-Type")


@pytest.mark.parametrize("charset", [b"bogus", b"latin-1", b"utf-16", b'"iso-8859-1"'])
def test_charset_other_than_utf_8_is_400(daemon: Daemon, session_id: str, charset: bytes) -> None:
    body = '{"content":"é"}'.encode("latin-1")
    request = post(MESSAGES.format(session_id), body, content_type=b"application/json; charset=" + charset)
    assert_problem(exchange(daemon.port, request), 400, "is not UTF-8")


MANY = [
    b'{"content":"x","metadata":{"a":[' + b",".join([b"[]"] * 2_000_000) + b"]}}",
    b'{"content":"x","metadata":{"a":[' + b",\n".join([b'{"":""}'] * 60_000) + b"]}}",
    b'{"content":"x","metadata":{"a":{' + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}}}",
    b'{"content":"x","metadata":{"a":[' + b",".join([b"0"] * 99_997) + b"]}}",
    b'{"content":"x","metadata":' + b'{"a":' * 100_001,
    b"[" * 100_001,
]


@pytest.mark.parametrize("body", MANY, ids=range(len(MANY)))
def test_over_100_000_values_are_413(daemon: Daemon, session_id: str, body: bytes) -> None:
    assert_problem(exchange(daemon.port, post(MESSAGES.format(session_id), body)), 413, "has more than 100000 values")


def test_hostile_bodies_do_not_stop_others(daemon: Daemon, session_id: str) -> None:
    request = post(MESSAGES.format(session_id), MANY[0])

    def send() -> None:
        for _ in range(10):
            assert_problem(exchange(daemon.port, request), 413, "values")

    sender = threading.Thread(target=send)
    sender.start()
    waits = []
    with Connection(daemon.port) as connection:
        while sender.is_alive():
            started = time.monotonic()
            connection.send(get("/api/v1/health"))
            assert connection.response().status == 200
            waits.append(time.monotonic() - started)
    assert len(waits) > 10
    assert max(waits) < 2


def test_body_over_8_mib_is_413(daemon: Daemon, session_id: str) -> None:
    body = b'{"content":"' + b"x" * (20 * 1024 * 1024) + b'"}'
    assert_problem(exchange(daemon.port, post(MESSAGES.format(session_id), body)), 413, "larger than 8388608 bytes")


def test_chunked_body_over_8_mib_is_413(daemon: Daemon, session_id: str) -> None:
    head = (
        f"POST {MESSAGES.format(session_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert_problem(exchange(daemon.port, head.encode(), *[chunk] * 12, b"0\r\n\r\n"), 413, "larger than")


def test_client_that_waits_for_100_continue_gets_413_first(daemon: Daemon, session_id: str) -> None:
    path = MESSAGES.format(session_id)
    head = post(path, b"", b"Expect: 100-continue").replace(b"Content-Length: 0", b"Content-Length: 99999999")
    assert_problem(exchange(daemon.port, head), 413, "larger than")


def test_incomplete_body_is_not_written(daemon: Daemon, session_id: str) -> None:
    request = post(MESSAGES.format(session_id), b'{"content":"x"}').replace(b"Length: 15", b"Length: 16")
    with Connection(daemon.port) as connection:
        connection.send(request)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GARBAGE",
        b"GET /\x00 HTTP/1.1",
        b"\x16\x03\x01\x02",
        b"GET /\xc3\xa9 HTTP/1.1",
    ],
)
def test_invalid_http_is_400(daemon: Daemon, request_line: bytes) -> None:
    response = exchange(daemon.port, request_line + b"\r\nHost: 127.0.0.1\r\n\r\n")
    assert response.status == 400
    assert response.json["title"] == "Bad Request"
    assert response.json["requestId"] == response.headers["x-request-id"]


def test_invalid_http_does_not_affect_the_previous_response(daemon: Daemon) -> None:
    with Connection(daemon.port) as connection:
        connection.send(post("/api/v1/sessions", b"{}") + b"\x00garbage\r\n\r\n")
        assert connection.response().status == 201
        with pytest.raises(ConnectionError):
            connection.response()


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: -1",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    ],
)
def test_contradictory_lengths_are_400(daemon: Daemon, lengths: bytes) -> None:
    request = (
        b"POST /api/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        + lengths
        + b"\r\n\r\n{}"
    )
    assert exchange(daemon.port, request).status == 400


def test_connection_continues_after_an_error(daemon: Daemon) -> None:
    with Connection(daemon.port) as connection:
        for request, status in [
            (post("/api/v1/sessions", b"{"), 400),
            (post("/api/v1/sessions", b" " * 9_000_000), 413),
            (get("/api/v1/sessions/x"), 404),
            (get("/api/v1/health"), 200),
        ]:
            connection.send(request)
            assert connection.response().status == status


@pytest.mark.parametrize("body", [DEEP])
def test_hundred_levels_are_accepted(daemon: Daemon, client: httpx.Client, body: bytes) -> None:
    created = client.post("/sessions", json={}).json()["id"]
    response = exchange(daemon.port, post(MESSAGES.format(created), body))
    assert response.status == 201
    assert response.json["metadata"] == json.loads(body)["metadata"]
