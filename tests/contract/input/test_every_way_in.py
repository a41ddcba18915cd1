"""JSON that some parser cannot read is rejected at every entry point, with the place of the fault."""

import json
from pathlib import Path

import httpx
import pytest

from daemon import Daemon
from fork_server import run_amplifierd

HUGE = "7" * 5000
NUMBER = "the number 777"
PLACE = "is out of the range of a double, at "
HEADER = '{"header":{"format":"amplifierd-export","version":1}}\n'
FRONT = "---\nprofile: {name: way/in, version: 1.0.0, schema_version: 2}\n"
PATCH = {"Content-Type": "application/merge-patch+json"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def session_id(client: httpx.Client) -> str:
    created: str = client.post("/sessions", json={}).json()["id"]
    return created


MEMBER = f'{{"a":{HUGE}}}'
MESSAGE = f'{{"content":"x","metadata":{MEMBER}}}'
TOOLS = f'"tools":[{{"module":"m","config":{MEMBER}}}]'


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("POST", "/sessions", f'{{"context":{MEMBER}}}', "/context/a"),
        ("POST", "/sessions/{}/messages", MESSAGE, "/metadata/a"),
        ("POST", "/sessions/{}/messages/batch", f'{{"messages":[{MESSAGE}]}}', "/messages/0/metadata/a"),
        ("POST", "/sessions/{}/fail", f'{{"error_message":"x","error_details":{MEMBER}}}', "/error_details/a"),
        ("PATCH", "/sessions/{}", f'{{"context":{{"b":[{MEMBER}]}}}}', "/context/b/0/a"),
        ("POST", "/profiles", f'{{"name":"way/in","version":"1",{TOOLS}}}', "/tools/0/config/a"),
        ("PATCH", "/profiles/way/in", f"{{{TOOLS}}}", "/tools/0/config/a"),
        ("POST", "/amplified-directories", f'{{"relative_path":"way","metadata":{MEMBER}}}', "/metadata/a"),
        ("PATCH", "/amplified-directories/way", f'{{"metadata":{MEMBER}}}', "/metadata/a"),
    ],
)
def test_body(client: httpx.Client, session_id: str, method: str, path: str, body: str, place: str) -> None:
    headers = PATCH if method == "PATCH" else JSON
    response = client.request(method, path.format(session_id), content=body, headers=headers)
    assert response.status_code == 400, response.text
    assert NUMBER in response.json()["detail"]
    assert response.json()["detail"].endswith(f"{PLACE}{place}.")
    assert [error["pointer"] for error in response.json()["errors"]] == [place]


def test_line_of_an_import(client: httpx.Client, session_id: str) -> None:
    content = HEADER + exported(client, session_id)
    response = client.post("/import", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert response.status_code == 400
    assert response.json()["detail"].startswith("Line 2 is not I-JSON")
    assert response.json()["detail"].endswith(f"{PLACE}/session/context/a.")


def test_line_of_an_import_from_the_command_line(client: httpx.Client, session_id: str, tmp_path: Path) -> None:
    export = tmp_path / "export.ndjson"
    export.write_text(HEADER + exported(client, session_id))
    database = f"sqlite:///{tmp_path / 'empty.db'}"
    ended = run_amplifierd("import", "--database", database, "--create", str(export))
    assert ended.returncode != 0
    assert f"{PLACE}/session/context/a" in ended.stderr


def exported(client: httpx.Client, session_id: str) -> str:
    """An export line with a session that contains this number."""
    session = client.get(f"/sessions/{session_id}").json()
    session["context"] = {"a": 0}
    return json.dumps({"session": session}).replace('{"a": 0}', f'{{"a": {HUGE}}}')


@pytest.mark.parametrize("number", [HUGE, f"-{HUGE}", f"+{HUGE}", f"0x{'f' * 64}{'0' * 400}", "1e309", f"1{'0' * 309}"])
def test_profile_in_yaml(client: httpx.Client, number: str) -> None:
    text = f"{FRONT}tools:\n- module: m\n  config:\n    a: {number}\n---\n"
    response = client.post("/profiles", content=text, headers={"Content-Type": "text/markdown"})
    if number.startswith("0x"):
        # More digits of base 16 are a text.
        assert response.status_code == 201
        assert client.delete("/profiles/way/in").status_code == 204
        return
    assert response.status_code in (400, 422), response.text
    [error] = response.json()["errors"]
    assert error["line"] == 6
    assert "is out of the range of a double" in error["detail"]


def test_marker_on_the_disk(daemon: Daemon, client: httpx.Client) -> None:
    folder = daemon.data_path / "marked" / ".amplified"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(f'{{"a":{HUGE}}}')
    report = client.post("/amplified-directories/scan").json()
    [refused] = [marker for marker in report["refused"] if marker["relativePath"] == "marked"]
    assert refused["detail"].endswith(f"{PLACE}/a")
