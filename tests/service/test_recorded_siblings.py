"""The siblings of the recorded conversation: profiles, collections, modules, plans, lives of sessions, directories.

Each does what one of the recorded notebooks shows. docs/recorded-api.md says which names and statuses differ, and why.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from conftest import own_database
from daemon import Daemon
from samples.collection_folders import make, profile

SECONDS = 120
FOUNDATION = {
    "base.md": profile(
        "base",
        more="session:\n  orchestrator: {module: loop}\n  context: {module: simple}\ntools: [{module: bash}]\n"
        "agents: [agents/zen.md]\ncontext: {docs: context}\n",
    ),
    "agents/zen.md": "You are calm.",
    "context/a.md": "A",
    "tools/bash/module.yaml": "name: tool-bash\nversion: 1.0.0\nconfig_schema: {type: object}\n",
    "orchestrators/loop/module.yaml": "name: loop-basic\n",
    "contexts/simple/module.yaml": "name: context-simple\n",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the collection `foundation`."""
    return make(tmp_path_factory.mktemp("root") / "foundation", FOUNDATION)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, root: Path) -> Iterator[str]:
    """The address of a daemon that may read the collection."""
    options = ["--collections-path", str(root)]
    with own_database(request, root.parent) as url, Daemon(url, *options) as running:
        yield running.api


@pytest.fixture
def collection(api: str, root: Path) -> Iterator[str]:
    """Add the collection, as notebook 04 does first."""
    response = post(f"{api}/collections/", 201, identifier="foundation", source=str(root))
    yield response["identifier"]
    assert requests.delete(f"{api}/profiles/active", timeout=SECONDS).status_code == 204
    assert requests.delete(f"{api}/collections/foundation", timeout=SECONDS).status_code == 204


def get(url: str, **query: Any) -> Any:
    response = requests.get(url, params=query, timeout=SECONDS)
    assert response.status_code == 200, response.text
    return response.json()


def post(url: str, status: int, **body: Any) -> Any:
    response = requests.post(url, json=body, timeout=SECONDS)
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def detail_of_error(response: requests.Response, status: int) -> str:
    assert response.status_code == status, response.text
    detail: str = response.json()["detail"]
    return detail


def test_profiles(api: str, collection: str) -> None:
    names = [profile["name"] for profile in get(f"{api}/profiles/")]
    assert names == ["default", f"{collection}/base"]
    details = get(f"{api}/profiles/{collection}/base")
    assert (details["schemaVersion"], details["source"], details["isActive"]) == (2, collection, False)
    assert [tool["module"] for tool in details["tools"]] == ["bash"]
    assert (details["agents"], details["context"]) == ({"zen": "agents/zen.md"}, {"docs": "context"})
    assert requests.get(f"{api}/profiles/active", timeout=SECONDS).status_code == 404
    assert post(f"{api}/profiles/{collection}/base/activate", 200)["isActive"] is True
    assert get(f"{api}/profiles/active")["name"] == f"{collection}/base"
    created = post(f"{api}/profiles/", 201, name="my-profile", description="Mine.", providers=[{"module": "p"}])
    assert (created["name"], created["version"], created["providers"]) == ("my-profile", "1.0.0", [{"module": "p"}])
    again = requests.post(f"{api}/profiles/", json={"name": "my-profile", "description": "x"}, timeout=SECONDS)
    assert "already exists" in detail_of_error(again, 409)
    for invalid in ("Invalid_Name", "invalid name", "invalid.name", "INVALID", "invalid_name"):
        detail_of_error(requests.post(f"{api}/profiles/", json={"name": invalid}, timeout=SECONDS), 422)
    url = f"{api}/profiles/my-profile"
    assert requests.patch(url, json={"description": "Ours."}, timeout=SECONDS).json()["description"] == "Ours."
    assert "belongs to collection" in detail_of_error(
        requests.patch(f"{api}/profiles/{collection}/base", json={"version": "2"}, timeout=SECONDS), 403
    )
    post(f"{url}/activate", 200)
    assert "Deactivate it first." in detail_of_error(requests.delete(url, timeout=SECONDS), 409)
    for _ in range(2):
        assert requests.delete(f"{api}/profiles/active", timeout=SECONDS).status_code == 204
    assert requests.delete(url, timeout=SECONDS).status_code == 204
    assert "not found" in detail_of_error(requests.get(url, timeout=SECONDS), 404)


def test_collections(api: str, root: Path, collection: str) -> None:
    [listed] = get(f"{api}/collections/")
    assert (listed["identifier"], listed["source"]) == (collection, str(root))
    details = get(f"{api}/collections/{collection}")
    assert details["profiles"] == [f"{collection}/base"]
    assert details["modules"] == ["foundation/context/simple", "foundation/orchestrator/loop", "foundation/tool/bash"]
    same = {"identifier": collection, "source": str(root)}
    assert "already exists" in detail_of_error(requests.post(f"{api}/collections/", json=same, timeout=SECONDS), 409)
    wrong = {"identifier": "wrong", "source": f"{root}/nowhere"}
    assert "there is no such folder" in detail_of_error(
        requests.post(f"{api}/collections/", json=wrong, timeout=SECONDS), 422
    )
    assert [each["status"] for each in post(f"{api}/collections/sync", 200)] == ["synced"]
    assert "not found" in detail_of_error(requests.get(f"{api}/collections/nobody", timeout=SECONDS), 404)


def test_modules(api: str, collection: str) -> None:
    assert [module["id"] for module in get(f"{api}/modules/", type="tool")] == [f"{collection}/tool/bash"]
    assert get(f"{api}/modules/providers") == get(f"{api}/modules/hooks") == []
    assert [module["name"] for module in get(f"{api}/modules/orchestrators")] == ["loop-basic"]
    details = get(f"{api}/modules/{collection}/tool/bash")
    assert (details["type"], details["collection"], details["configSchema"]) == ("tool", collection, {"type": "object"})
    url = f"{api}/modules/{collection}/tool/bash/sources"
    source = "git+https://example.com/bash@main"
    assert post(url, 201, source=source, scope="project") == {
        "moduleId": f"{collection}/tool/bash",
        "scope": "project",
        "source": source,
    }
    assert requests.put(url, json={"source": "x", "scope": "project"}, timeout=SECONDS).json()["source"] == "x"
    assert requests.delete(url, params={"scope": "project"}, timeout=SECONDS).status_code == 204
    assert "has no source" in detail_of_error(requests.delete(url, params={"scope": "project"}, timeout=SECONDS), 404)
    assert "not found" in detail_of_error(requests.get(f"{api}/modules/{collection}/tool/no", timeout=SECONDS), 404)


def test_life_of_a_session_and_its_mount_plan(api: str, collection: str) -> None:
    plan = post(f"{api}/mount-plans/generate", 200, profile_id=f"{collection}/base")
    assert (plan["formatVersion"], plan["session"]["profileId"]) == ("1.0", f"{collection}/base")
    assert [(mount_point["mountType"], mount_point["moduleType"]) for mount_point in plan["mountPoints"]] == [
        ("embedded", "agent"),
        ("embedded", "context"),
        ("referenced", "tool"),
    ]
    assert plan["agents"][f"{collection}/base.agent.zen"]["content"] == "You are calm."
    detail = detail_of_error(
        requests.post(f"{api}/mount-plans/generate", json={"profile_id": "no/one"}, timeout=SECONDS), 404
    )
    assert "not found" in detail
    session = post(f"{api}/sessions/", 201, profile=f"{collection}/base")
    url = f"{api}/sessions/{session['id']}"
    assert session["status"] == "created"
    own = get(f"{url}/mount-plan")
    assert (own["session"]["sessionId"], own["mountPoints"]) == (session["id"], plan["mountPoints"])
    post(f"{url}/start", 200)
    for role, content in (("user", "Hello."), ("assistant", "Hello to you.")):
        post(f"{url}/messages", 201, role=role, content=content, token_count=3)
    transcript = requests.get(f"{url}/transcript", timeout=SECONDS).json()
    assert [mount_point["content"] for mount_point in transcript] == ["Hello.", "Hello to you."]
    assert [
        mount_point["id"] for mount_point in get(f"{api}/sessions/", status="active", profile=f"{collection}/base")
    ] == [session["id"]]
    assert post(f"{url}/complete", 200)["status"] == "completed"
    detail_of_error(requests.post(f"{url}/complete", timeout=SECONDS), 409)
    failed = post(f"{api}/sessions/", 201, profile="default")
    post(f"{api}/sessions/{failed['id']}/start", 200)
    ended = post(f"{api}/sessions/{failed['id']}/fail", 200, error_message="Away.", error_details={"code": 1})
    assert (ended["status"], ended["errorMessage"], ended["errorDetails"]) == ("failed", "Away.", {"code": 1})
    assert post(f"{api}/sessions/cleanup", 200, older_than_days=30)["sessions"] == 0
    for each in (session, failed):
        assert requests.delete(f"{api}/sessions/{each['id']}", timeout=SECONDS).status_code == 204


def test_directories(api: str, collection: str) -> None:
    top = post(
        f"{api}/amplified-directories/",
        201,
        relative_path="projects",
        default_profile=f"{collection}/base",
        metadata={"name": "Projects"},
    )
    assert (top["relativePath"], top["defaultProfile"]) == ("projects", f"{collection}/base")
    inner = post(f"{api}/amplified-directories/", 201, relative_path="projects/atlas")
    assert inner["defaultProfile"] == f"{collection}/base"
    session = post(f"{api}/sessions/", 201, amplified_dir="projects/atlas")
    assert session["profile"] == f"{collection}/base"
    url = f"{api}/amplified-directories/projects/atlas"
    patched = requests.patch(url, json={"metadata": {"name": "Atlas"}}, timeout=SECONDS).json()
    assert patched["metadata"] == {"name": "Atlas"}
    for path in ("/etc", "../x", "a/../../b"):
        body = {"relative_path": path}
        detail_of_error(requests.post(f"{api}/amplified-directories/", json=body, timeout=SECONDS), 422)
    again = requests.post(f"{api}/amplified-directories/", json={"relative_path": "projects"}, timeout=SECONDS)
    assert "amplified already" in detail_of_error(again, 409)
    assert requests.delete(f"{api}/sessions/{session['id']}", timeout=SECONDS).status_code == 204
    for path in ("projects/atlas", "projects"):
        assert requests.delete(f"{api}/amplified-directories/{path}", timeout=SECONDS).status_code == 204
    assert "not amplified" in detail_of_error(requests.get(url, timeout=SECONDS), 404)
