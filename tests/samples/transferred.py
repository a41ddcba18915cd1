"""A conversation to export, and lines of an export."""

import json
from typing import Any

import httpx

HEADER = '{"header":{"format":"amplifierd-export","version":2}}\n'
END_OF_ONE_SESSION = '{"end":{"sessions":1,"messages":0,"files":0}}\n'
MESSAGES = [
    {"content": "How?\n\n```python\nprint(1)", "role": "user"},
    {"content": "So:\n~~~~\n```\n~~~\n~~~~\nDone.", "role": "assistant", "agent": "planner"},
    {"content": '{"a": "````"}', "role": "tool"},
]


def create_conversation(client: httpx.Client) -> str:
    """Create a session with some messages. Returns its path."""
    path = f"/sessions/{client.post('/sessions').json()['id']}"
    assert client.post(f"{path}/messages/batch", json={"messages": MESSAGES}).status_code == 201
    return path


def session_line(**members: Any) -> str:
    """The export line of an empty session, with these members."""
    session = {
        "id": "019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11",
        "status": "created",
        "profile": "default",
        "context": {},
        "amplifiedDir": ".",
        "createdAt": "2025-11-21T19:33:19.192107Z",
        "updatedAt": "2025-11-21T19:33:19.192107Z",
        "messageCount": 0,
        "tokenUsage": 0,
        "version": 1,
    }
    return json.dumps({"session": session | members}) + "\n"
