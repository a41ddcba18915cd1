"""Chunked bodies with extensions, pipelined with other requests, and split at any place."""

import asyncio
import random
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from amplifierd.server.http1.asgi import Receive, Send
from amplifierd.server.http1.body_chunks import CHUNKS_OF_A_TURN, ChunkedBody
from amplifierd.server.http1.protocol import Protocol
from random_requests.fuzzing import Fuzz
from raw import get, post, responses_in

EXTENSIONS = [b"", b";a", b" ;a", b"; a=b", b'\t; a = "x;\\"y" ;b']
OFFER = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
HISTORIES = 300


async def echo(scope: Any, receive: Receive, send: Send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    content = b"%b|%b" % (scope["raw_path"], body)
    headers = [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Wire(asyncio.Transport):
    """A transport that records what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  # there is none of any name
        return default

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def chunked(path: str, body: bytes, chance: random.Random) -> bytes:
    """A request whose body is in chunks of any size."""
    extension, chunks = chance.choice(EXTENSIONS), b""
    while body:
        size = chance.randint(1, len(body))
        chunks += b"0%X%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    trailers = chance.choice([b"", b"X: y\r\n"])
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\n".encode()
    return b"%b%b\r\n%b0%b\r\n%b\r\n" % (head, chance.choice([b"", OFFER]), chunks, extension, trailers)


def some_requests(chance: random.Random) -> tuple[bytes, list[bytes]]:
    """Requests of all kinds, and their expected responses."""
    sent, expected = b"", []
    for number in range(chance.randint(1, 6)):
        path, body = f"/{number}", bytes(chance.choices(b"{}chunked\r\n0;", k=chance.randint(0, 30)))
        kind = chance.choice([get, post, chunked, chunked])
        if kind is chunked:
            sent += chunked(path, body, chance)
        else:
            sent += post(path, body) if kind is post else get(path)
        expected.append(f"{path}|".encode() + (b"" if kind is get else body))
    return sent, expected


async def receive(pieces: list[bytes], chance: random.Random) -> bytes:
    """Pass these pieces to the protocol. Returns what it sends."""
    loop, wire = asyncio.get_running_loop(), Wire()
    config = uvicorn.Config(echo, interface="asgi3", log_config=None, proxy_headers=False)
    config.load()
    protocol = Protocol(config, ServerState(), {}, loop)
    # As a transport does, while no task is running.
    loop.call_soon(protocol.connection_made, cast("asyncio.Transport", wire))
    for piece in pieces:
        loop.call_soon(protocol.data_received, piece)
        for _ in range(chance.choice([1, 1, 2, 5])):
            await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    return wire.sent


async def test_chunked_bodies_are_complete_at_any_split(fuzz: Fuzz) -> None:
    for seed in fuzz.seeds():
        chance = random.Random(seed)  # noqa: S311  # a test, not a secret
        for _ in range(HISTORIES):
            sent, expected = some_requests(chance)
            size = chance.choice([1, 2, 3, 7, 20, 100, 10_000])
            pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
            received = await receive(pieces, chance)
            assert [response.body for response in responses_in(received)] == expected, (size, sent)


def test_small_chunks_reach_the_parser_as_one() -> None:
    chunks = ChunkedBody()
    assert chunks.take(b"1\r\na\r\n" * 1_000) == (b"3e8\r\n%b\r\n" % (b"a" * 1_000), b"")
    assert chunks.take(b"1;a=b\r\nb\r\n0\r\n\r\nGET ") == (b"1\r\nb\r\n0\r\n\r\n", b"GET ")


@pytest.mark.parametrize("size", [1, 2, 3, 10_000])
@pytest.mark.parametrize(
    "body", [b"1\r\nab", b"1\r\naX\n1\r\nb\r\n", b"2\r\na\r\n\r\n", b"1\n", b";a\r\n", b"x\r\n", b"%x\r\n" % 2**63]
)
async def test_invalid_chunks_are_refused(body: bytes, size: int) -> None:
    sent = b"POST /1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"1\r\na\r\n0\r\n\r\n"
    received = await receive([sent[at : at + size] for at in range(0, len(sent), size)], random.Random(1))  # noqa: S311
    assert [response.status for response in responses_in(received)] == [400]


async def test_other_connections_get_their_turn_between_small_chunks() -> None:
    loop, wire = asyncio.get_running_loop(), Wire()
    config = uvicorn.Config(echo, interface="asgi3", log_config=None, proxy_headers=False)
    config.load()
    protocol = Protocol(config, ServerState(), {}, loop)
    head = b"POST /1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    loop.call_soon(protocol.connection_made, cast("asyncio.Transport", wire))
    loop.call_soon(protocol.data_received, head + b"1\r\na\r\n" * 20 * CHUNKS_OF_A_TURN + b"0\r\n\r\n")
    turns = 0
    while not wire.sent:
        await asyncio.sleep(0)
        turns += 1
    protocol.connection_lost(None)
    assert turns >= 5
    assert wire.sent.endswith(b"/1|" + b"a" * 20 * CHUNKS_OF_A_TURN)
