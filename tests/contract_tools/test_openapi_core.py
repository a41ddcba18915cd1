"""openapi-core, a Python validator, accepts each recorded response, and each request that the server accepted."""

import json
import subprocess
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from daemon import Daemon
from exchanges import exchanges
from programs.contract_programs import PINS, openapi_core_python

CONTRACT = Path(__file__).parents[2] / "openapi.yaml"
CHECK = PINS / "openapi_core_check.py"


@pytest.fixture(scope="module")
def recording(sqlite_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the conversation, an exchange on each line."""
    path = tmp_path_factory.mktemp("recording") / "exchanges.jsonl"
    with sqlite_daemon.client() as client:
        path.write_text("".join(f"{json.dumps(recorded(response))}\n" for response in exchanges(client)))
    return path


def recorded(response: httpx.Response) -> dict[str, object]:
    request = response.request
    return {
        "method": request.method,
        "path": request.url.raw_path.decode().partition("?")[0].removeprefix("/api/v1"),
        "query": request.url.query.decode(),
        "headers": dict(request.headers),
        "body": b64encode(request.content).decode(),
        "status": response.status_code,
        "response_headers": dict(response.headers),
        "response_body": b64encode(response.content).decode(),
    }


def check(recording: Path) -> list[str]:
    outcome = subprocess.run(
        [openapi_core_python(), CHECK, CONTRACT, recording], capture_output=True, text=True, check=True
    )
    return outcome.stdout.splitlines()


def test_validator_accepts_the_conversation(recording: Path) -> None:
    assert check(recording) == []


def test_validator_finds_a_wrong_response(recording: Path, tmp_path: Path) -> None:
    first = json.loads(recording.read_text().partition("\n")[0])
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps(first | {"response_body": b64encode(b'{"sequence": "one"}').decode()}))
    [found] = check(wrong)
    assert "sequence" in found or "required" in found
