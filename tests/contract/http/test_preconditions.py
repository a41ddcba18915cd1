"""Preconditions (RFC 9110, section 13.1) on resources without an entity tag are evaluated, never ignored."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT

DOCUMENT = load_document(CONTRACT)


def untagged() -> Iterator[tuple[str, str]]:
    """The method and path of each operation that neither declares `If-Match` nor creates a resource."""
    for path, method, operation in DOCUMENT.operations():
        names = {parameter["name"] for parameter in DOCUMENT.parameters(path, operation)}
        if "If-Match" not in names and "201" not in operation["responses"]:
            yield method.upper(), path
            if method == "get":
                yield "HEAD", path


UNTAGGED = list(untagged())


def filled(path: str) -> str:
    """A path with valid parameters, and the query that a search requires."""
    session_id = str(uuid4())
    target = path.format(session_id=session_id, name="p", identifier="a", module_id="a/tool/b", relative_path="d")
    return f"{target}?q=x" if path.startswith("/search") else target


@pytest.mark.parametrize(("method", "path"), UNTAGGED)
def test_tag_never_matches(client: httpx.Client, method: str, path: str) -> None:
    for tags in ('"99"', 'W/"1"', "99", "", '*, "1"'):
        refused = client.request(method, filled(path), headers={"If-Match": tags})
        assert refused.status_code == 412, (tags, refused.text)
        assert "ETag" not in refused.headers
        if method != "HEAD":
            assert refused.json()["type"] == "urn:amplifierd:problem:precondition-failed"
            assert "This has no ETag, so it matches no tag in If-Match; omit the header" in refused.json()["detail"]


@pytest.mark.parametrize(("method", "path"), [each for each in UNTAGGED if each[0] not in ("GET", "HEAD")])
def test_change_that_requires_absence_is_refused(client: httpx.Client, method: str, path: str) -> None:
    refused = client.request(method, filled(path), headers={"If-None-Match": "*"})
    assert refused.status_code == 412, refused.text
    assert "which this cannot create; omit the header" in refused.json()["detail"]


FAILING = [{"If-Match": '"99"'}, {"If-None-Match": "*"}, {"If-Match": "*", "If-None-Match": "*"}]
MET = [{"If-Match": "*"}, {"If-None-Match": '"99"'}, {"If-Match": "*", "If-None-Match": 'W/"99"'}]


@contextmanager
def existing(client: httpx.Client, path: str, body: dict[str, object]) -> Iterator[str]:
    """The URL of a new resource, which no longer exists at the end."""
    name = f"preconditions-{uuid4().hex}"
    url = f"{path}/{name}"
    client.post(path, json={**body, ("name" if path == "/profiles" else "relative_path"): name}).raise_for_status()
    try:
        yield url
    finally:
        client.delete(url)


@pytest.mark.parametrize("failing", FAILING)
def test_failing_precondition_leaves_a_profile(client: httpx.Client, failing: dict[str, str]) -> None:
    with existing(client, "/profiles", {"description": "before"}) as url:
        name = url.rpartition("/")[2]
        replacement = {"name": name, "description": "after"}
        assert client.put(url, json=replacement, headers=failing).status_code == 412
        assert client.patch(url, json={"description": "after"}, headers=failing).status_code == 412
        assert client.post(f"{url}/activate", headers=failing).status_code == 412
        assert client.delete(url, headers=failing).status_code == 412
        assert client.get(url).json()["description"] == "before"


@pytest.mark.parametrize("met", MET)
def test_met_precondition_changes_a_profile(client: httpx.Client, met: dict[str, str]) -> None:
    with existing(client, "/profiles", {"description": "before"}) as url:
        name = url.rpartition("/")[2]
        assert client.put(url, json={"name": name, "description": "put"}, headers=met).status_code == 200
        assert client.patch(url, json={"description": "after"}, headers=met).status_code == 200
        assert client.get(url, headers=met).json()["description"] == "after"
        assert client.delete(url, headers=met).status_code == 204
        assert client.put(url, json={"name": name}, headers=met).status_code == 404


@pytest.mark.parametrize("failing", FAILING)
def test_failing_precondition_leaves_a_directory(client: httpx.Client, failing: dict[str, str]) -> None:
    with existing(client, "/amplified-directories", {"metadata": {"a": 1}}) as url:
        assert client.patch(url, json={"metadata": {"a": 2}}, headers=failing).status_code == 412
        assert client.delete(url, headers=failing).status_code == 412
        assert client.get(url).json()["metadata"]["a"] == 1


@pytest.mark.parametrize("path", ["/messages", "/transcript", "/lineage", "/profile"])
def test_read_without_a_tag_is_never_known(client: httpx.Client, path: str) -> None:
    session_id = client.post("/sessions", json={}).json()["id"]
    url = f"/sessions/{session_id}{path}"
    for headers in (*MET, {"If-None-Match": "*"}):
        assert client.get(url, headers=headers).status_code == 200
    assert client.get(url, headers={"If-Match": '"1"'}).status_code == 412


def test_creation_ignores_preconditions(client: httpx.Client) -> None:
    created = client.post("/sessions", json={}, headers={"If-Match": '"99"', "If-None-Match": "*"})
    assert created.status_code == 201
