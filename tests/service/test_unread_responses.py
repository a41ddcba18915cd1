"""Responses that many clients do not read: the server keeps them within its limits, and they are whole when read."""

from contextlib import ExitStack
from hashlib import sha256
from typing import Any

import pytest

from amplifierd.contract.response.unsent_data import UnsentData
from amplifierd.server.http1.asgi import Receive, Send
from daemon import Daemon
from raw import Connection, exchange, get
from short_timeouts import serving
from waits import until

MIB = 1024 * 1024
FORMATS = ("amplifierd", "openai", "anthropic", "sharegpt", "markdown", "html")
# Together they are more than what is kept in memory of unread responses.
EACH = 3
# Less than a response, and than the kernel keeps otherwise.
RECEIVED_BYTES = 64 * 1024
LARGE_BYTES = 20 * MIB


def test_unread_responses_are_whole_at_last(database: str) -> None:
    with ExitStack() as running:
        # Checked responses are collected before they are sent.
        daemon = running.enter_context(Daemon(database, check_responses=False))
        client = running.enter_context(daemon.client())
        text = "".join(sha256(b"%d" % number).hexdigest() for number in range(7 * MIB // 64))
        session = client.post("/sessions", json={"context": {"text": text}}).raise_for_status().json()
        path = f"/sessions/{session['id']}"
        client.post(f"{path}/messages", json={"content": text}).raise_for_status()
        targets = [path, f"{path}/messages/1", f"{path}/messages"]
        targets += [f"{path}/export?format={form}" for form in FORMATS]
        read = {target: client.get(target).raise_for_status().content for target in targets}
        assert all(text.encode() in body for body in read.values())
        unread = []
        for target in targets * EACH:
            connection = running.enter_context(Connection(daemon.port, receive_bytes=RECEIVED_BYTES))
            connection.send(get(f"/api/v1{target}"))
            unread.append((target, connection, connection.head()))
        assert [client.get(target).content == read[target] for target in targets] == [True] * len(targets)
        for target, connection, head in unread:
            assert (head.status, connection.rest_of(head).body == read[target]) == (200, True), target


def large(unsent: UnsentData, ended: list[str]) -> Any:
    """An application whose responses have a large block."""

    async def app(scope: Any, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            try:
                await unsent.send(send, b"x" * LARGE_BYTES)
                await send({"type": "http.response.body", "body": b"end"})
            finally:
                ended.append(scope["path"])

    return app


def test_reader_takes_the_room_of_who_has_not_read_for_the_longest_time() -> None:
    ended: list[str] = []
    unsent = UnsentData(memory_bytes=MIB, file_bytes=2 * LARGE_BYTES + MIB)
    with serving(large(unsent, ended)) as port, ExitStack() as running:
        unread = []
        for number in range(2):
            connection = running.enter_context(Connection(port, receive_bytes=RECEIVED_BYTES))
            connection.send(get(f"/unread/{number}"))
            unread.append((connection, connection.head()))
        assert exchange(port, get("/read")).body == b"x" * LARGE_BYTES + b"end"
        until(lambda: ended == ["/unread/0", "/read"])
        connection, head = unread[1]
        assert connection.rest_of(head).body == b"x" * LARGE_BYTES + b"end"
        connection, head = unread[0]
        with pytest.raises(ConnectionError):
            connection.rest_of(head)


def test_response_that_is_larger_than_all_the_room_is_refused() -> None:
    with serving(large(UnsentData(memory_bytes=MIB, file_bytes=MIB), [])) as port, pytest.raises(ConnectionError):
        exchange(port, get("/"))
