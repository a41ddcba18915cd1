"""Clients that append to sessions until they are stopped, and retry unacknowledged requests."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from daemon import http_client
from waits import until

CLIENTS = 8
AGAIN_SECONDS = 0.05
# After these statuses, a client sends the request again with the same key.
RETRIED = (503,)
# A new connection for each request, so that every worker gets requests.
NEW_CONNECTIONS = httpx.Limits(max_keepalive_connections=0)


class Load:
    """Each client appends to its own session, through the `urls` in turn; `acknowledged` has the contents."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._clients = [http_client(base_url=url, limits=NEW_CONNECTIONS) for url in urls]
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(CLIENTS)
        self.acknowledged: defaultdict[str, list[str]] = defaultdict(list)
        self.refused: list[int] = []
        self.sessions = [self._clients[0].post("/sessions").json()["id"] for _ in range(CLIENTS)]
        self._running = [self._threads.submit(self._append, session_id) for session_id in self.sessions]

    @property
    def count(self) -> int:
        """The number of acknowledged messages."""
        return sum(map(len, self.acknowledged.values()))

    def wait_for_more(self, messages: int) -> None:
        """Wait until this number of further messages is acknowledged."""
        enough = self.count + messages
        until(lambda: self.count >= enough)

    def wait_for_refusals(self, requests: int) -> None:
        """Wait until this number of further requests is refused."""
        enough = len(self.refused) + requests
        until(lambda: len(self.refused) >= enough)

    def stop(self) -> None:
        """Stop after the current requests; raises the first error of a client."""
        self._stopping.set()
        for running in self._running:
            running.result()
        self._threads.shutdown()

    def check(self, url: str) -> None:
        """Assert that the sessions have exactly the acknowledged messages, once and in order."""
        with http_client(base_url=url) as client:
            for session_id in self.sessions:
                messages = client.get(f"/sessions/{session_id}/messages").json()["messages"]
                assert [message["sequence"] for message in messages] == list(range(1, len(messages) + 1))
                assert [message["content"] for message in messages] == self.acknowledged[session_id]
                session = client.get(f"/sessions/{session_id}").json()
                assert session["messageCount"] == len(messages)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._threads.shutdown()
        for client in self._clients:
            client.close()

    def _append(self, session_id: str) -> None:
        while not self._stopping.is_set():
            content = str(uuid4())
            self._send(session_id, content)
            self.acknowledged[session_id].append(content)

    def _send(self, session_id: str, content: str) -> None:
        deadline = time.monotonic() + 120
        attempts = 0
        while time.monotonic() < deadline:
            client = self._clients[attempts % len(self._clients)]
            attempts += 1
            try:
                response = client.post(
                    f"/sessions/{session_id}/messages", json={"content": content}, headers={"Idempotency-Key": content}
                )
            except httpx.TransportError:
                # The node has stopped.
                time.sleep(AGAIN_SECONDS)
                continue
            if response.status_code == 201:
                return
            assert response.status_code in RETRIED, response.text
            assert response.headers["retry-after"] == "1"
            self.refused.append(response.status_code)
            time.sleep(AGAIN_SECONDS)
        raise AssertionError(f"{content} was not accepted within two minutes.")
