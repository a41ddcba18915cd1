"""Prism, as a proxy between client and server, finds only responses that the contract declares."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from daemon import Daemon
from exchanges import exchanges
from postgres import free_port
from programs.contract_programs import node_modules

CONTRACT = Path(__file__).parents[2] / "openapi.yaml"
START_SECONDS = 120


@pytest.fixture
def proxy(sqlite_daemon: Daemon) -> Iterator[str]:
    """The address of a Prism in front of the daemon."""
    port = free_port()
    arguments = ["proxy", str(CONTRACT), sqlite_daemon.api, "--port", str(port), "--host", "127.0.0.1"]
    process = subprocess.Popen(["node", node_modules() / ".bin/prism", *arguments], stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=START_SECONDS)
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Prism has not started.")


def test_prism_finds_no_violation_in_responses(proxy: str) -> None:
    seen = set()
    with httpx.Client(base_url=proxy, timeout=20) as client:
        for response in exchanges(client):
            seen.add(response.status_code)
            violations = json.loads(response.headers.get("sl-violations", "[]"))
            found = [each for each in violations if each["location"][0] == "response"]
            assert found == [], (response.request.method, response.request.url, response.text)
    assert {200, 201, 204, 400, 404, 409, 412, 415, 422} <= seen
