"""The state of the search index, and searches that are refused while too many messages wait for it."""

import time
from pathlib import Path

import httpx

from amplifierd.storage.sqlite.connection import connect_writer
from amplifierd.storage.sqlite.search.indexing import LONG_BYTES, begin_again
from daemon import Daemon
from fork_server import run_amplifierd
from waits import until

MESSAGES = 15_000
AT_ONCE = 1_000
# The words of longer messages are split outside of the writer.
LONG = " ".join(f"w{number}" for number in range(LONG_BYTES // 5))


def append(client: httpx.Client, count: int) -> None:
    """Append this number of messages to a new session."""
    path = f"/sessions/{client.post('/sessions').json()['id']}/messages/batch"
    messages = [{"content": "needle"}] * min(count, AT_ONCE)
    for _ in range(count // len(messages)):
        client.post(path, json={"messages": messages}).raise_for_status()


def waiting(client: httpx.Client) -> object:
    """The number of waiting messages in the status."""
    return client.get("/status").raise_for_status().json()["searchIndex"]["waitingMessages"]


def wait_until_there_are(client: httpx.Client, expected: int) -> None:
    """Wait until the status reports this number of waiting messages."""
    until(lambda: waiting(client) == expected, lambda: waiting(client))


def hits(client: httpx.Client, words: str) -> int:
    """The number of hits, at most a thousand."""
    return len(client.get("/search", params={"q": words, "limit": AT_ONCE}).raise_for_status().json())


def test_search_is_refused_only_while_too_many_messages_wait(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}") as daemon, daemon.client() as client:
        append(client, MESSAGES)
        # As after an upgrade. The open transaction prevents further indexing until it is closed.
        other = connect_writer(str(path))
        other.execute("BEGIN IMMEDIATE")
        begin_again(other)
        other.execute("COMMIT; BEGIN IMMEDIATE")
        refused = client.get("/search", params={"q": "needle"})
        assert refused.status_code == 503
        problem = refused.json()
        assert problem["type"] == "urn:amplifierd:problem:search-index-not-ready"
        count = problem["waitingMessages"]
        assert 10_000 < count <= MESSAGES
        assert problem["detail"] == f"The search index is not ready: {count} messages wait to be indexed"
        assert 6 <= int(refused.headers["retry-after"]) <= 8
        wait_until_there_are(client, count)
        other.close()
        wait_until_there_are(client, 0)
        [hit] = client.get("/search", params={"q": "needle", "limit": 1}).json()
        assert hit["sequence"] == MESSAGES


def test_state_has_no_waiting_messages_when_all_are_found(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        append(client, 3)
        assert hits(client, "needle") == 3
        wait_until_there_are(client, 0)


def test_acknowledged_messages_are_found_after_a_kill(tmp_path: Path) -> None:
    """The kill happens before, during or after the indexing; each message must be found once."""
    database = f"sqlite:///{tmp_path / 'a.db'}"
    sessions = 0
    for delay in (0, 0.05, 0.2, 0.5):
        with Daemon(database) as daemon, daemon.client() as client:
            # Whatever state the last daemon left.
            assert hits(client, "last") == sessions
            append(client, AT_ONCE)
            path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
            client.post(path, json={"content": f"{LONG} last"}).raise_for_status()
            sessions += 1
            time.sleep(delay)
            daemon.kill()
    with Daemon(database) as daemon, daemon.client() as client:
        # The next start continues without any request.
        wait_until_there_are(client, 0)
        assert hits(client, "last") == hits(client, '"w0 w1"') == sessions
        assert hits(client, "needle") == AT_ONCE
    checked = run_amplifierd("check", "--database", database)
    assert checked.returncode == 0, checked.stdout + checked.stderr
