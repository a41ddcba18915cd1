"""Profiles over a real socket: as JSON and as files, with slashes in their names."""

from typing import Any

import httpx
import pytest

from daemon import Daemon
from raw import exchange, get

MARKDOWN = {"Content-Type": "text/markdown; charset=utf-8"}
MERGE = {"Content-Type": "application/merge-patch+json"}

WHOLE: dict[str, Any] = {
    "name": "foundation/whole",
    "description": "All of it: \"quotes\", é, 'on'",
    "version": "1.0",
    "session": {
        "orchestrator": {"module": "loop", "source": "git+https://x@y", "config": {"on": "yes", "n": 1.0, "no": None}},
        "context_manager": {"module": "simple"},
        "injection_size_limit": 10,
    },
    "providers": [{"module": "a", "config": {"deep": [[{"x": "1e5"}], []], "": True}}],
    "tools": [{"module": "t"}],
    "hooks": [{"module": "h"}],
    "agents": {"zen": "zen.md"},
    "context": {"docs": "docs/"},
    "instructions": "\n# You\r\n---\nare\0",
}


def test_session_accepts_any_profile(client: httpx.Client) -> None:
    for name in ("-", "-dash/x", "a/-b", "0/0"):
        assert client.post("/profiles", json={"name": name}).status_code == 201
        session = client.post("/sessions", json={"profile": name})
        assert (session.status_code, session.json()["profile"]) == (201, name)
        assert [summary["profile"] for summary in client.get("/sessions", params={"profile": name}).json()] == [name]
        assert client.delete(f"/sessions/{session.json()['id']}").status_code == 204


@pytest.fixture(autouse=True)
def _no_profiles(client: httpx.Client) -> None:
    """The tests of the module share a daemon; each test begins with only the built-in profile."""
    client.delete("/profiles/active")
    for profile in client.get("/profiles").json():
        if profile["name"] != "default":
            assert client.delete(f"/profiles/{profile['name']}").status_code == 204


def camel(session: dict[str, Any]) -> dict[str, Any]:
    names = {"context_manager": "contextManager", "injection_size_limit": "injectionSizeLimit"}
    return {names.get(name, name): value for name, value in session.items()}


def test_profile_is_created_read_changed_and_deleted(client: httpx.Client) -> None:
    created = client.post("/profiles", json=WHOLE)
    assert created.status_code == 201
    assert created.headers["location"] == "profiles/foundation%2Fwhole"
    profile = created.json()
    # No collection provides them.
    assert len(profile.pop("warnings")) == 5
    times = {"createdAt": profile["createdAt"], "updatedAt": profile["createdAt"]}
    assert profile == WHOLE | times | {"session": camel(WHOLE["session"]), "schemaVersion": 2, "isActive": False}
    assert client.get("/profiles/foundation/whole").json() == profile
    assert client.get(created.url.join(created.headers["location"])).json() == profile
    listed = [each["name"] for each in client.get("/profiles").json()]
    assert listed == ["default", "foundation/whole"]
    patched = client.patch("/profiles/foundation/whole", json={"version": "2", "agents": {"zen": None}}, headers=MERGE)
    assert (patched.json()["version"], patched.json()["agents"]) == ("2", {})
    limit = {"session": {"injection_size_limit": 2.0}}
    patched = client.patch("/profiles/foundation/whole", json=limit, headers=MERGE)
    assert (patched.status_code, patched.json()["session"]["injectionSizeLimit"]) == (200, 2)
    opened = client.post("/sessions", json={"profile": "foundation/whole", "settings_overrides": limit})
    assert client.get(f"/sessions/{opened.json()['id']}/profile").json()["session"]["injectionSizeLimit"] == 2
    copied = client.post("/profiles/foundation/whole/copy", json={"new_name": "copy"})
    assert (copied.status_code, copied.headers["location"]) == (201, "../../../profiles/copy")
    for _ in range(2):
        status = client.delete("/profiles/foundation%2Fwhole").status_code
    assert status == 404
    assert client.get("/profiles/copy").json()["version"] == "2"


def test_pages_link_to_the_next(client: httpx.Client) -> None:
    for name in ("a", "b/c", "z"):
        client.post("/profiles", json={"name": name})
    names: list[list[str]] = []
    url: str | httpx.URL | None = "/profiles?limit=3"
    while url:
        response = client.get(url)
        names.append([profile["name"] for profile in response.json()])
        url = response.url.join(response.links["next"]["url"]) if "next" in response.links else None
    assert names == [["a", "b/c", "default"], ["z"]]


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "detail"),
    [
        ("GET", "/profiles/none", None, 404, "Profile none not found"),
        ("POST", "/profiles/default%2Factivate", None, 405, "POST is not allowed"),
        ("PATCH", "/profiles/none", {"tools": [{"modul": "x"}]}, 422, "/tools/0/modul is unknown"),
        ("PATCH", "/profiles/none", {"description": 5}, 422, "/description must be of type string"),
        ("GET", "/profiles/a/b/c", None, 404, "Path parameter 'name' is 'a/b/c'"),
        ("GET", "/profiles/Big", None, 404, "Path parameter 'name' is 'Big'"),
        ("GET", "/profiles/active", None, 404, "No profile is active"),
        ("PATCH", "/profiles/none", {}, 404, "Profile none not found"),
        ("DELETE", "/profiles/none", None, 404, "Profile none not found"),
        ("POST", "/profiles/none/activate", None, 404, "Profile none not found"),
        ("POST", "/profiles/none/copy", {"new_name": "x"}, 404, "Profile none not found"),
        ("PATCH", "/profiles/default", {}, 409, "Profile default is built in"),
        ("DELETE", "/profiles/default", None, 409, "Profile default is built in"),
        ("POST", "/profiles", {"name": "default"}, 409, "Profile default already exists"),
        ("POST", "/profiles/default/copy", {"new_name": "default"}, 409, "Profile default already exists"),
        ("POST", "/profiles", {"name": "active"}, 422, "The name active is reserved"),
        ("POST", "/profiles", {"name": "x/copy"}, 422, "The name x/copy is reserved"),
        ("POST", "/profiles", {"name": "Invalid_Name"}, 422, "/name must match"),
        ("POST", "/profiles", {"name": "a", "sesion": {}}, 422, "/sesion is unknown"),
        ("POST", "/profiles", {"name": "a", "session": {"context_manager": {"module": "x"}}}, 422, "orchestrator"),
        ("POST", "/profiles/default/copy", {"new_name": "A"}, 422, "/new_name must match"),
        ("POST", "/sessions", {"profile": "none"}, 404, "Profile none not found"),
        ("POST", "/sessions", {"settings_overrides": {"temperature": 1}}, 422, "temperature is unknown"),
        ("GET", "/sessions/none/profile", None, 404, "Session none not found"),
        ("GET", "/profiles/default/activate", None, 405, "use POST"),
        ("PUT", "/profiles/active", None, 405, "use DELETE, GET, HEAD"),
    ],
)
def test_invalid_request_is_refused(
    client: httpx.Client, method: str, url: str, body: object, status: int, detail: str
) -> None:
    response = client.request(method, url, json=body)
    assert response.status_code == status
    assert detail in response.json()["detail"]


def test_active_profile(client: httpx.Client) -> None:
    client.post("/profiles", json={"name": "a/b"})
    activated = client.post("/profiles/a/b/activate")
    assert (activated.status_code, activated.json()["isActive"]) == (200, True)
    assert client.get("/profiles/active").json() == activated.json()
    session = client.post("/sessions").json()
    assert session["profile"] == "a/b"
    refused = client.delete("/profiles/a/b")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "Cannot delete active profile: a/b. Deactivate it first.",
    )
    assert [client.delete("/profiles/active").status_code for _ in range(2)] == [204, 204]
    assert client.delete("/profiles/a/b").status_code == 204
    stored = client.get(f"/sessions/{session['id']}/profile")
    assert (stored.status_code, stored.json()["name"]) == (200, "a/b")
    assert client.post("/sessions").json()["profile"] == "default"


def test_session_accepts_overrides_and_another_profile(client: httpx.Client) -> None:
    client.post("/profiles", json=WHOLE)
    overrides = {"session": {"context_manager": None, "orchestrator": {"config": {"n": 2.50}}}, "tools": []}
    session = client.post("/sessions", json={"profile": WHOLE["name"], "settings_overrides": overrides}).json()
    path = f"/sessions/{session['id']}"
    stored = client.get(f"{path}/profile").json()
    assert stored["session"]["orchestrator"]["config"] == {"on": "yes", "n": 2.5, "no": None}
    assert ("contextManager" in stored["session"], stored["tools"]) == (False, [])
    assert client.patch(path, json={"profile": "none"}).status_code == 404
    assert client.patch(path, json={"profile": "default"}).json()["profile"] == "default"
    assert client.get(f"{path}/profile").json()["name"] == "default"


def test_profile_round_trips_through_a_file(client: httpx.Client) -> None:
    profile = client.post("/profiles", json=WHOLE).json()
    written = client.get("/profiles/foundation/whole", headers={"Accept": "text/markdown"})
    assert written.headers["content-type"] == "text/markdown; charset=utf-8"
    assert written.headers["vary"] == "Accept"
    assert client.delete("/profiles/foundation/whole").status_code == 204
    read = client.post("/profiles", content=written.content, headers=MARKDOWN)
    assert read.status_code == 201, read.text
    assert read.json() | {"createdAt": "", "updatedAt": ""} == profile | {"createdAt": "", "updatedAt": ""}
    again = client.get("/profiles/foundation/whole", headers={"Accept": "text/markdown"})
    assert again.content == written.content
    refused = client.get("/profiles/foundation/whole", headers={"Accept": "text/html"})
    assert refused.status_code == 406


def test_profile_is_replaced_by_its_file(client: httpx.Client) -> None:
    client.post("/profiles", json=WHOLE).raise_for_status()
    path = "/profiles/foundation/whole"
    file = client.get(path, headers={"Accept": "text/markdown"}).text
    edited = client.put(path, content=f"{file}\nOne more line.\n", headers=MARKDOWN)
    assert edited.status_code == 200, edited.text
    assert edited.json()["instructions"].endswith("One more line.\n")
    stored = client.get(path).json()
    assert edited.json() == {**stored, "warnings": edited.json()["warnings"]}
    for refused in (
        client.put(path, content=file.replace("foundation/whole", "foundation/other"), headers=MARKDOWN),
        client.put(path, json={"name": "foundation/other"}),
    ):
        assert (refused.status_code, "its name is foundation/other" in refused.json()["detail"]) == (422, True)
    assert client.put(path, content="# No front matter\n", headers=MARKDOWN).status_code == 422
    assert client.put("/profiles/none", json={"name": "none"}).status_code == 404
    assert client.put("/profiles/default", json={"name": "default"}).status_code == 409
    assert client.get(path).json() == stored
    # The other members have their defaults.
    replaced = client.put(path, json={"name": WHOLE["name"]}).json()
    assert (replaced["tools"], replaced["instructions"], replaced["version"]) == ([], "", "1.0.0")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("---\n" + "\n" * 1024 * 1024, 1, "the file has more than 1048576 characters"),
        ("# No front matter\n", 1, "the file must begin with a line ---"),
        ("---\nprofile:\n", 2, "a line --- must end the section that begins at line 1"),
        ("---\nprofile:\n  name: [\n---\n", 4, "invalid YAML"),
        ("---\nprofile:\n  name: a\n  name: b\n---\n", 4, "the key 'name' occurs twice"),
        ("---\nprofile:\n  name: a\n  version: 1\n  schema_version: 1\n---\n", 5, "schema_version must be 2"),
        ("---\nprofile:\n  name: a\n  schema_version: 2\n---\n", 2, "profile.version is required"),
        ("---\nprofile: {name: a, version: 1, schema_version: 2}\nextends: b\n---\n", 3, "'extends' is unknown"),
        (
            "---\nprofile: {name: a, version: 1, schema_version: 2}\ntools:\n- {module: a}\n- source: x\n---\n",
            5,
            "/tools/1/module is required (line 5)",
        ),
        (
            "---\nprofile: {name: a, version: 1, schema_version: 2}\nsession:\n  context:\n    modul: x\n---\n",
            5,
            "/session/context_manager/modul is unknown (line 5)",
        ),
    ],
)
def test_fault_of_a_file_is_reported_with_its_line(client: httpx.Client, text: str, line: int, words: str) -> None:
    response = client.post("/profiles", content=text, headers=MARKDOWN)
    assert response.status_code == 422
    assert words in response.json()["detail"]
    assert line in [error["line"] for error in response.json()["errors"]]


def test_file_is_utf_8(client: httpx.Client) -> None:
    response = client.post("/profiles", content="---\né".encode("latin-1"), headers=MARKDOWN)
    assert (response.status_code, response.json()["detail"]) == (400, "The body is not UTF-8 at byte 4.")


@pytest.mark.parametrize(
    "path", ["/profiles//", "/profiles//a", "/profiles/a//b", "/profiles/" + "a/" * 3_000, "/profiles/%00"]
)
def test_unknown_profile_path_is_404(daemon: Daemon, path: str) -> None:
    response = exchange(daemon.port, get(f"/api/v1{path}"))
    assert response.status == 404, response.json
