"""A server in this process that waits for nobody long, for tests of what happens to who is slow."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from amplifierd.server.http1.limits import Limits
from amplifierd.server.http1.protocol import Protocol

IMPATIENT = Limits(head_seconds=0.5, body_seconds=0.5, body_bytes=1_000)


@contextmanager
def serving(app: Any, limits: Limits = IMPATIENT, *, idle_seconds: int = 1) -> Iterator[int]:
    """The port at which an application is served within such limits; idle connections are closed."""
    # uvicorn's hint asks for a class, where it only ever calls.
    protocol: Any = partial(Protocol, limits=limits)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            interface="asgi3",
            http=protocol,
            ws="none",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=idle_seconds,
        )
    )
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
