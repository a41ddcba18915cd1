"""A server in this process with short timeouts, for tests of slow clients."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from amplifierd.server.http1.limits import Limits
from amplifierd.server.http1.protocol import Protocol

SHORT_LIMITS = Limits(head_seconds=0.5, body_seconds=0.5, body_bytes=1_000)


@contextmanager
def serving(app: Any, limits: Limits = SHORT_LIMITS, *, idle_seconds: int = 1) -> Iterator[int]:
    """Serve an application with these limits; idle connections are closed. Yields the port."""
    # uvicorn's type is a class, but uvicorn only calls it.
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
