"""How far the search index is, and the search that is refused while more waits than it can index."""

import time
from pathlib import Path

import httpx

from amplifierd.storage.sqlite.connection import connect_writer
from amplifierd.storage.sqlite.search.indexing import begin_again
from daemon import Daemon
from fork_server import run_amplifierd
from keys import create_key

SECONDS = 60
MESSAGES = 12_000
AT_ONCE = 1_000
# It is indexed in pieces: its words and their forms have more than 128 KiB.
LONG = " ".join(f"w{number}" for number in range(15_000))


def said(client: httpx.Client, count: int, headers: dict[str, str] | None = None) -> None:
    """Append as many messages to a new session."""
    path = f"/sessions/{client.post('/sessions', headers=headers).json()['id']}/messages/batch"
    messages = [{"content": "needle"}] * min(count, AT_ONCE)
    for _ in range(count // len(messages)):
        client.post(path, json={"messages": messages}, headers=headers).raise_for_status()


def index_of(client: httpx.Client, headers: dict[str, str] | None = None) -> object:
    """What the state tells about the index."""
    return client.get("/status", headers=headers).raise_for_status().json().get("searchIndex")


def wait_for_index(client: httpx.Client, expected: object, headers: dict[str, str] | None = None) -> None:
    """Wait until the state tells this about the index."""
    deadline = time.monotonic() + SECONDS
    while index_of(client, headers) != expected:
        assert time.monotonic() < deadline, index_of(client, headers)
        time.sleep(0.05)


def ready(count: int) -> dict[str, object]:
    return {"isReady": True, "indexedMessages": count, "waitingMessages": 0}


def test_search_is_refused_while_too_much_waits_and_answered_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Daemon(f"sqlite:///{path}") as daemon, daemon.client() as client:
        said(client, MESSAGES)
        wait_for_index(client, ready(MESSAGES))
        # As after an upgrade. What holds the file lets nothing be indexed until it is closed.
        other = connect_writer(str(path))
        other.execute("BEGIN IMMEDIATE")
        begin_again(other)
        other.execute("COMMIT; BEGIN IMMEDIATE")
        refused = client.get("/search", params={"q": "needle"})
        assert refused.status_code == 503
        problem = refused.json()
        assert problem["type"] == "urn:amplifierd:problem:search-index-not-ready"
        assert problem["waitingMessages"] == MESSAGES
        assert f"of {problem['indexedMessages'] + MESSAGES} messages are indexed" in problem["detail"]
        assert refused.headers["retry-after"] == "2"
        wait_for_index(client, {"isReady": False, "indexedMessages": 0, "waitingMessages": MESSAGES})
        other.close()
        wait_for_index(client, ready(MESSAGES))
        [hit] = client.get("/search", params={"q": "needle", "limit": 1}).json()
        assert hit["sequence"] == MESSAGES


def test_state_tells_of_the_index_of_the_workspace(database: str) -> None:
    team, others = ({"Authorization": f"Bearer {create_key(database, '--workspace', it)}"} for it in ("team", "others"))
    with Daemon(database) as daemon, daemon.client() as client:
        said(client, 3, team)
        wait_for_index(client, ready(3), team)
        assert index_of(client, others) == ready(0)
        assert index_of(client) is None
        assert index_of(client, {"Authorization": "Bearer unknown"}) is None


def test_what_was_acknowledged_is_found_after_a_kill(tmp_path: Path) -> None:
    """The kill comes before, while or after the messages are indexed: all are found, once."""
    database = f"sqlite:///{tmp_path / 'a.db'}"
    sessions = 0
    for delay in (0, 0.05, 0.2, 0.5):
        with Daemon(database) as daemon, daemon.client() as client:
            # Whatever the last one left.
            assert len(found(client, "last")) == sessions
            said(client, AT_ONCE)
            path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
            client.post(path, json={"content": f"{LONG} last"}).raise_for_status()
            sessions += 1
            time.sleep(delay)
            daemon.kill()
    with Daemon(database) as daemon, daemon.client() as client:
        assert len(found(client, "last")) == len(found(client, '"w0 w1"')) == sessions
        assert len(found(client, "needle")) == AT_ONCE
        wait_for_index(client, ready(sessions * (AT_ONCE + 1)))
    checked = run_amplifierd("check", "--database", database)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def found(client: httpx.Client, words: str) -> list[object]:
    """The first thousand hits."""
    hits: list[object] = client.get("/search", params={"q": words, "limit": AT_ONCE}).raise_for_status().json()
    return hits
