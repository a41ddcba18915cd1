"""The message operations over a real socket."""

import httpx
import pytest


@pytest.fixture
def messages(client: httpx.Client) -> str:
    """The path of a transcript of ten messages."""
    path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
    for number in range(1, 11):
        assert client.post(path, json={"content": str(number)}).json()["sequence"] == number
    return path


def sequences(response: httpx.Response) -> list[int]:
    assert response.status_code == 200
    return [message["sequence"] for message in response.json()["messages"]]


def test_transcript_can_be_read_forward(client: httpx.Client, messages: str) -> None:
    read: list[int] = []
    while part := sequences(client.get(messages, params={"limit": 4, "after_sequence": len(read)})):
        read += part
    assert read == list(range(1, 11))


def test_transcript_can_be_paged_back(client: httpx.Client, messages: str) -> None:
    read = sequences(client.get(messages, params={"limit": 4, "before_sequence": 11}))
    while part := sequences(client.get(messages, params={"limit": 4, "before_sequence": read[0]})):
        read = part + read
    assert read == list(range(1, 11))


def test_long_transcript_is_streamed_whole(client: httpx.Client) -> None:
    path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
    for _ in range(40):
        client.post(path, json={"content": "x" * 20_000})
    response = client.get(path)
    assert sequences(response) == list(range(1, 41))


def test_append_increases_the_count(client: httpx.Client, messages: str) -> None:
    session = client.get(messages.removesuffix("/messages")).json()
    assert session["messageCount"] == 10
    last = client.get(messages, params={"limit": 1, "before_sequence": 11}).json()["messages"][0]
    assert session["updatedAt"] == last["timestamp"]


@pytest.mark.parametrize("role", ["user", "assistant", "system", "tool"])
def test_message_accepts_each_role(client: httpx.Client, role: str) -> None:
    path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
    assert client.post(path, json={"content": "x", "role": role}).json()["role"] == role


def test_pages_of_a_role_lead_to_the_next(client: httpx.Client) -> None:
    session = client.post("/sessions").json()["id"]
    turns = [{"content": "x", "role": role} for role in ("user", "assistant", "user")]
    client.post(f"/sessions/{session}/messages/batch", json={"messages": turns})
    first = client.get(f"/sessions/{session}/messages", params={"limit": 1, "role": "user", "order": "desc"})
    second = client.get(first.url.join(first.links["next"]["url"]))
    assert (sequences(first), sequences(second)) == ([3], [1])
    assert "next" not in second.links
