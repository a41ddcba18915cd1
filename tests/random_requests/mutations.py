"""Randomly mutated requests, each from its own seed."""

import random
from collections.abc import Iterator

from raw import get, post

BODY = b'{"context":{"a":[1,2.0,"\\u00e9"]},"name":"fuzz"}'
CHUNKED = (
    b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"name":"\r\n5;a="b"\r\nchunk\r\n2\r\n"}\r\n0\r\nX-Trailer: 1\r\n\r\n'
)
EXPORT = b'{"header":{"format":"amplifierd-export","version":1}}\n'
REQUESTS = [
    get("/api/v1/health"),
    get("/api/v1/sessions?limit=5&name=fuzz&status=active"),
    get("/api/v1/sessions/019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11/messages?order=desc"),
    get("/api/v1/search?q=fuzz"),
    get("/api/v1/sessions/x", "DELETE"),
    get("http://x/api/v1/status"),
    get("/api/v1/health").replace(b"1.1", b"1.0"),
    get("/api/v1/health")[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    get("/openapi.json"),
    post("/api/v1/sessions", BODY),
    post("/api/v1/sessions", BODY, b"Expect: 100-continue", b"Idempotency-Key: k"),
    post("/api/v1/sessions/x/messages", b'{"content":"fuzz"}', b'If-Match: "1"'),
    post("/api/v1/sessions/cleanup", b'{"older_than_days":1}', b"Connection: close"),
    post("/api/v1/import", EXPORT, content_type=b"application/x-ndjson"),
    CHUNKED,
    b"PATCH" + post("/api/v1/sessions/x", b'{"name":"y"}')[4:],
]
TOKENS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"%",
        b"%00",
        b"%2F",
        b"..",
        b"\xff",
        b"\xc3\xa9",
        b"#",
        b"?",
        b"&",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: y\r\n"),
    *(b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"Expect: 100-continue\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Accept: text/html\r\n", b"X: " + b"x" * 9_000 + b"\r\n", b"X: x\r\n" * 101),
    *(b"0\r\n\r\n", b"1\r\nx\r\n", b"ffffffff\r\n", b" HTTP/1.0", b" HTTP/2.0", b"GET / HTTP/1.1\r\n\r\n", b"PRI * "),
]


def mutations(seed: int) -> Iterator[bytes]:
    """An endless series of mutated requests."""
    chance = random.Random(seed)  # noqa: S311  # a test, not a secret
    while True:
        request = bytearray(chance.choice(REQUESTS))
        for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 6])):
            _mutate(request, chance)
        yield bytes(request)


def pieces(request: bytes, seed: int) -> list[bytes]:
    """The request, cut into a few pieces at random places."""
    chance = random.Random(seed)  # noqa: S311
    cuts = sorted(chance.randrange(len(request) + 1) for _ in range(chance.choice([0, 0, 1, 3])))
    return [request[start:end] for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True)]


def _mutate(request: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(request) + 1)
    end = min(len(request), start + chance.choice([1, 1, 2, 8, 40]))
    match chance.randrange(7):
        case 0:
            request[start:end] = b""
        case 1:
            request[start:end] = bytes([chance.randrange(256)])
        case 2:
            request[start:start] = chance.choice(TOKENS)
        case 3:
            request[start:start] = request[start:end] * chance.choice([1, 2, 50])
        case 4:
            del request[start:]
        case 5:
            request += chance.choice(REQUESTS)
        case _:
            line = bytes(request).find(b"\r\n", start) + 2
            request[line:line] = chance.choice(TOKENS)
