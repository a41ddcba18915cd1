"""The names that imports give to sessions: from a title, else from the first prompt if the format has no titles."""

from itertools import count

import httpx

from samples.histories import CODEX, Object, code_line, codex_line, lines, text, user

_numbers = count(1)


def name_after_import(client: httpx.Client, session: str, *records: Object) -> str | None:
    """Import the records, and return the name of a session."""
    content, headers = lines(*records), {"Content-Type": "application/octet-stream"}
    client.post("/import?format=auto", content=content, headers=headers).raise_for_status()
    name: str | None = client.get(f"/sessions/{session}").json().get("name")
    return name


def test_name_that_came_later_is_given(client: httpx.Client) -> None:
    session = f"5c2f6a54-1111-4000-8000-{next(_numbers):012x}"
    line = code_line(f"n{session}", None, user("Hello"), sessionId=session)
    assert name_after_import(client, session, line) is None
    title = {"type": "custom-title", "customTitle": "Greeting", "sessionId": session}
    assert name_after_import(client, session, line, title) == "Greeting"


def test_name_from_a_prompt_never_replaces_another(client: httpx.Client) -> None:
    session = f"5c2f6a54-2222-4000-8000-{next(_numbers):012x}"
    start = codex_line("session_meta", CODEX[0]["payload"] | {"id": session})
    environment = text("<environment_context>\n</environment_context>") | {"type": "input_text"}
    first = codex_line("response_item", {"type": "message", "role": "user", "content": [environment]})
    assert name_after_import(client, session, start, first) is None
    assert name_after_import(client, session, start, first, *CODEX[3:5]) == "List files."
    client.patch(f"/sessions/{session}", json={"name": "Mine"}).raise_for_status()
    assert name_after_import(client, session, start, first, *CODEX[3:]) == "Mine"
    assert client.get(f"/sessions/{session}").json()["messageCount"] == 6
