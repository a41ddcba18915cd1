"""A daemon with its database in memory: it serves the contract, and its data ends with it."""

import subprocess
import sys

from daemon import Daemon


def test_memory_is_served() -> None:
    with Daemon("memory://") as daemon, daemon.client() as client:
        assert client.get("/status").json()["storage"] == "memory"
        session = client.post("/sessions", json={"name": "Atlas"}).raise_for_status().json()
        path = f"/sessions/{session['id']}"
        headers = {"Idempotency-Key": "k"}
        sent = [client.post(f"{path}/messages", json={"content": "red fox"}, headers=headers) for _ in range(2)]
        assert [response.status_code for response in sent] == [201, 201]
        assert sent[0].json() == sent[1].json()
        assert len(client.get(f"{path}/messages").json()["messages"]) == 1
        assert [hit["sessionId"] for hit in client.get("/search?q=fox").json()] == [session["id"]]
        with client.stream("GET", f"{path}/events", headers={"Last-Event-ID": "0"}) as events:
            assert "red fox" in next(line for line in events.iter_lines() if line.startswith("data:"))
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 404
    with Daemon("memory://") as daemon, daemon.client() as client:
        assert client.get("/sessions").json() == []


def test_memory_is_not_shared_by_workers() -> None:
    command = [sys.executable, "-m", "amplifierd", "serve", "--database", "memory://", "--workers", "2", "--port", "0"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert outcome.returncode == 1
    assert "The database memory:// is in the memory of one process" in outcome.stderr
    assert "serve with one worker" in outcome.stderr
