"""Behind a proxy with a path prefix, all links work, and responses are not buffered."""

import re
from collections.abc import Iterator

import httpx
import pytest

from daemon import Daemon, http_client, http_get
from programs.proxies import NAMES, PROGRAMS, proxy
from waits import until

MIB = 1 << 20


@pytest.fixture(params=NAMES)
def prefix(request: pytest.FixtureRequest, daemon: Daemon) -> Iterator[str]:
    """The address of the daemon behind a proxy with a prefix."""
    if PROGRAMS[request.param] is None:
        pytest.skip(f"{request.param} is not installed.")
    with proxy(request.param, daemon.port) as url:
        yield url


@pytest.fixture
def client(prefix: str) -> Iterator[httpx.Client]:
    with http_client(base_url=f"{prefix}api/v1") as client:
        yield client


def created(client: httpx.Client) -> httpx.URL:
    """Create a session. Returns its address from `Location`."""
    response = client.post("/sessions", json={"name": "Behind a proxy"})
    assert response.status_code == 201, response.text
    return response.url.join(response.headers["location"])


def test_location_leads_to_the_session(client: httpx.Client) -> None:
    url = created(client)
    response = client.get(url)
    assert response.json().get("name") == "Behind a proxy", (url, response.text)
    forked = client.post(f"{url}/fork/")
    again = client.get(forked.url.join(forked.headers["location"]))
    assert again.json()["id"] == forked.json()["id"] != url.path.rpartition("/")[2]


def test_links_lead_through_all_pages(client: httpx.Client) -> None:
    url = created(client)
    contents = [f"turn {number}" for number in range(5)]
    client.post(f"{url}/messages/batch", json={"messages": [{"content": each, "role": "user"} for each in contents]})
    page = client.get(f"{url}/messages", params={"limit": 2, "role": "user"})
    found = page.json()["messages"]
    while "next" in page.links:
        page = client.get(page.url.join(page.links["next"]["url"]))
        found += page.json()["messages"]
    assert [each["content"] for each in found] == contents


@pytest.mark.parametrize("name", ["proxied/name", "proxied%2Fname"])
def test_encoded_slash_names_the_same_profile(client: httpx.Client, name: str) -> None:
    assert client.post("/profiles", json={"name": "proxied/name"}).status_code in (201, 409)
    assert client.get(f"/profiles/{name}").json()["name"] == "proxied/name"


def test_stream_arrives_at_once(client: httpx.Client) -> None:
    url = created(client)
    with client.stream("GET", f"{url}/events", headers={"Last-Event-ID": "0"}) as events:
        lines = events.iter_lines()
        for content in ("first", "second"):
            client.post(f"{url}/messages", json={"content": content})
            assert any(f'"content":"{content}"' in line for line in lines)


def test_upload_is_not_limited_by_the_proxy(client: httpx.Client) -> None:
    body = bytes(range(256)) * (20 * MIB // 256)
    response = client.post("/files", content=body, headers={"Content-Type": "application/octet-stream"})
    assert response.status_code == 201, response.text
    at = response.url.join(response.headers["location"])
    assert client.get(at).content == body
    assert client.get(at, headers={"Range": "bytes=-3"}).content == body[-3:]


def test_aborted_upload_leaves_nothing(client: httpx.Client) -> None:
    before = client.get("/files").json()

    def body() -> Iterator[bytes]:
        yield bytes(MIB)
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        client.post("/files", content=body(), headers={"Content-Type": "application/octet-stream"})
    until(lambda: client.get("/files").json() == before)
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["", "docs"])
def test_page_refers_to_existing_files(prefix: str, path: str) -> None:
    page = http_get(f"{prefix}{path}", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(names) > 2
    for name in names:
        assert http_get(str(page.url.join(name))).status_code == 200
