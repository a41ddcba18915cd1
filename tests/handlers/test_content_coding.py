"""Responses in the client's preferred content coding, over a real socket."""

import asyncio
import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from amplifierd.contract.core.executor import SerialExecutor
from amplifierd.contract.core.request_state import Fields
from amplifierd.contract.response import content_coding
from amplifierd.contract.response.content_coding import MAX_RUNNING, MIN_BYTES, Compression, accepts, decompress
from amplifierd.storage.model.records import NewMessage
from daemon import Daemon, http_client

IDENTITY = "identity"
CODINGS = ("gzip", "zstd")
TAG = (b"etag", b'"7"')
LONG = "Words of a message, Wörter, 文字. " * 100


@pytest.fixture(scope="module")
def client(sqlite_daemon: Daemon) -> Iterator[httpx.Client]:
    """A client that accepts no content coding by default."""
    with http_client(base_url=sqlite_daemon.api, headers={"Accept-Encoding": IDENTITY}) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(client: httpx.Client) -> str:
    """A session of some 3 KB at version 1."""
    created = client.post("/sessions", json={"context": {"text": LONG}}).raise_for_status()
    return f"/sessions/{created.json()['id']}"


@pytest.fixture(scope="module")
def long_path(client: httpx.Client) -> str:
    """A session whose transcript is streamed."""
    created = client.post("/sessions", json={}).raise_for_status()
    path = f"/sessions/{created.json()['id']}"
    messages = [{"content": f"{number} {LONG}"} for number in range(300)]
    client.post(f"{path}/messages/batch", json={"messages": messages}).raise_for_status()
    return path


def get(client: httpx.Client, path: str, accept: str, method: str = "GET", **headers: str) -> tuple[Any, bytes]:
    """The response, and its body as sent."""
    with client.stream(method, path, headers={"Accept-Encoding": accept, **headers}) as response:
        return response, b"".join(response.iter_raw())


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *", "gzip"),
        ("gzip;q=0.1", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("br, deflate", None),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("", None),
        ("gzip;q=x", None),
    ],
)
def test_coding_is_the_preferred_one(client: httpx.Client, path: str, accept: str, coding: str | None) -> None:
    response, body = get(client, path, accept)
    assert response.headers.get("content-encoding") == coding
    assert response.headers["vary"] == "Accept-Encoding"
    assert len(body) == int(response.headers["content-length"])
    expected = client.get(path).content
    assert (decompress(coding, body) if coding else body) == expected
    assert (len(body) < len(expected) / 5) is (coding is not None)


def test_coding_is_read_from_all_lines(client: httpx.Client, path: str) -> None:
    lines = [("Accept-Encoding", "br"), ("Accept-Encoding", "gzip")]
    assert client.get(path, headers=lines).headers["content-encoding"] == "gzip"


def test_small_response_has_no_coding(client: httpx.Client) -> None:
    small = client.post("/sessions", json={}, headers={"Accept-Encoding": "gzip"})
    for response in (small, client.get(f"/sessions/{small.json()['id']}", headers={"Accept-Encoding": "gzip"})):
        assert len(response.content) <= MIN_BYTES
        assert not {"vary", "content-encoding"} & set(response.headers)
        assert response.headers["etag"] == '"1"'


@pytest.mark.parametrize("coding", [IDENTITY, *CODINGS])
def test_etag_differs_for_each_coding(client: httpx.Client, path: str, coding: str) -> None:
    tag = '"1"' if coding == IDENTITY else f'"1-{coding}"'
    response, _ = get(client, path, coding)
    assert response.headers["etag"] == tag
    head, nothing = get(client, path, coding, "HEAD")
    names = ("content-encoding", "content-length", "content-type", "etag", "vary")
    assert [head.headers.get(name) for name in names] == [response.headers.get(name) for name in names]
    assert nothing == b""
    for known in ('"1"', '"1-gzip"', '"1-zstd"', 'W/"1-gzip"', '"7", "1-zstd"'):
        unchanged, nothing = get(client, path, coding, **{"If-None-Match": known})
        assert (unchanged.status_code, unchanged.headers["etag"]) == (304, tag)
        assert (unchanged.headers["vary"], nothing) == ("Accept-Encoding", b"")
        assert "content-encoding" not in unchanged.headers


@pytest.mark.parametrize(
    "message",
    [
        {"content": "short"},
        {"content": "x" * 2_000},
        {"parts": [{"type": "data", "kind": "a", "value": "x" * 2_000}]},
        {"content": "x" * 400, "metadata": {"a": "y" * 400}, "agent": "z" * 200},
    ],
)
def test_unchanged_message_has_the_tag_of_its_coding(client: httpx.Client, message: dict[str, object]) -> None:
    messages = f"/sessions/{client.post('/sessions').json()['id']}/messages"
    assert client.post(messages, json=message).status_code == 201
    read, _ = get(client, f"{messages}/1", "gzip")
    unchanged, _ = get(client, f"{messages}/1", "gzip", **{"If-None-Match": "*"})
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, read.headers["etag"])


def test_preconditions_take_the_tag_of_any_coding(client: httpx.Client) -> None:
    created = client.post("/sessions", json={"context": {"text": LONG}})
    path = f"/sessions/{created.json()['id']}"
    for version, coding in enumerate(["", "-gzip", "-zstd"], 1):
        current = f'"{version}{coding}"'
        assert client.get(path, headers={"If-Match": current}).status_code == 200
        for other in (f'W/"{version}-gzip"', f'"{version}-br"', f'"{version}--gzip"', f'"{version + 1}-gzip"'):
            assert client.patch(path, json={"name": "x"}, headers={"If-Match": other}).status_code == 412
        assert client.patch(path, json={"name": "x"}, headers={"If-None-Match": current}).status_code == 412
        changed = client.patch(path, json={"name": coding or "x"}, headers={"If-Match": current})
        assert (changed.status_code, changed.json()["version"]) == (200, version + 1)


@pytest.mark.parametrize("coding", CODINGS)
def test_change_returns_the_tag_of_its_coding(client: httpx.Client, coding: str) -> None:
    accept = {"Accept-Encoding": coding}
    body = {"context": {"text": LONG}}
    keyed = {**accept, "Idempotency-Key": f"coded-{coding}"}
    first = client.post("/sessions", json=body, headers=keyed)
    again = client.post("/sessions", json=body, headers=keyed)
    assert [response.headers["etag"] for response in (first, again)] == [f'"1-{coding}"'] * 2
    path = f"/sessions/{first.json()['id']}"
    tag = {"If-Match": first.headers["etag"], **accept}
    assert client.patch(path, json={"name": "x"}, headers=tag).headers["etag"] == f'"2-{coding}"'


@pytest.mark.parametrize("accept", ["gzip", "zstd, gzip"])
@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson", "text/markdown"])
def test_streamed_transcript_is_compressed(client: httpx.Client, long_path: str, media_type: str, accept: str) -> None:
    accepted = {"Accept": media_type}
    expected, plain = get(client, f"{long_path}/transcript", IDENTITY, **accepted)
    response, body = get(client, f"{long_path}/transcript", accept, **accepted)
    assert gzip.decompress(body) == plain
    assert len(body) < len(plain) / 20
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["vary"] == expected.headers["vary"] == "Accept, Accept-Encoding"
    head, _ = get(client, f"{long_path}/transcript", accept, "HEAD", **accepted)
    assert [head.headers.get(name) for name in ("content-encoding", "vary")] == ["gzip", "Accept, Accept-Encoding"]


def test_streamed_transcript_without_gzip_is_uncompressed(client: httpx.Client, long_path: str) -> None:
    response, body = get(client, f"{long_path}/transcript", "zstd, gzip;q=0")
    assert "content-encoding" not in response.headers
    assert body == client.get(f"{long_path}/transcript").content


def test_export_is_compressed(client: httpx.Client, long_path: str) -> None:
    assert long_path
    response, body = get(client, "/export", "gzip")
    assert (response.headers["content-encoding"], response.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(body) == client.get("/export").content


def test_long_response_is_compressed_whole(client: httpx.Client) -> None:
    path = f"/sessions/{client.post('/sessions', json={}).json()['id']}/messages"
    message = client.post(path, json={"content": LONG * 300}).json()
    for coding in CODINGS:
        response, body = get(client, f"{path}/1", coding)
        assert decompress(coding, body) == client.get(f"{path}/1").content
        assert response.headers["content-length"] == str(len(body))
    assert message["sequence"] == 1


def test_file_and_problem_have_no_coding(client: httpx.Client) -> None:
    accept = "gzip, zstd"
    file = client.post("/files", content=LONG.encode(), headers={"Content-Type": "text/plain"}).json()
    for more in ({}, {"Range": "bytes=0-1999"}):
        response, body = get(client, file["url"], accept, **more)
        assert "content-encoding" not in response.headers
        assert LONG.encode().startswith(body)
    tag = response.headers["etag"]
    assert get(client, file["url"], accept, **{"If-None-Match": tag})[0].headers["etag"] == tag
    wrong = {"messages": [{"content": 1}] * 100}
    path = f"/sessions/{client.post('/sessions', json={}).json()['id']}/messages/batch"
    refused = client.post(path, json=wrong, headers={"Accept-Encoding": accept})
    assert refused.status_code == 422
    assert len(refused.content) > MIN_BYTES
    assert "content-encoding" not in refused.headers


def test_event_stream_has_no_coding(client: httpx.Client, path: str) -> None:
    with client.stream("GET", f"{path}/events", headers={"Accept-Encoding": "gzip, zstd"}) as response:
        assert response.status_code == 200
        assert "content-encoding" not in response.headers


def accepting(coding: str) -> Fields:
    return {b"accept-encoding": (coding.encode(),)}


@pytest.mark.parametrize("size", [1, 100, 50_000, 300_000])
async def test_stream_sends_each_block_at_once(size: int) -> None:
    decoder = zlib.decompressobj(31)
    stream = Compression(SerialExecutor()).stream(accepting("gzip"))
    for number in range(3):
        block = b"%d" % number * size
        assert decoder.decompress(await stream.block(block)) == block
    assert decoder.decompress(await stream.block(b"]", last=True)) == b"]"
    assert (decoder.eof, decoder.unused_data) == (True, b"")


async def test_stream_of_empty_blocks_is_valid() -> None:
    stream = Compression(SerialExecutor()).stream(accepting("gzip"))
    sent = [await stream.block(b""), await stream.block(b""), await stream.block(b"", last=True)]
    assert gzip.decompress(b"".join(sent)) == b""


async def test_coding_does_not_depend_on_load() -> None:
    compression, fields = Compression(SerialExecutor()), accepting("zstd, gzip")
    streams = [compression.stream(fields) for _ in range(100)]
    for stream in streams:
        assert (b"content-encoding", b"gzip") in stream.headers([])
        assert await stream.block(b"x")
    bodies = [b"%d" % number * 50_000 for number in range(100)]
    done = await asyncio.gather(*(compression.compress(fields, [TAG], body) for body in bodies))
    for body, (headers, compressed) in zip(bodies, done, strict=True):
        assert decompress("zstd", compressed) == body
        assert (b"etag", b'"7-zstd"') in headers
        record = NewMessage(content=body.decode())
        assert compression.validators(fields, [TAG], record) == headers[:-1]


async def test_compression_of_long_responses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = 0, 0

    async def steps(_executor: SerialExecutor, _compressor: object, data: bytes) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return data

    monkeypatch.setattr(content_coding, "_steps", steps)
    compression = Compression(SerialExecutor())
    await asyncio.gather(*(compression.compress(accepting("gzip"), [], bytes(100_000)) for _ in range(100)))
    assert most == MAX_RUNNING


def test_page_is_compressed_by_quality() -> None:
    assert accepts("gzip", "gzip, deflate")
    assert not accepts("gzip", "gzip;q=0, br")
