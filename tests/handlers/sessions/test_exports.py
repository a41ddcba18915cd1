"""Transcripts in every format, and transfers of conversations between two stores, over a real socket."""

import json

import httpx
import pytest

from daemon import Daemon
from raw import Connection
from samples.transferred import HEADER, create_conversation, session_line

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def path(client: httpx.Client) -> str:
    """The path of a session with some messages."""
    return create_conversation(client)


def transcript(client: httpx.Client, path: str, accept: str | None) -> httpx.Response:
    headers = {} if accept is None else {"Accept": accept}
    request = client.build_request("GET", f"{path}/transcript", headers=headers)
    if accept is None:
        del request.headers["accept"]
    return client.send(request)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/markdown; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/html, text/markdown;q=0.5, application/json;q=0.1", "text/markdown; charset=utf-8"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("application/json;charset=utf-8", "application/json"),
        ("text/markdown; charset=UTF-8; variant=GFM;q=0.9, application/json;q=0.1", "text/markdown; charset=utf-8"),
    ],
)
def test_accept_chooses_the_form(client: httpx.Client, path: str, accept: str | None, content_type: str) -> None:
    response = transcript(client, path, accept)
    assert (response.status_code, response.headers["content-type"]) == (200, content_type)
    assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=0.9, image/*", "application/json;q=0"])
def test_unknown_format_is_406(client: httpx.Client, path: str, accept: str) -> None:
    response = transcript(client, path, accept)
    assert (response.status_code, response.headers["vary"]) == (406, "Accept")
    expected = f"Accept '{accept}' allows none of application/json, application/x-ndjson, text/markdown."
    assert response.json()["detail"] == expected


def test_transcript_has_every_message_in_each_form(client: httpx.Client, path: str) -> None:
    listed = client.get(f"{path}/messages").json()["messages"]
    assert transcript(client, path, "application/json").json() == listed
    lines = transcript(client, path, "application/x-ndjson").text
    assert lines.endswith("\n")
    assert [json.loads(line) for line in lines.splitlines()] == listed


def test_markdown_keeps_fences_closed(client: httpx.Client, path: str) -> None:
    text = transcript(client, path, "text/markdown").text
    times = [each["timestamp"][:19].replace("T", " ") for each in client.get(f"{path}/messages").json()["messages"]]
    assert text == (
        f"## 1. user, {times[0]} UTC\n\nHow?\n\n```python\nprint(1)\n```\n\n"
        f"## 2. assistant (planner), {times[1]} UTC\n\nSo:\n~~~~\n```\n~~~\n~~~~\nDone.\n\n"
        f'## 3. tool, {times[2]} UTC\n\n`````\n{{"a": "````"}}\n`````\n\n'
    )


def test_empty_and_a_long_transcript(client: httpx.Client) -> None:
    path = f"/sessions/{client.post('/sessions').json()['id']}"
    forms = {"application/json": "[]", "application/x-ndjson": "", "text/markdown": ""}
    for accept, expected in forms.items():
        assert transcript(client, path, accept).text == expected
    for _ in range(3):
        client.post(f"{path}/messages/batch", json={"messages": [{"content": "x" * 500}] * 1000})
    assert len(transcript(client, path, "application/json").json()) == 3000
    assert len(transcript(client, path, "application/x-ndjson").text.splitlines()) == 3000
    assert transcript(client, path, "text/markdown").text.count("\n## ") == 2999


def test_export_is_imported_and_exported_the_same(database: str, client: httpx.Client, path: str) -> None:
    client.post(f"{path}/fork", json={"at_sequence": 1})
    exported = client.get("/export")
    assert exported.headers["content-type"] == "application/x-ndjson"
    assert exported.text.startswith(HEADER)
    with Daemon(database) as daemon, daemon.client() as other:
        imported = other.post("/import", content=exported.content, headers=NDJSON)
        sessions = len(client.get("/sessions").json())
        assert imported.status_code == 200, imported.text
        assert imported.json()["sessions"] == sessions
        assert other.get("/export").content == exported.content
        refused = other.post("/import", content=exported.content, headers=NDJSON)
        assert refused.status_code == 409
        assert "it already exists" in refused.json()["detail"]
        skipped = other.post("/import?on_conflict=skip", content=exported.content, headers=NDJSON)
        assert skipped.json() == {
            "sessions": 0,
            "messages": 0,
            "skipped": sessions,
            "renamed": 0,
            "extended": 0,
            "files": 0,
        }
        renamed = other.post("/import?on_conflict=new_id", content=exported.content, headers=NDJSON)
        assert renamed.json()["renamed"] == sessions
        assert len(other.get("/sessions").json()) == 2 * sessions


def test_session_is_exported_with_its_files(database: str, client: httpx.Client, path: str) -> None:
    content = bytes(range(256)) * 1_000
    file = client.post("/files", content=content, params={"media": "image/png", "name": "a.png"}).json()
    client.post("/files", content=b"of no message")
    parts = [{"type": "file", "url": file["url"], "media": "image/png"}]
    for _ in range(2):
        assert client.post(f"{path}/messages", json={"parts": parts}).status_code == 201
    exported = client.get(f"{path}/export?files=true")
    assert exported.headers["content-type"] == "application/x-ndjson"
    assert json.loads(exported.text.splitlines()[-1]) == {"end": {"sessions": 1, "messages": 5, "files": 1}}
    without = client.get(f"{path}/export").text
    assert json.loads(without.splitlines()[-1]) == {"end": {"sessions": 1, "messages": 5, "files": 0}}
    with Daemon(database) as daemon, daemon.client() as other:
        imported = other.post("/import", content=exported.content, headers=NDJSON)
        assert imported.status_code == 200, imported.text
        assert (imported.json()["sessions"], imported.json()["files"]) == (1, 1)
        assert other.get(f"{path}/export?files=true").content == exported.content
        assert other.get("/export?files=true").content == exported.content
        assert other.get(file["url"]).content == content
        assert [(each["name"], each["media"], "expiresAt" in each) for each in other.get("/files").json()] == [
            ("a.png", "image/png", False)
        ]
    client.delete(path)


@pytest.mark.parametrize(
    ("form", "media", "suffix", "content"),
    [
        ("amplifierd", "application/x-ndjson", "ndjson", '"messageCount":3'),
        ("openai", "application/json", "json", '"messages":[{"role":"user","content":"How?'),
        ("anthropic", "application/json", "json", '"messages":[{"role":"user","content":"How?'),
        ("sharegpt", "application/json", "json", '"conversations":[{"from":"human","value":"How?'),
        ("markdown", "text/markdown; charset=utf-8", "md", "\n---\n\n## 1. user, "),
        ("html", "text/html; charset=utf-8", "html", "<p>How?</p>"),
    ],
)
def test_session_is_exported_in_each_format(
    client: httpx.Client, path: str, form: str, media: str, suffix: str, content: str
) -> None:
    session_id = path.rpartition("/")[2]
    exported = client.get(f"/sessions/{session_id.upper()}/export?format={form}")
    assert (exported.status_code, exported.headers["content-type"]) == (200, media)
    assert exported.headers["content-disposition"] == f'attachment; filename="{session_id}.{suffix}"'
    assert exported.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert exported.headers["x-content-type-options"] == "nosniff"
    assert content in exported.text
    head = client.head(f"{path}/export?format={form}")
    assert (head.status_code, head.headers["content-type"]) == (200, media)
    refused = client.get(f"/sessions/nobody/export?format={form}")
    assert (refused.status_code, refused.json()["detail"]) == (404, "Session nobody not found")
    client.delete(path)


def test_files_are_in_an_export_if_asked_for(client: httpx.Client, path: str) -> None:
    file = client.post("/files", content=b"png", params={"media": "image/png"}).json()
    part = {"type": "file", "url": file["url"], "media": "image/png"}
    assert client.post(f"{path}/messages", json={"parts": [part]}).status_code == 201
    for form in ("openai", "anthropic", "html"):
        assert "cG5n" not in client.get(f"{path}/export?format={form}").text
        assert "cG5n" in client.get(f"{path}/export?files=true&format={form}").text
    client.delete(path)


@pytest.mark.parametrize("form", ["openai", "anthropic", "html"])
def test_limit_of_files_counts_each_reference(client: httpx.Client, path: str, form: str) -> None:
    triples = 2_400_000
    file = client.post("/files", content=b"ppp" * triples, params={"media": "image/png"}).json()
    part = {"type": "file", "url": file["url"], "media": "image/png"}
    assert client.post(f"{path}/messages", json={"parts": [part] * 5}).status_code == 201
    exported = client.get(f"{path}/export?files=true&format={form}").text
    # A record may contain a message twice: also in the member for data that its format cannot express.
    assert exported.partition('"amplifierd":')[0].count("cHBw" * triples) == 2
    assert "3 files" in exported if form == "html" else '"leftOut":{"files":3}' in exported
    client.delete(path)


def test_export_reports_its_losses(client: httpx.Client, path: str) -> None:
    source = {"type": "source", "url": "https://example.org/tides"}
    message = {"parts": [source], "metadata": {"rating": 5}}
    assert client.post(f"{path}/messages", json=message).status_code == 201
    lost = {
        form: client.get(f"{path}/export?format={form}").json()["amplifierd"]["losses"]
        for form in ("openai", "anthropic", "sharegpt")
    }
    assert lost == {form: {"kept": {"parts of the type source": 1}} for form in lost}
    left_out = "Left out: 1 metadata of messages."
    assert client.get(f"{path}/export?format=markdown").text.endswith(f"\n<!-- {left_out} -->\n")
    assert f'<footer class="note">{left_out}</footer>' in client.get(f"{path}/export?format=html").text
    # A file that the export does not contain is missing after the import.
    file = client.post("/files", content=b"png", params={"media": "image/png"}).json()
    part = {"type": "file", "url": file["url"], "media": "image/png"}
    client.post(f"{path}/messages", json={"parts": [part]})
    record = client.get(f"{path}/export?format=openai").json()
    assert record["amplifierd"]["losses"]["leftOut"] == {"files": 1}
    whole = client.get(f"{path}/export?format=openai&files=true").json()
    assert "leftOut" not in whole["amplifierd"]["losses"]
    client.delete(path)


def test_export_without_losses_reports_none(client: httpx.Client, path: str) -> None:
    assert "losses" not in client.get(f"{path}/export?format=openai").json()["amplifierd"]
    assert "Left out" not in client.get(f"{path}/export?format=markdown").text
    client.delete(path)


def test_export_in_an_unknown_format_is_400(client: httpx.Client, path: str) -> None:
    refused = client.get(f"{path}/export?format=docx")
    assert refused.status_code == 400
    assert "format" in refused.json()["detail"]


@pytest.mark.parametrize("content", [b"PK\x03\x04\xff\n", b'[{"mapping":{}}]', b'{"mapping":{}}', b"{\n}"])
def test_refused_file_of_another_program_names_its_format(client: httpx.Client, content: bytes) -> None:
    refused = client.post("/import", content=content, headers=NDJSON)
    assert refused.status_code in (400, 422)
    assert refused.json()["detail"].endswith(". For a file of another program, send format=auto.")


def test_import_refuses_a_cut_export(client: httpx.Client, path: str) -> None:
    lines = client.get(f"{path}/export").text.splitlines(keepends=True)
    client.delete(path)
    for length in range(1, len(lines)):
        refused = client.post("/import", content="".join(lines[:length]), headers=NDJSON)
        assert refused.status_code == 422
        assert client.get(path).status_code == 404
    assert "the end is missing; the export is incomplete" in refused.json()["detail"]
    assert client.post("/import", content="".join(lines), headers=NDJSON).status_code == 200


def test_largest_session_round_trips(client: httpx.Client) -> None:
    large = {"a": ["x" * 1_000_000] * 7, "b": [0] * 99_900}
    created = client.post("/sessions", json={"context": large}).json()["id"]
    client.post(f"/sessions/{created}/start")
    failed = client.post(f"/sessions/{created}/fail", json={"error_message": "x", "error_details": large})
    assert failed.status_code == 200
    exported = client.get("/export").content
    client.delete(f"/sessions/{created}")
    assert client.post("/import?on_conflict=skip", content=exported, headers=NDJSON).status_code == 200
    assert client.get(f"/sessions/{created}").json() == failed.json()
    client.delete(f"/sessions/{created}")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("", 422, "line 1: the header is missing"),
        ("\n \n", 422, "line 1: the header is missing"),
        (HEADER + "{", 400, "Line 2 is not I-JSON"),
        ("\n" + HEADER + '{"session":1,"session":2}', 400, 'Line 3 is not I-JSON (RFC 7493): the key "session"'),
        (HEADER + "[]", 422, "Line 2 breaks its schema in 1 place: it must be of type object"),
        (HEADER + '{"message":{}}', 422, "/message/content is required"),
        (HEADER + '{"line":1}', 422, "/line is unknown"),
        (HEADER + session_line(mood="good"), 422, "/session/mood is unknown"),
        (HEADER + session_line(amplifiedDir="../x"), 422, "/session/amplifiedDir"),
        (HEADER + session_line(messageCount=1), 422, "line 2: session 019aa8a4"),
        (HEADER.replace("2}", "3}"), 422, "/header/version must be at most 2"),
        (HEADER + '{"message":"' + "x" * (17 * 1024 * 1024) + '"}', 413, "Line 2 is larger than"),
    ],
)
def test_invalid_export_is_refused(client: httpx.Client, body: str, status: int, words: str) -> None:
    before = client.get("/sessions").json()
    refused = client.post("/import", content=body, headers=NDJSON)
    assert refused.status_code == status, refused.text
    assert words in refused.json()["detail"]
    assert "format=auto" not in refused.json()["detail"]
    assert client.get("/sessions").json() == before


def test_import_needs_its_content_type(client: httpx.Client) -> None:
    for content_type in ("application/json", "text/plain"):
        refused = client.post("/import", content=HEADER, headers={"Content-Type": content_type})
        assert (refused.status_code, "application/x-ndjson" in refused.json()["detail"]) == (415, True)
    assert client.post("/import?on_conflict=merge", content=HEADER, headers=NDJSON).status_code == 400


def test_incomplete_import_writes_nothing(daemon: Daemon, client: httpx.Client) -> None:
    before = client.get("/sessions").json()
    body = (HEADER + session_line()).encode()
    head = (
        "POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
        "Content-Length: 99999\r\n\r\n"
    )
    with Connection(daemon.port) as connection:
        connection.send(head.encode() + body)
    assert client.get("/sessions").json() == before
