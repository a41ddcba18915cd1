"""A service with OpenAI's API for embeddings: a vector is how often each letter occurs in a text."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import ascii_lowercase
from typing import Any

MODEL = "letters"


class EmbeddingService(ThreadingHTTPServer):
    """Responds with `status`; `keys` are the bearer tokens that it received, `batches` the texts of each request.

    Texts that contain `refused` get 400, those with `failing` 500; texts with `held` wait until `held` changes. With
    `is_slow`, responses come in small pieces and never end.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.status = 200
        self.keys: set[str | None] = set()
        self.batches: list[list[str]] = []
        self.paths: set[str] = set()
        self.refused = self.failing = self.held = "\0"
        self.models: set[str] = {MODEL}
        self.delay = 0.0
        self.is_slow = False
        # Sent instead of vectors.
        self.content = b""


class _Handler(BaseHTTPRequestHandler):
    server: EmbeddingService
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name that the library calls
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        service = self.server
        service.paths.add(self.path)
        service.keys.add(self.headers["Authorization"])
        service.batches.append(body["input"])
        time.sleep(service.delay)
        while any(service.held in text for text in body["input"]):
            time.sleep(0.05)
        status = service.status if body["model"] in service.models else 404
        if any(service.refused in text for text in body["input"]):
            status = 400
        if any(service.failing in text for text in body["input"]):
            status = 500
        data = [{"index": at, "embedding": _vector(text)} for at, text in enumerate(body["input"])]
        content = json.dumps({"object": "list", "data": data[::-1], "model": MODEL}).encode()
        content = service.content or content
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"{service.url}/elsewhere")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):
            while service.is_slow:
                self.wfile.write(b" ")
                time.sleep(0.1)
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        """Log nothing."""


def _vector(text: str) -> list[float]:
    return [text.lower().count(letter) - 0.5 for letter in ascii_lowercase]


@contextmanager
def embedding_service() -> Iterator[EmbeddingService]:
    """A running service on a free port."""
    with EmbeddingService() as service:
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
