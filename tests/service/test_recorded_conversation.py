"""A conversation that was recorded from the API's first clients works from end to end, over a real socket."""

from typing import Any

import pytest
import requests

from daemon import Daemon

SESSION = {"id", "profile", "context", "createdAt", "updatedAt", "messageCount"}
SUMMARY = SESSION - {"context"}
MESSAGE = {"role", "content", "timestamp", "metadata"}


@pytest.fixture
def api(daemon: Daemon) -> str:
    return daemon.api


def created(api: str, **body: Any) -> dict[str, Any]:
    response = requests.post(f"{api}/sessions", json=body, timeout=120)
    assert (response.status_code, response.reason) == (201, "Created")
    session: dict[str, Any] = response.json()
    return session


def test_session_from_its_opening_to_its_end(api: str) -> None:
    context = {"task": "API testing", "user": "developer"}
    session = created(api, profile="default", context=context)
    assert session.keys() >= SESSION
    assert (session["profile"], session["messageCount"]) == ("default", 0)
    assert list(session["context"].items()) == list(context.items())

    listed = requests.get(f"{api}/sessions", timeout=120)
    assert listed.status_code == 200
    assert listed.json()[0]["id"] == session["id"]
    assert listed.json()[0].keys() >= SUMMARY
    assert "context" not in listed.json()[0]

    url = f"{api}/sessions/{session['id']}"
    assert requests.get(url, timeout=120).json() == session

    metadata = {"source": "jupyter_notebook", "timestamp": "2025-01-01T00:00:00Z"}
    greeting: dict[str, Any] = {"content": "Hello, amplifierd! This is a test message.", "metadata": metadata}
    sent = requests.post(f"{url}/messages", json=greeting, timeout=120)
    assert sent.status_code == 201
    assert sent.json().keys() >= MESSAGE
    assert (sent.json()["role"], sent.json()["content"]) == ("user", greeting["content"])
    assert list(sent.json()["metadata"].items()) == list(metadata.items())

    transcript = requests.get(f"{url}/messages", timeout=120).json()
    assert transcript == {"sessionId": session["id"], "messages": [sent.json()]}

    questions = ["What are profiles?", "How is one activated?", "Which modules are there?"]
    for question in questions:
        assert requests.post(f"{url}/messages", json={"content": question}, timeout=120).ok
    messages = requests.get(f"{url}/messages", timeout=120).json()["messages"]
    assert [message["content"] for message in messages] == [greeting["content"], *questions]

    resumed = requests.post(f"{url}/resume", timeout=120)
    assert resumed.status_code == 200
    assert resumed.json()["messageCount"] == 4
    assert resumed.json()["updatedAt"] > session["updatedAt"]
    assert resumed.json()["context"] == context

    deleted = requests.delete(url, timeout=120)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert requests.get(url, timeout=120).status_code == 404
    assert requests.get(f"{url}/messages", timeout=120).status_code == 404


def test_unknown_session_is_404(api: str) -> None:
    response = requests.get(f"{api}/sessions/non-existent-session-id", timeout=120)
    assert (response.status_code, response.reason) == (404, "Not Found")
    assert response.json()["detail"] == "Session non-existent-session-id not found"


def test_session_in_a_directory(api: str) -> None:
    amplified = requests.post(f"{api}/amplified-directories", json={"relative_path": "projects/atlas"}, timeout=120)
    assert amplified.status_code == 201
    assert created(api, profile="default", amplified_dir="projects/atlas")["amplifiedDir"] == "projects/atlas"
    assert created(api, profile="default")["amplifiedDir"] == "."
