"""Amplified directories over a real socket, and their markers on a real disk."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from daemon import Daemon
from raw import exchange, get

MERGE = {"Content-Type": "application/merge-patch+json"}


def amplify(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return client.post("/amplified-directories", json={"relative_path": path} | body)


def marker(daemon: Daemon, path: str) -> Path:
    return daemon.data_path / path / ".amplified/metadata.json"


@pytest.fixture(autouse=True)
def _nothing(client: httpx.Client) -> None:
    """The tests of the module share a daemon; each test begins with only the root directory."""
    for directory in client.get("/amplified-directories").json()["directories"]:
        if directory["relativePath"] != ".":
            client.delete(f"/amplified-directories/{directory['relativePath']}?force=true")


def test_directory_is_created_read_updated_and_deleted(client: httpx.Client, daemon: Daemon) -> None:
    created = amplify(client, "a//b/./c d", metadata={"n": 1}, default_profile="default")
    assert created.status_code == 201
    assert created.headers["location"] == "amplified-directories/a%2Fb%2Fc%20d"
    directory = created.json()
    assert (directory["relativePath"], directory["defaultProfileFrom"]) == ("a/b/c d", "a/b/c d")
    for path in ("a/b/c d", "a%2Fb%2Fc%20d", "a//b/./c%20d/"):
        assert client.get(f"/amplified-directories/{path}").json() == directory
    written = json.loads(marker(daemon, "a/b/c d").read_text())
    assert written == {"n": 1, "default_profile": "default", "amplifierd": {"updated_at": directory["updatedAt"]}}
    patch = {"metadata": {"n": None, "m": 2}, "default_profile": None}
    patched = client.patch("/amplified-directories/a/b/c d", json=patch, headers=MERGE)
    assert (patched.status_code, patched.json()["metadata"]) == (200, {"m": 2})
    written = json.loads(marker(daemon, "a/b/c d").read_text())
    assert written == {"m": 2, "amplifierd": {"updated_at": patched.json()["updatedAt"]}}
    (daemon.data_path / "a/b/c d/mine.txt").touch()
    assert client.delete("/amplified-directories/a/b/c d").status_code == 204
    assert [entry.name for entry in (daemon.data_path / "a/b/c d").iterdir()] == ["mine.txt"]
    assert client.get("/amplified-directories/a/b/c d").status_code == 404


def test_refused_directory_leaves_nothing_on_disk(client: httpx.Client, daemon: Daemon) -> None:
    assert amplify(client, "kept").status_code == 201
    for path in ("refused/a/b", "kept/refused"):
        assert amplify(client, path, default_profile="nobody").status_code == 404
        assert amplify(client, path, metadata={"amplifierd": 1}).status_code == 422
    assert not (daemon.data_path / "refused").exists()
    assert not (daemon.data_path / "kept/refused").exists()
    assert amplify(client, "kept").status_code == 409
    assert marker(daemon, "kept").is_file()


def test_longest_path_is_paged_and_found_by_its_location(client: httpx.Client) -> None:
    path = "/".join(["目" * 80] * 4)
    created = amplify(client, path)
    assert created.status_code == 201
    assert client.get(created.url.join(created.headers["location"])).json()["relativePath"] == path
    name = "名" * 150
    for _ in range(2):
        client.post("/sessions", json={"amplified_dir": path, "name": name})
    page = client.get("/sessions", params={"limit": 1, "amplified_dir": path, "name": name})
    rest = client.get(page.url.join(page.links["next"]["url"]))
    assert [len(response.json()) for response in (page, rest)] == [1, 1]
    for session in page.json() + rest.json():
        client.delete(f"/sessions/{session['id']}")


def test_marker_has_the_last_of_concurrent_changes(client: httpx.Client, daemon: Daemon) -> None:
    amplify(client, "race")

    def change(number: int) -> None:
        patched = client.patch("/amplified-directories/race", json={"metadata": {"n": number}}, headers=MERGE)
        assert patched.status_code == 200

    for _ in range(20):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(change, range(16)))
        metadata = client.get("/amplified-directories/race").json()["metadata"]
        assert json.loads(marker(daemon, "race").read_text())["n"] == metadata["n"]
    assert "Cannot write the marker" not in daemon.log


def test_marker_written_by_the_server_is_not_an_edit(client: httpx.Client, daemon: Daemon) -> None:
    escaped = b'{"relative_path":"konto","metadata":{"gr\\u00f6\\u00dfe":1,"b":"\\u00e9"}}'
    headers = {"Content-Type": "application/json"}
    assert client.post("/amplified-directories", content=escaped, headers=headers).status_code == 201
    # Longer than a marker may be, if each value is on its own line.
    assert amplify(client, "long", metadata={"a": [0] * 90_000}).status_code == 201
    report = client.post("/amplified-directories/scan").json()
    assert (report["updated"], report["refused"]) == (0, [])
    path = marker(daemon, "konto")
    for number in (1, 2, 3):
        path.write_text(path.read_text().replace(f'"größe": {number}', f'"größe": {number + 1}'))
        assert client.post("/amplified-directories/scan").json()["updated"] == 1
        assert client.get("/amplified-directories/konto").json()["metadata"]["größe"] == number + 1
        assert client.post("/amplified-directories/scan").json()["updated"] == 0


@pytest.mark.parametrize("path", [".", "%2E", ".%2F.", "./"])
def test_root_exists(daemon: Daemon, path: str) -> None:
    response = exchange(daemon.port, get(f"/api/v1/amplified-directories/{path}"))
    assert (response.status, response.json["relativePath"]) == (200, ".")


def test_list_has_a_total_and_pages(client: httpx.Client) -> None:
    for path in ("z", "a/b", "a"):
        amplify(client, path)
    found: list[list[str]] = []
    url: str | httpx.URL | None = "/amplified-directories?limit=3"
    while url:
        response = client.get(url)
        assert response.json()["total"] == 4
        found.append([directory["relativePath"] for directory in response.json()["directories"]])
        url = response.url.join(response.links["next"]["url"]) if "next" in response.links else None
    assert found == [[".", "a", "a/b"], ["z"]]
    whole = client.get("/amplified-directories").json()
    assert [directory["relativePath"] for directory in whole["directories"]] == [".", "a", "a/b", "z"]


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "detail"),
    [
        ("GET", "/none", None, 404, "Directory none is not amplified; amplify it first"),
        ("GET", "/%2E%2E%2Fx", None, 404, "Path parameter 'relative_path' is '../x'"),
        ("GET", "/a%00", None, 404, "Path parameter 'relative_path' is "),
        ("PATCH", "/none", {}, 404, "Directory none is not amplified"),
        ("PATCH", "/.%2F.", {"default_profile": "none"}, 404, "Profile none not found"),
        ("DELETE", "/none", None, 404, "Directory none is not amplified"),
        ("DELETE", "/.%2F.?force=true", None, 409, "Directory . is the data root"),
        ("POST", "", {"relative_path": "x", "default_profile": "none"}, 404, "Profile none not found"),
        ("POST", "", {"relative_path": "."}, 409, "Directory . is amplified already"),
        ("POST", "", {"relative_path": "/etc"}, 422, "/relative_path must match"),
        ("POST", "", {"relative_path": "a/../b"}, 422, "/relative_path must match"),
        ("POST", "", {"relative_path": "a/.ssh"}, 422, "/relative_path must match"),
        ("POST", "", {"relative_path": "a/con"}, 422, "'con' is a device of Windows"),
        ("POST", "", {"relative_path": "scan"}, 422, "this name is reserved"),
        ("POST", "", {"relativePath": "a"}, 422, "/relative_path is required; /relativePath is unknown"),
        ("POST", "", {"relative_path": "x", "metadata": {"amplifierd": 1}}, 422, "reserved for markers"),
        ("PATCH", "/.%2F.", {"metadata": {"default_profile": "x"}}, 422, "reserved for markers"),
        ("PUT", "/scan", None, 405, "use POST"),
    ],
)
def test_invalid_request_is_refused(
    client: httpx.Client, method: str, url: str, body: object, status: int, detail: str
) -> None:
    response = client.request(method, f"/amplified-directories{url}", json=body)
    assert response.status_code == status
    assert detail in response.json()["detail"]


def test_directory_with_sessions_is_deleted_only_by_force(client: httpx.Client) -> None:
    amplify(client, "a")
    session = client.post("/sessions", json={"amplified_dir": "a/"}).json()
    assert session["amplifiedDir"] == "a"
    refused = client.delete("/amplified-directories/a")
    assert (refused.status_code, refused.json()["sessionCount"]) == (409, 1)
    assert refused.json()["detail"] == "Directory a has 1 session; delete them first, or set force=true"
    directory = client.get("/amplified-directories/a").json()
    assert (directory["sessionCount"], directory["lastUsedAt"]) == (1, session["createdAt"])
    assert client.delete("/amplified-directories/a?force=true").status_code == 204
    assert client.get(f"/sessions/{session['id']}").json() == session
    client.delete(f"/sessions/{session['id']}")


def test_sessions_are_listed_by_directory(client: httpx.Client) -> None:
    for path in ("p", "p/q", "pq"):
        amplify(client, path)
        client.post("/sessions", json={"amplified_dir": path, "name": path})

    def names(**query: str) -> list[str]:
        return [summary["name"] for summary in client.get("/sessions", params=query | {"sort": "created_at"}).json()]

    assert names(amplified_dir="p") == ["p"]
    assert names(amplified_dir="p//", recursive="true") == ["p", "p/q"]


def test_directory_without_a_marker_does_not_touch_the_disk(client: httpx.Client, daemon: Daemon) -> None:
    assert amplify(client, "unmarked", create_marker=False).status_code == 201
    client.patch("/amplified-directories/unmarked", json={"metadata": {"x": 1}})
    assert not (daemon.data_path / "unmarked").exists()
    assert client.delete("/amplified-directories/unmarked").status_code == 204


def test_remaining_marker_becomes_a_directory_again(client: httpx.Client) -> None:
    amplify(client, "back", metadata={"x": 1})
    assert client.delete("/amplified-directories/back?remove_marker=false").status_code == 204
    assert client.post("/amplified-directories/scan").json()["created"] == 1
    assert client.get("/amplified-directories/back").json()["metadata"] == {"x": 1}


def test_handwritten_markers_become_directories(client: httpx.Client, daemon: Daemon, tmp_path: Path) -> None:
    amplify(client, "a", metadata={"n": 1})
    edited = json.loads(marker(daemon, "a").read_text()) | {"n": 2}
    marker(daemon, "a").write_text(json.dumps(edited))
    for path, text in {
        "hand/made": '{"name": "Hand", "default_profile": "default"}',
        "broken": "{",
        "list": "[]",
        "bytes": "\xff",
        ".hidden": "{}",
        "odd": '{"default_profile": 5}',
        "twice": '{"a": 1, "a": 2}',
    }.items():
        marker(daemon, path).parent.mkdir(parents=True)
        marker(daemon, path).write_text(text, encoding="latin-1")
    (tmp_path / "outside/.amplified").mkdir(parents=True)
    (tmp_path / "outside/.amplified/metadata.json").write_text("{}")
    (daemon.data_path / "link").symlink_to(tmp_path / "outside")
    report = client.post("/amplified-directories/scan").json()
    assert (report["created"], report["updated"]) == (1, 1)
    assert {each["relativePath"] for each in report["refused"]} == {"broken", "list", "bytes", "odd", "twice"}
    assert client.get("/amplified-directories/hand/made").json()["defaultProfile"] == "default"
    assert client.get("/amplified-directories/a").json()["metadata"] == {"n": 2}
    assert client.get("/amplified-directories/link").status_code == 404
    assert client.post("/amplified-directories/scan").json() | {"refused": []} == {
        "created": 0,
        "updated": 0,
        "unchanged": 2,
        "refused": [],
    }


def test_unwritable_disk_is_reported_in_a_sentence(client: httpx.Client, daemon: Daemon, tmp_path: Path) -> None:
    daemon.data_path.mkdir(exist_ok=True)
    (daemon.data_path / "file").touch()
    refused = amplify(client, "file/below")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:amplifierd:problem:directory-unwritable")
    assert "Not a directory" in refused.json()["detail"]
    (daemon.data_path / "out").symlink_to(tmp_path)
    for path in ("out", "out/below"):
        refused = amplify(client, path)
        assert (refused.status_code, "its path contains a symbolic link" in refused.json()["detail"]) == (409, True)
    assert list(tmp_path.glob("below")) == []
    assert client.get("/amplified-directories/out").status_code == 404


def test_unwritable_marker_is_logged(client: httpx.Client, daemon: Daemon, tmp_path: Path) -> None:
    amplify(client, "moved")
    (daemon.data_path / "moved").rename(tmp_path / "moved")
    (daemon.data_path / "moved").symlink_to(tmp_path / "moved")
    assert client.patch("/amplified-directories/moved", json={"metadata": {"n": 1}}).json()["metadata"] == {"n": 1}
    daemon.wait_for_log("Cannot write the marker of directory moved")
    assert client.delete("/amplified-directories/moved").status_code == 204
    daemon.wait_for_log("Cannot remove the marker of directory moved")
    assert (tmp_path / "moved/.amplified/metadata.json").exists()


def test_markers_are_read_at_the_start(database: str, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    (folder / "by/hand/.amplified").mkdir(parents=True)
    (folder / "by/hand/.amplified/metadata.json").write_text('{"name": "Hand"}')
    (folder / "bad/.amplified").mkdir(parents=True)
    (folder / "bad/.amplified/metadata.json").write_text("no")
    with Daemon(database, "--data-path", str(folder)) as daemon, daemon.client() as client:
        assert client.get("/amplified-directories/by/hand").json()["metadata"] == {"name": "Hand"}
        daemon.wait_for_log("The marker of directory 'bad' was refused")
