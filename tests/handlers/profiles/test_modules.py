"""Modules over HTTP: those of collections and installed packages, and their configurations in profiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from conftest import own_database
from daemon import Daemon
from programs.packages import install_entry_points
from samples.collection_folders import commit, make, profile

BASH = """\
name: tool-bash
version: 1.10
description: Runs commands.
entry_point: amplifier_module_tool_bash:mount
config_schema:
  type: object
  required: [shell]
  properties:
    shell: {type: string}
    timeout: {type: integer, minimum: 1}
    key: {type: string, writeOnly: true}
  additionalProperties: false
"""
FILES = {
    "base.md": profile("base", more="tools:\n- {module: bash, config: {shell: sh}}\n"),
    "tools/bash/module.yaml": BASH,
    "providers/mock/module.yaml": "name: provider-mock\n",
    "hooks/log/module.yaml": "name: hooks-log\ntype: hook\n",
    "orchestrators/loop/module.yaml": "name: loop-basic\n",
    "contexts/simple/module.yaml": "name: context-simple\n",
}
TOOL = "name: tool-installed\nversion: 3.0.0\nconfig_schema: {properties: {a: {type: integer}}}\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which collections may be."""
    return make(tmp_path_factory.mktemp("root") / "collections", {"x": ""})


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def daemon(request: pytest.FixtureRequest, root: Path) -> Iterator[Daemon]:
    """A daemon on each kind of database that may read collections, and has an installed package with a module."""
    packages = root.parent / "packages"
    points = {"tool.one": "module_one", "tool.broken": "module_broken", "wrong": "module_one", "tool.no": "nowhere"}
    install_entry_points(packages, "amplifierd.modules", points)
    make(packages, {"module_one/__init__.py": "1 / 0\n", "module_one/module.yaml": TOOL})
    make(packages, {"module_broken/__init__.py": "", "module_broken/module.yaml": "x: y\n"})
    options = ["--collections-path", str(root)]
    with pytest.MonkeyPatch.context() as environment, own_database(request, root.parent) as url:
        environment.setenv("PYTHONPATH", str(packages))
        # Not forked: a forked process would not look for packages again.
        with Daemon(url, *options, start="command") as running:
            yield running


@pytest.fixture
def folder(client: httpx.Client, root: Path) -> Iterator[Path]:
    """A folder with the collection `foundation`, which is added; no collection and no profile stays."""
    path = make(root / f"folder-{len([*root.iterdir()])}", FILES)
    add(client, "teams/foundation", path)
    yield path
    for found in client.get("/collections").json():
        assert client.delete(f"/collections/{found['identifier']}").status_code == 204
    for found in client.get("/profiles").json():
        if found["name"] != "default":
            assert client.delete(f"/profiles/{found['name']}").status_code == 204


def add(client: httpx.Client, identifier: str, source: object) -> dict[str, Any]:
    response = client.post("/collections", json={"identifier": identifier, "source": str(source)})
    assert response.status_code == 201, response.text
    collection: dict[str, Any] = response.json()
    return collection


def ids(client: httpx.Client, path: str) -> list[str]:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return [module["id"] for module in response.json()]


def test_modules_are_listed_by_id_and_type(client: httpx.Client, folder: Path) -> None:
    assert folder.exists()
    every = [
        "foundation/context/simple",
        "foundation/hook/log",
        "foundation/orchestrator/loop",
        "foundation/provider/mock",
        "foundation/tool/bash",
        "installed/tool/one",
    ]
    assert ids(client, "/modules") == ids(client, "/modules/") == every
    for module_type in ("provider", "tool", "hook", "orchestrator", "context"):
        only = [module_id for module_id in every if f"/{module_type}/" in module_id]
        assert ids(client, f"/modules?type={module_type}") == ids(client, f"/modules/{module_type}s") == only
    first = client.get("/modules/tools?limit=1")
    assert [module["id"] for module in first.json()] == ["foundation/tool/bash"]
    assert ids(client, f"/modules/{first.links['next']['url'].rpartition('/')[2]}") == ["installed/tool/one"]
    refused = client.get("/modules?type=tools")
    assert (refused.status_code, "must be one of provider, tool" in refused.json()["detail"]) == (400, True)


@pytest.mark.parametrize("spelling", ["foundation/tool/bash", quote("foundation/tool/bash", safe="")])
def test_module_is_read_by_its_id(client: httpx.Client, folder: Path, spelling: str) -> None:
    assert client.get(f"/modules/{spelling}").json() == {
        "id": "foundation/tool/bash",
        "type": "tool",
        "name": "tool-bash",
        "version": "1.10",
        "description": "Runs commands.",
        "location": f"file://{folder}/tools/bash",
        "collection": "teams/foundation",
        "entryPoint": "amplifier_module_tool_bash:mount",
        "configSchema": {
            "type": "object",
            "required": ["shell"],
            "properties": {
                "shell": {"type": "string"},
                "timeout": {"type": "integer", "minimum": 1},
                "key": {"type": "string", "writeOnly": True},
            },
            "additionalProperties": False,
        },
    }


def test_module_of_a_package_is_read_without_running_it(client: httpx.Client) -> None:
    found = client.get("/modules/installed/tool/one").json()
    assert (found["name"], found["version"], found["location"], found["entryPoint"]) == (
        "tool-installed",
        "3.0.0",
        "package:module_one",
        "module_one",
    )
    assert "collection" not in found
    for missing in ("installed/tool/broken", "installed/tool/no", "foundation/tool/bash", "a", "a/b"):
        response = client.get(f"/modules/{missing}")
        assert response.status_code == 404
        assert response.json()["detail"].startswith(f"Module {missing} not found; ")


def test_module_of_a_repository_is_at_its_commit(client: httpx.Client, folder: Path) -> None:
    repository = folder / "repository"
    head = commit(repository, {"sub/tools/bash/module.yaml": BASH})
    add(client, "other", f"git+file://{repository}@main#subdirectory=sub")
    location = client.get("/modules/other/tool/bash").json()["location"]
    assert location == f"git+file://{repository}/.git@{head}#subdirectory=sub/tools/bash"


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    [
        ("[]\n", 1, "The file must be a mapping."),
        ("version: 1\n", 1, "The key 'name' is required."),
        ("name: a\nextra: b\n", 2, "The key 'extra' is unknown."),
        ("name: a\ndescription: [b]\n", 2, "Description must be a text of 1 to 4096 characters."),
        ("name: a\n\ntype: hook\n", 3, "Type must be tool, as its folder is named."),
        ("name: a\nconfig_schema:\n  properties:\n    b: {type: nothing}\n", 4, "it is not a JSON Schema"),
        (
            "name: a\nconfig_schema:\n  properties:\n    b: {$ref: 'https://x'}\n",
            4,
            "leads out of the schema",
        ),
        ("name: a\nname: b\n", 2, "The key 'name' occurs twice."),
    ],
)
def test_broken_module_is_a_problem(client: httpx.Client, folder: Path, text: str, line: int, detail: str) -> None:
    make(folder, {"tools/bash/module.yaml": text})
    synced = client.post("/collections/teams/foundation/sync").json()
    assert "foundation/tool/bash" not in synced["modules"]
    [problem] = synced["problems"]
    assert (problem["file"], problem["line"]) == ("tools/bash/module.yaml", line)
    assert detail in problem["detail"]
    assert client.get("/modules/foundation/tool/bash").status_code == 404


def configured(module: str, config: dict[str, Any] | None) -> dict[str, Any]:
    return {"module": module} if config is None else {"module": module, "config": config}


@pytest.mark.parametrize(
    ("module", "config", "pointers"),
    [
        ("foundation/tool/bash", {"shell": "sh", "timeout": 1}, []),
        ("foundation/tool/bash", {"shell": "sh", "timeout": "${env:TIMEOUT}", "key": "${env:KEY}"}, []),
        ("foundation/tool/bash", None, ["/config/shell"]),
        ("foundation/tool/bash", {"shell": 1, "timeout": 0}, ["/config/shell", "/config/timeout"]),
        ("foundation/tool/bash", {"shell": "sh", "shel": 1}, ["/config/shel"]),
        ("foundation/tool/bash", {"shell": "sh", "key": "sk-1"}, ["/config/key"]),
        ("installed/tool/one", {"a": "x"}, ["/config/a"]),
        ("one", {"a": "x"}, ["/config/a"]),
    ],
)
def test_configuration_is_checked(
    client: httpx.Client, folder: Path, module: str, config: dict[str, Any] | None, pointers: list[str]
) -> None:
    assert folder.exists()
    tools = [{"module": "one"}, configured(module, config)]
    created = client.post("/profiles", json={"name": "mine", "tools": tools})
    client.post("/profiles", json={"name": "other"}).raise_for_status()
    updated = client.patch("/profiles/other", json={"tools": tools})
    for response in (created, updated):
        if not pointers:
            assert response.is_success, response.text
            assert "warnings" not in response.json()
            continue
        assert response.status_code == 422
        assert response.json()["type"] == "urn:amplifierd:problem:module-config-invalid"
        assert [error["pointer"] for error in response.json()["errors"]] == [
            f"/tools/1{pointer}" for pointer in pointers
        ]
    assert client.get("/profiles/other").json()["tools"] == ([] if pointers else tools)


def test_patched_configuration_is_checked(client: httpx.Client, folder: Path) -> None:
    make(folder, {"orchestrators/loop/module.yaml": "name: l\nconfig_schema: {properties: {n: {maximum: 3}}}\n"})
    client.post("/collections/sync").raise_for_status()
    session = {"orchestrator": {"module": "foundation/orchestrator/loop", "config": {"n": 1}}}
    assert client.post("/profiles", json={"name": "mine", "session": session}).status_code == 201
    refused = client.patch("/profiles/mine", json={"session": {"orchestrator": {"config": {"n": 4}}}})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/session/orchestrator/config/n"]
    assert client.patch("/profiles/mine", json={"session": {"orchestrator": {"config": {"n": 3}}}}).is_success


def test_overrides_of_a_session_and_a_plan_are_checked(client: httpx.Client, folder: Path) -> None:
    make(folder, {"own.md": profile("own")})
    client.post("/collections/teams/foundation/sync").raise_for_status()
    secret = {"tools": [{"module": "bash", "config": {"key": "s-1"}}]}
    reference = {"tools": [{"module": "bash", "config": {"shell": "sh", "key": "${env:KEY}"}}]}
    client.post("/profiles/foundation/own/activate").raise_for_status()
    for path, body in (
        ("/sessions", {"profile": "foundation/own"}),
        ("/sessions", {}),
        ("/mount-plans/generate", {"profile_id": "foundation/own"}),
    ):
        refused = client.post(path, json=body | {"settings_overrides": secret})
        assert refused.status_code == 422, refused.text
        pointers = [error["pointer"] for error in refused.json()["errors"]]
        assert "/tools/0/config/key" in pointers
        assert "s-1" not in refused.text
        assert client.post(path, json=body | {"settings_overrides": reference}).is_success
    client.delete("/profiles/active").raise_for_status()
    missing = client.post("/sessions", json={"profile": "nobody", "settings_overrides": secret})
    assert missing.status_code == 404
    missing = client.post("/sessions", json={"amplified_dir": "nowhere", "settings_overrides": secret})
    assert missing.status_code == 404


def test_retry_gets_the_first_response_after_changes(client: httpx.Client, folder: Path) -> None:
    tools = [{"module": "foundation/tool/bash", "config": {"shell": "sh"}}, {"module": "unknown"}]
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/profiles", {"name": "mine", "tools": tools}),
        ("/sessions", {"profile": "mine", "settings_overrides": {"tools": tools}}),
    ]

    def send() -> list[httpx.Response]:
        headers = [{"Idempotency-Key": f"{folder.name}-{path}"} for path, _ in requests]
        return [client.post(path, json=body, headers=key) for (path, body), key in zip(requests, headers, strict=True)]

    first = send()
    assert [response.status_code for response in first] == [201, 201]
    assert len(first[0].json()["warnings"]) == 1
    client.delete("/profiles/mine").raise_for_status()
    make(folder, {"tools/bash/module.yaml": BASH.replace("[shell]", "[shell, key]"), "tools/unknown/module.yaml": BASH})
    client.post("/collections/teams/foundation/sync").raise_for_status()
    assert [client.post(path, json=body).status_code for path, body in requests] == [422, 404]
    again = send()
    assert [(response.status_code, response.headers.get("idempotent-replayed")) for response in again] == [
        (201, "true")
    ] * 2
    assert [response.json() for response in again] == [response.json() for response in first]


def test_unknown_module_is_a_warning(client: httpx.Client, folder: Path) -> None:
    assert folder.exists()
    body = {"name": "mine", "tools": [{"module": "foundation/tool/bahs"}, {"module": "one"}]}
    session = {"orchestrator": {"module": "foundation/tool/bash"}, "context_manager": {"module": "x"}}
    created = client.post("/profiles", json=body | {"session": session}).json()
    assert [warning["pointer"] for warning in created["warnings"]] == [
        "/session/orchestrator",
        "/session/context_manager",
        "/tools/0",
    ]
    assert created["warnings"][2]["detail"] == (
        "No collection and no installed package has the tool foundation/tool/bahs; its config is not checked."
    )
    assert "warnings" not in client.get("/profiles/mine").json()
    updated = client.patch("/profiles/mine", json={"session": None, "version": "2"}).json()
    assert [warning["pointer"] for warning in updated["warnings"]] == ["/tools/0"]


def test_hostile_modules_are_refused_quickly(client: httpx.Client, folder: Path) -> None:
    schema = "config_schema: {additionalProperties: {anyOf: [" + "{type: string}, " * 300 + "]}}"
    make(folder, {f"tools/t{number}/module.yaml": f"name: t\n{schema}\n" for number in range(100)})
    client.post("/collections/sync").raise_for_status()
    config = {str(number): number for number in range(50)}
    tools = [{"module": f"foundation/tool/t{number}", "config": config} for number in range(100)]
    refused = client.post("/profiles", json={"name": "mine", "tools": tools})
    assert refused.status_code == 422
    details = {error["detail"] for error in refused.json()["errors"]}
    assert any("is too large to be checked against the schema of module" in detail for detail in details)


def test_profile_of_a_collection_that_fits_no_schema_is_a_problem(client: httpx.Client, folder: Path) -> None:
    make(folder, {"base.md": profile("base", more="tools:\n- {module: bash, config: {shell: 1}}\n")})
    synced = client.post("/collections/teams/foundation/sync").json()
    assert synced["profiles"] == []
    [problem] = synced["problems"]
    assert (problem["file"], problem["line"]) == ("base.md", 4)
    assert (
        problem["detail"]
        == "The configuration of a module does not fit its schema: /tools/0/config/shell must be of type string."
    )


def test_sources_of_a_module(client: httpx.Client, folder: Path) -> None:
    assert folder.exists()
    for module_id in ("foundation/tool/bash", "installed/tool/one"):
        url = f"/modules/{module_id}/sources"
        headers = {"Idempotency-Key": module_id}
        first, again = (client.post(url, json={"source": "git+https://x"}, headers=headers) for _ in range(2))
        assert (first.status_code, again.text, again.headers["idempotent-replayed"]) == (201, first.text, "true")
        assert first.json() == {"moduleId": module_id, "scope": "project", "source": "git+https://x"}
        conflict = client.post(url, json={"source": "y"})
        assert (conflict.status_code, "replaceModuleSource" in conflict.json()["detail"]) == (409, True)
        assert client.put(url, json={"source": "y"}).json()["source"] == "y"
        local = client.put(
            quote(url.removesuffix("/sources"), safe="/") + "/sources", json={"source": "z", "scope": "local"}
        )
        assert local.status_code == 200
        sources = client.get(f"/modules/{module_id}").json()["sources"]
        assert [(source["scope"], source["source"]) for source in sources] == [("local", "z"), ("project", "y")]
        assert client.delete(f"{url}?scope=local").status_code == client.delete(url).status_code == 204
        missing = client.delete(url)
        assert missing.status_code == 404
        assert missing.json()["detail"].startswith(f"Module {module_id} has no source in the scope project; ")
        assert "sources" not in client.get(f"/modules/{module_id}").json()
    for method in ("POST", "PUT"):
        assert client.request(method, "/modules/a/tool/b/sources", json={"source": "x"}).status_code == 404
        for body in ({"source": ""}, {"source": "x", "scope": "all"}, {}):
            assert client.request(method, "/modules/installed/tool/one/sources", json=body).status_code == 422
    assert client.delete("/modules/installed/tool/one/sources?scope=all").status_code == 400
