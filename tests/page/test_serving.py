"""Browsers get the page at `/`, other clients JSON; only the page's files are below `/web/`."""

import gzip
import re
from pathlib import Path

import pytest

from conftest import sqlite_daemon
from daemon import Daemon, http_client, http_get, http_post

daemon = sqlite_daemon

WEB = Path(__file__).parents[2] / "web"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
SERVED = sorted(
    path for path in WEB.rglob("*.*") if path.suffix in (".css", ".js", ".svg") and "node_modules" not in path.parts
)
MODULES = [path for path in SERVED if path.suffix == ".js" and "vendor" not in path.parts]
MAX_FIRST_LOAD = 150_000
MAX_LINES = 200


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (BROWSER, "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("image/png", "application/json"),
        ("", "application/json"),
    ],
)
def test_root_follows_the_accept_header(daemon: Daemon, accept: str, content_type: str) -> None:
    response = http_get(f"{daemon.url}/", headers={"Accept": accept})
    assert (response.status_code, response.headers["Content-Type"]) == (200, content_type)
    assert "Accept" in response.headers["Vary"]


def test_page_has_a_strict_policy(daemon: Daemon) -> None:
    headers = http_get(f"{daemon.url}/", headers={"Accept": BROWSER}).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in str(policy)
    assert policy["require-trusted-types-for"] == "'script'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers


def test_files_are_served_as_they_are(daemon: Daemon) -> None:
    with http_client(base_url=daemon.url) as client:
        responses = {path: client.get(f"/web/{path.relative_to(WEB).as_posix()}") for path in SERVED}
    assert [path for path, response in responses.items() if response.content != path.read_bytes()] == []


def test_file_is_compressed_and_revalidated(daemon: Daemon) -> None:
    with http_client(base_url=daemon.url) as client:
        plain = client.get("/web/main.js", headers={"Accept-Encoding": "identity"})
        packed = client.get("/web/main.js", headers={"Accept-Encoding": "gzip"})
        assert (packed.content, packed.headers["Content-Encoding"]) == (plain.content, "gzip")
        assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
        again = client.get("/web/main.js", headers={"If-None-Match": plain.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = client.head("/web/main.js", headers={"Accept-Encoding": "identity"})
        assert (head.headers["Content-Length"], head.content) == (plain.headers["Content-Length"], b"")


@pytest.mark.parametrize(
    "path",
    [
        "/web",
        "/web/",
        "/web/x.js",
        "/web/package.json",
        "/web/types.d.ts",
        "/web/vendor/packages.json",
        "/web/..%2fopenapi.yaml",
        "/web/%2e%2e/app.py",
        "/web/views",
        "/web/0123456789abcdef/package.json",
        "/web/0123456789abcdef/0123456789abcdef/main.js",
        "/web/0123456789ABCDEF/main.js",
        "/web/%00.js",
    ],
)
def test_unlisted_files_are_not_served(daemon: Daemon, path: str) -> None:
    assert http_get(f"{daemon.url}{path}").status_code == 404


def test_start_page_names_files_that_browsers_keep(daemon: Daemon) -> None:
    with http_client(base_url=daemon.url) as client:
        start = client.get("/", headers={"Accept": BROWSER})
        addresses = re.findall(r'(?:src|href)="(web/[^"]+)"', start.text)
        responses = [client.get(f"/{address}") for address in addresses]
        versions = {address.split("/")[1] for address in addresses}
        old = client.get(f"/web/{'0' * 16}/views/session.js")
        again = client.get("/", headers={"Accept": BROWSER, "If-None-Match": start.headers["ETag"]})
    assert start.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, len(versions)) == (304, 1)
    assert {(response.status_code, response.headers["Cache-Control"]) for response in responses} == {
        (200, "public, max-age=31536000, immutable")
    }
    # A page opened before an update gets the current files, and does not cache them.
    assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-cache")
    assert old.content == (WEB / "views/session.js").read_bytes()


def test_file_refuses_other_methods(daemon: Daemon) -> None:
    response = http_post(f"{daemon.url}/web/main.js")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


def test_imports_name_served_files() -> None:
    for path in MODULES:
        for name in re.findall(r'(?:from |import\()"(\.[^"]+)"', without_comments(path)):
            assert (path.parent / name).resolve() in SERVED, f"{path} imports {name}"


def test_modules_are_short() -> None:
    # All texts are in one.
    lines = {path.name: len(path.read_text().splitlines()) for path in MODULES if path.name != "texts.js"}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_first_load_is_small() -> None:
    first = {WEB / "index.html", *WEB.glob("styles/*.css"), *imported(WEB / "main.js", set())}
    assert sum(len(gzip.compress(path.read_bytes(), 6)) for path in first) < MAX_FIRST_LOAD


def test_first_load_is_announced() -> None:
    page = (WEB / "index.html").read_text()
    announced = [WEB.parent / name for name in re.findall(r'rel="modulepreload" href="([^"]+)"', page)]
    scripts = [WEB.parent / name for name in re.findall(r'<script type="module"[^>]* src="([^"]+)"', page)]
    assert scripts == [WEB / "early.js", WEB / "main.js"]
    assert len(announced) == len(set(announced))
    assert set(announced) == imported(WEB / "main.js", set()) - set(scripts)
    # The first script waits for no other.
    own = imported(WEB / "early.js", set()) - {WEB / "early.js"}
    assert set(announced[: len(own)]) == own


def imported(path: Path, found: set[Path]) -> set[Path]:
    """A module and its static imports."""
    found.add(path)
    for name in re.findall(r'from "(\.[^"]+)"', without_comments(path)):
        other = (path.parent / name).resolve()
        if other not in found:
            imported(other, found)
    return found


def without_comments(path: Path) -> str:
    """The text of a module without JSDoc, which contains type imports."""
    return "" if "vendor" in path.parts else re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
