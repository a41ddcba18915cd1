"""Failures of PostgreSQL: acknowledged writes are neither lost nor duplicated."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import asyncpg
import httpx
import pytest

from daemon import Daemon
from faults.load import Load
from operations import OPERATIONS, send
from postgres import PostgresServer
from raw import Connection, exchange, post
from waits import until

TERMINATE_ALL = """
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE application_name = 'amplifierd'
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server with durable writes."""
    with PostgresServer() as running:
        yield running


@pytest.fixture
def node(server: PostgresServer) -> Iterator[Daemon]:
    with Daemon(server.url()) as running:
        yield running


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_operation_is_503_while_the_server_is_unavailable(server: PostgresServer, node: Daemon) -> None:
    with node.client() as client:
        session = client.post("/sessions").json()
        server.stop()
        for operation in OPERATIONS:
            response = send(client, operation, session["id"])
            assert response.status_code == 503, response.request
            assert response.headers["retry-after"] == "1"
            assert "The storage is not available: " in response.json()["detail"]
        assert client.get("/status").status_code == client.get("/live").status_code == 200
        server.start()
        assert client.get(f"/sessions/{session['id']}").json() == session
        assert client.post(f"/sessions/{session['id']}/messages", json={"content": "x"}).status_code == 201
        # The result is cached for a second.
        until(lambda: client.get("/health").status_code == 200)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["in order", "in a crash"])
def test_restart_under_load_keeps_each_message_once(server: PostgresServer, node: Daemon, how: int) -> None:
    with Load([node.api]) as load:
        for _ in range(2):
            load.wait_for_more(50)
            server.stop(how)
            load.wait_for_refusals(1)
            server.start()
        load.wait_for_more(50)
        load.stop()
        assert load.refused
        load.check(node.api)


def test_killed_connections_keep_each_message_once(server: PostgresServer, node: Daemon) -> None:
    with Load([node.api]) as load:
        for _ in range(20):
            load.wait_for_more(10)
            asyncio.run(execute(server.url(), TERMINATE_ALL))
        load.wait_for_more(50)
        load.stop()
        load.check(node.api)


def test_worker_that_starts_without_postgresql_is_restarted(server: PostgresServer) -> None:
    with Daemon(server.url(), "--workers", "2") as node, Load([node.api]) as load:
        load.wait_for_more(10)
        server.stop()
        for worker in node.workers:
            os.kill(worker, signal.SIGKILL)
        node.wait_for_log("A worker exits, and another will retry: The database")
        server.start()
        load.wait_for_more(50)
        load.stop()
        load.check(node.api)
        assert node.stop() == 0


def test_pool_without_a_free_connection_is_503_in_bounded_time(server: PostgresServer, node: Daemon) -> None:
    with node.client() as client:
        url = f"/sessions/{client.post('/sessions').json()['id']}"

        def ask(_number: int) -> int:
            return client.get(url).status_code

        async def hold() -> tuple[list[int], float]:
            connection = await asyncpg.connect(server.url())
            async with connection.transaction():
                await connection.execute("LOCK TABLE amplifierd.session")
                started = time.monotonic()
                with ThreadPoolExecutor(40) as threads:
                    statuses = await asyncio.to_thread(lambda: [*threads.map(ask, range(40))])
                seconds = time.monotonic() - started
            await connection.close()
            return statuses, seconds

        statuses, seconds = asyncio.run(hold())
        assert set(statuses) == {503}
        assert seconds < 20
        assert ask(0) == 200


def test_promoted_standby_has_every_acknowledged_write() -> None:
    # Every commit waits for a standby, and there is none while it is being created.
    with PostgresServer() as primary:
        asyncio.run(execute(primary.url(), "SELECT pg_create_physical_replication_slot('standby')"))
        with PostgresServer("primary_slot_name=standby", standby_of=primary) as standby:
            asyncio.run(execute(primary.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'"))
            asyncio.run(execute(primary.url(), "SELECT pg_reload_conf()"))
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
            with Daemon(url) as node, Load([node.api]) as load:
                load.wait_for_more(100)
                primary.stop(signal.SIGQUIT)
                asyncio.run(execute(standby.url(), "ALTER SYSTEM SET synchronous_standby_names = ''"))
                standby.promote()
                load.wait_for_more(100)
                load.stop()
                load.check(node.api)


def test_killed_node_loses_nothing(server: PostgresServer, node: Daemon) -> None:
    other = Daemon(server.url())
    with Load([other.api, node.api]) as load:
        load.wait_for_more(50)
        tail = Tail(other.api, load.sessions[0])
        load.wait_for_more(100)
        until(lambda: bool(tail.seen))
        other.kill()
        tail.thread.join()
        again = Tail(node.api, load.sessions[0], tail.last)
        load.wait_for_more(100)
        load.stop()
        load.check(node.api)
        expected = load.acknowledged[load.sessions[0]]
        until(lambda: again.seen[-1:] == expected[-1:])
        assert tail.seen + again.seen == expected[len(expected) - len(tail.seen + again.seen) :]
        assert tail.seen
        node.stop()
        again.thread.join()


class Tail:
    """Follows the messages of a session in a thread, from an event id on, until its node stops."""

    def __init__(self, url: str, session_id: str, after: str | None = None) -> None:
        self.last = after
        self.seen: list[str] = []
        self._url = f"{url}/sessions/{session_id}/events"
        self._following = threading.Event()
        self.thread = threading.Thread(target=self._follow)
        self.thread.start()
        assert self._following.wait(120)

    def _follow(self) -> None:
        headers = {} if self.last is None else {"Last-Event-ID": self.last}
        kind = ""
        try:
            with httpx.stream("GET", self._url, headers=headers, timeout=120) as stream:
                self._following.set()
                for line in stream.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "id":
                        waiting = value
                    elif name == "data" and kind == "message":
                        self.seen.append(json.loads(value)["content"])
                        self.last = waiting
        except httpx.TransportError:
            # The node has stopped.
            return


def test_stuck_server_does_not_prevent_shutdown(server: PostgresServer) -> None:
    request = post("/api/v1/sessions", b"{}", b"Expect: 100-continue")
    with Daemon(server.url()) as node, ExitStack() as stack:
        assert exchange(node.port, post("/api/v1/sessions", b"{}")).status == 201
        with server.stuck():
            writing = [stack.enter_context(Connection(node.port)) for _ in range(4)]
            for connection in writing:
                connection.send(request[:-1])
                assert connection.response().status == 100
                connection.send(request[-1:])
            assert node.stop() == 0
            assert {connection.response().status for connection in writing} == {503}
    assert "Traceback" not in node.log
