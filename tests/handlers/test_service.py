"""The operations on the daemon itself, and the pages outside the contract."""

import json
import os
import re
import subprocess

import httpx
import pytest
import yaml

from amplifierd import __version__
from amplifierd.settings import CONTRACT
from daemon import Daemon, http_get
from fork_server import run_amplifierd


def test_health(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "healthy"}


def test_live(client: httpx.Client) -> None:
    assert client.get("/live").json() == {"status": "alive"}


def test_probe_runs_from_the_command_line(daemon: Daemon) -> None:
    well = probe("--port", str(daemon.port))
    assert (well.returncode, well.stdout) == (0, "healthy\n")
    alive = probe("--url", f"{daemon.url}/", "--live", http_proxy="http://127.0.0.1:1")
    assert (alive.returncode, alive.stdout) == (0, "alive\n")
    everywhere = probe(AMPLIFIERD_HOST="0.0.0.0", AMPLIFIERD_PORT=str(daemon.port))  # noqa: S104  # no socket of ours
    assert everywhere.returncode == 0
    misdirected = probe("--url", f"http://127.0.0.1:{daemon.port}/nowhere")
    assert (misdirected.returncode, misdirected.stdout) == (1, "")
    assert misdirected.stderr.startswith("Error: There is nothing at /nowhere/api/v1/health")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1:1", "http://nosuch.invalid"])
def test_probe_without_a_response_fails(url: str) -> None:
    failed = probe("--url", url)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert re.fullmatch(f"Error: {url}/api/v1/health does not respond: .*\\.\n", failed.stderr)


def probe(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_amplifierd("health", *options, env=os.environ | environment)


def test_status(daemon: Daemon, client: httpx.Client) -> None:
    first = client.get("/status").json()
    assert (first["status"], first["version"], first["storage"]) == (
        "running",
        __version__,
        daemon.database.partition(":")[0],
    )
    assert client.get("/status").json()["uptimeSeconds"] >= first["uptimeSeconds"] > 0


def test_root_describes_the_service(daemon: Daemon) -> None:
    index = http_get(daemon.url).json()
    assert index.keys() == {"name", "version", "description", "api", "docs", "openapi"}
    assert (index["name"], index["version"]) == ("amplifierd", __version__)
    assert http_get(daemon.url + index["docs"]).status_code == 200
    assert http_get(daemon.url + index["openapi"]).json()["openapi"] == "3.0.3"


def test_contract_is_served_unchanged(daemon: Daemon) -> None:
    text = http_get(f"{daemon.url}/openapi.yaml")
    assert text.headers["content-type"] == "application/yaml"
    assert text.content == CONTRACT.read_bytes()
    assert http_get(f"{daemon.url}/openapi.json").json() == json.loads(json.dumps(yaml.safe_load(text.content)))


@pytest.mark.parametrize("name", ["openapi.yaml", "openapi.json"])
def test_contract_is_compressed_and_cached(daemon: Daemon, name: str) -> None:
    url = f"{daemon.url}/{name}"
    plain = http_get(url, headers={"Accept-Encoding": "identity"})
    coded = http_get(url, headers={"Accept-Encoding": "gzip"})
    assert (coded.headers["content-encoding"], coded.content) == ("gzip", plain.content)
    assert int(coded.headers["content-length"]) < len(plain.content) / 3
    assert "accept-encoding" in coded.headers["vary"].lower()
    unchanged = http_get(url, headers={"If-None-Match": coded.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("asset", ["docs/scalar.js", "docs/reference.js", "web/icon.svg"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_reference_is_served_completely(daemon: Daemon, asset: str, coding: str) -> None:
    page = http_get(f"{daemon.url}/docs")
    assert f'"{asset}"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    response = http_get(str(page.url.join(asset)), headers={"Accept-Encoding": coding})
    assert response.headers["content-length"].isdigit()
    assert len(response.content) > 200


def test_reference_with_a_slash_is_the_same(daemon: Daemon) -> None:
    response = http_get(f"{daemon.url}/docs/", follow_redirects=True)
    assert (response.status_code, response.url.path) == (200, "/docs")


@pytest.mark.parametrize("asset", ["index.html", "%2e%2e/app.py", "scalar.css"])
def test_reference_serves_nothing_else(daemon: Daemon, asset: str) -> None:
    assert http_get(f"{daemon.url}/docs/{asset}").status_code == 404
