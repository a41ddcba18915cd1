"""Mount plans over HTTP, in both forms."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from conftest import own_database
from daemon import Daemon
from programs.packages import install_entry_points
from samples.collection_folders import make

NDJSON = {"Content-Type": "application/x-ndjson"}
BASE = """\
---
profile: {name: base, version: 1.0.0, schema_version: 2}
session:
  orchestrator: {module: loop, config: {max_turns: 3}}
  context: {module: simple}
  injection_size_limit: 10
providers:
- {module: mock, config: {key: "${env:KEY}"}}
tools:
- module: bash
- {module: bash, source: "git+https://example.com/b", config: {n: 1.0, a: 2}}
- {module: gone, source: "git+https://example.com/gone"}
agents:
  zen: agents/zen.md
  far: https://example.com/far.md
context:
  docs: context
---

Be brief.
"""
FILES = {
    "base.md": BASE,
    "agents/zen.md": "Be calm.",
    "context/b.md": "B",
    "context/a/c.md": "C",
    "context/a/d.txt": "D",
    "tools/bash/module.yaml": "name: tool-bash\nversion: 1.2.0\nentry_point: amplifier_module_tool_bash\n",
    "providers/mock/module.yaml": "name: provider-mock\n",
    "orchestrators/loop/module.yaml": "name: loop-basic\n",
    "contexts/simple/module.yaml": "name: context-simple\n",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which collections may be."""
    return make(tmp_path_factory.mktemp("root") / "collections", {"x": ""})


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def daemon(request: pytest.FixtureRequest, root: Path) -> Iterator[Daemon]:
    """A daemon that may read collections, on each kind of database."""
    options = ["--collections-path", str(root)]
    with own_database(request, root.parent) as url, Daemon(url, *options) as running:
        yield running


@pytest.fixture
def folder(client: httpx.Client, root: Path) -> Iterator[Path]:
    """The folder of the collection `foundation`, which has been added."""
    path = make(root / f"folder-{len([*root.iterdir()])}", FILES)
    added = client.post("/collections", json={"identifier": "foundation", "source": str(path)})
    assert added.json()["problems"] == [], added.text
    yield path
    assert client.delete("/collections/foundation").status_code == 204


def generate(client: httpx.Client, form: str = "mounts", **body: Any) -> dict[str, Any]:
    response = client.post(f"/mount-plans/generate?form={form}", json={"profile_id": "foundation/base"} | body)
    assert response.status_code == 200, response.text
    plan: dict[str, Any] = response.json()
    return plan


def test_plan_names_every_part(client: httpx.Client, folder: Path) -> None:
    plan = generate(client)
    assert (plan["form"], plan["formatVersion"], plan["instructions"]) == ("mounts", "1.0", "Be brief.\n")
    assert plan["session"] == {
        "profileId": "foundation/base",
        "profileVersion": "1.0.0",
        "amplifiedDir": ".",
        "injectionSizeLimit": 10,
    }
    assert [(mount_point["moduleId"], mount_point["resolved"]) for mount_point in plan["mountPoints"]] == [
        ("foundation/base.agent.far", False),
        ("foundation/base.agent.zen", True),
        ("foundation/base.context.docs.a.c", True),
        ("foundation/base.context.docs.b", True),
        ("foundation/provider/mock", True),
        ("foundation/tool/bash", True),
        ("foundation/tool/bash.2", True),
        ("gone", False),
    ]
    by_id = {mount_point["moduleId"]: mount_point for mount_point in plan["mountPoints"]}
    kinds = ("agents", "context", "providers", "tools", "hooks")
    assert by_id == {key: mount_point for kind in kinds for key, mount_point in plan[kind].items()}
    assert by_id["foundation/base.agent.zen"] == {
        "mountType": "embedded",
        "moduleId": "foundation/base.agent.zen",
        "moduleType": "agent",
        "name": "zen",
        "resolved": True,
        "content": "Be calm.",
        "source": "agents/zen.md",
    }
    assert by_id["foundation/tool/bash"] == {
        "mountType": "referenced",
        "moduleId": "foundation/tool/bash",
        "moduleType": "tool",
        "name": "tool-bash",
        "resolved": True,
        "source": f"file://{folder}/tools/bash",
        "version": "1.2.0",
        "entryPoint": "amplifier_module_tool_bash",
    }
    assert by_id["foundation/tool/bash.2"]["source"] == "git+https://example.com/b"
    assert by_id["foundation/provider/mock"]["config"] == {"key": "${env:KEY}"}
    assert (plan["orchestrator"]["name"], plan["contextManager"]["name"]) == ("loop-basic", "context-simple")


def test_plan_is_the_same_whenever_it_is_made(client: httpx.Client, folder: Path) -> None:
    assert folder.exists()
    for form in ("mounts", "kernel"):
        path = f"/mount-plans/generate?form={form}"
        first, again = (client.post(path, json={"profile_id": "foundation/base"}) for _ in range(2))
        assert first.content == again.content
    client.post("/collections/foundation/sync").raise_for_status()
    assert client.post(path, json={"profile_id": "foundation/base"}).content == first.content
    assert b'"config":{"n":1.0,"a":2}' in first.content


def test_kernel_has_its_own_form(client: httpx.Client, folder: Path) -> None:
    plan = generate(client, "kernel")
    location = f"file://{folder}"
    assert plan["session"] == {
        "orchestrator": {
            "module": "loop-basic",
            "source": f"{location}/orchestrators/loop",
            "config": {"max_turns": 3},
        },
        "context": {"module": "context-simple", "source": f"{location}/contexts/simple", "config": {}},
        "injection_size_limit": 10,
        "settings": {"amplified_dir": ".", "profile_name": "foundation/base", "profile_version": "1.0.0"},
    }
    assert [tool["module"] for tool in plan["tools"]] == ["tool-bash", "tool-bash", "gone"]
    assert plan["tools"][2]["source"] == "git+https://example.com/gone"
    assert plan["agents"] == {"zen": {"content": "Be calm.", "metadata": {"source": "agents/zen.md"}}}
    assert [*plan["context"]] == ["docs.a.c", "docs.b"]


def test_plan_has_the_values_of_its_request(client: httpx.Client, folder: Path) -> None:
    assert folder.exists()
    assert client.post("/amplified-directories", json={"relative_path": "a/b"}).status_code == 201
    plan = generate(
        client,
        session_id="s",
        parent_session_id="p",
        settings_overrides={"version": "2", "tools": None},
        agent_overlay={"zen": {"content": "Be quick."}, "new": {"content": "You are new.", "config": {"n": 1.0}}},
        amplified_dir="a/b",
    )
    assert plan["session"] == {
        "profileId": "foundation/base",
        "profileVersion": "2",
        "sessionId": "s",
        "parentSessionId": "p",
        "amplifiedDir": "a/b",
        "settings": {"version": "2", "tools": None},
        "injectionSizeLimit": 10,
    }
    assert plan["tools"] == {}
    contents = {agent["name"]: agent.get("content") for agent in plan["agents"].values()}
    assert contents == {"far": None, "new": "You are new.", "zen": "Be quick."}
    assert client.delete("/amplified-directories/a%2Fb").status_code == 204
    for body, status in (
        ({"profile_id": "nobody"}, 404),
        ({"profile_id": "default", "amplified_dir": "nowhere"}, 404),
        ({"profile_id": "default", "amplified_dir": "../x"}, 404),
        ({"profile_id": "default", "settings_overrides": {"session": {"orchestrator": {}}}}, 422),
        ({}, 422),
    ):
        assert client.post("/mount-plans/generate", json=body).status_code == status, body
    assert client.post("/mount-plans/generate?form=x", json={"profile_id": "default"}).status_code == 400


def test_overlay_changes_adds_and_removes_agents(client: httpx.Client, folder: Path) -> None:
    assert folder.exists()
    overlay: dict[str, Any] = {
        "zen": {"config": {"max_turns": 4}},
        "far": None,
        "new": {"content": "You are new.", "config": {"tools": []}},
    }
    plan = generate(client, agent_overlay=overlay)
    agents = [
        (each["name"], each.get("content"), each.get("config"), each["resolved"]) for each in plan["agents"].values()
    ]
    assert agents == [
        ("new", "You are new.", {"tools": []}, True),
        ("zen", "Be calm.", {"max_turns": 4}, True),
    ]
    assert generate(client, "kernel", agent_overlay=overlay)["agents"] == {
        "new": {"content": "You are new.", "metadata": {"source": ""}, "config": {"tools": []}},
        "zen": {"content": "Be calm.", "metadata": {"source": "agents/zen.md"}, "config": {"max_turns": 4}},
    }
    refusals: list[dict[str, Any]] = [{"zen": "Be quick."}, {"zen": {"contents": ""}}, {"zen": {"config": []}}]
    for wrong in refusals:
        refused = client.post("/mount-plans/generate", json={"profile_id": "foundation/base", "agent_overlay": wrong})
        assert refused.status_code == 422, wrong


def test_overlay_changes_agents_of_a_folder(client: httpx.Client, folder: Path) -> None:
    team = {"team.md": BASE.replace("name: base", "name: team").replace("zen: agents/zen.md", "team: agents")}
    make(folder, team | {"agents/fix.md": "Fix it."})
    client.post("/collections/foundation/sync").raise_for_status()

    def agents(**overlay: Any) -> list[tuple[str, str | None, Any]]:
        plan = generate(client, profile_id="foundation/team", agent_overlay={"far": None} | overlay)
        assert len(plan["agents"]) == sum(each["moduleType"] == "agent" for each in plan["mountPoints"])
        return [(each["name"], each.get("content"), each.get("config")) for each in plan["agents"].values()]

    fix, zen = ("team.fix", "Fix it.", None), ("team.zen", "Be calm.", None)
    assert agents() == [fix, zen]
    assert agents(**{"team.zen": None}) == [fix]
    assert agents(**{"team.zen": {"content": "Be loud."}}) == [fix, ("team.zen", "Be loud.", None)]
    assert agents(**{"team.zen": {"config": {"n": 1}}}) == [fix, ("team.zen", "Be calm.", {"n": 1})]
    assert agents(team=None) == []
    assert agents(team=None, **{"team.zen": {}}) == [zen]
    assert agents(team={"config": {"n": 1}}, **{"team.fix": {"config": {"n": 2}}}) == [
        ("team.fix", "Fix it.", {"n": 2}),
        ("team.zen", "Be calm.", {"n": 1}),
    ]
    assert agents(team={"content": "One for all."}) == [("team", "One for all.", None)]
    assert agents(**{"team.new": {"content": "New."}}) == [fix, zen, ("team.new", "New.", None)]


@pytest.fixture
def large(client: httpx.Client, root: Path) -> Iterator[str]:
    """A profile of a collection with a text of 500,000 characters, and a folder of 200 agents."""
    base = "---\nprofile: {name: base, version: 1.0.0, schema_version: 2}\nagents: {team: team, one: long.md}\n---\n"
    files = {f"team/{number}.md": "" for number in range(200)}
    path = make(root / f"large-{len([*root.iterdir()])}", files | {"base.md": base, "long.md": "x" * 500_000})
    added = client.post("/collections", json={"identifier": "large", "source": str(path)})
    assert added.json()["problems"] == [], added.text
    yield "large/base"
    assert client.delete("/collections/large").status_code == 204


def test_plan_that_repeats_a_text_too_often_is_refused(client: httpx.Client, large: str) -> None:
    for number, status in ((15, 200), (16, 422)):
        agents = {f"agent{each}": "long.md" for each in range(number)}
        overrides = {"profile": large, "settings_overrides": {"agents": agents}}
        session = client.post("/sessions", json=overrides).raise_for_status().json()
        read = client.get(f"/sessions/{session['id']}/mount-plan")
        body = {"profile_id": large, "settings_overrides": {"agents": agents}}
        made = client.post("/mount-plans/generate", json=body)
        assert (read.status_code, made.status_code) == (status, status)
    assert read.json()["type"] == made.json()["type"] == "urn:amplifierd:problem:mount-plan-too-large"
    assert "more than 8388608 characters; use fewer references" in read.json()["detail"]


def test_overlay_that_gives_many_agents_a_large_config_is_refused(client: httpx.Client, large: str) -> None:
    for size, status in ((30_000, 200), (50_000, 422)):
        body = {"profile_id": large, "agent_overlay": {"team": {"config": {"text": "x" * size}}}}
        assert client.post("/mount-plans/generate", json=body).status_code == status


@pytest.mark.parametrize(
    ("overlay", "pointer", "reason"),
    [
        ({"nobody": None}, "/agent_overlay/nobody", "there is no agent to remove"),
        ({"a/b": {"config": {}}}, "/agent_overlay/a~1b", "a new agent needs a content"),
    ],
)
def test_overlay_of_an_unknown_agent_is_refused(
    client: httpx.Client, folder: Path, overlay: dict[str, Any], pointer: str, reason: str
) -> None:
    assert folder.exists()
    body = {"profile_id": "foundation/base", "agent_overlay": overlay}
    refused = client.post("/mount-plans/generate", json=body)
    assert refused.status_code == 422, refused.text
    [error] = refused.json()["errors"]
    assert (error["pointer"], error["detail"]) == (pointer, f"is not an agent of the profile: {reason}")


@pytest.mark.parametrize("settings", [{"hooks": [{"module": "\0a"}]}, {"session": {"orchestrator": {"module": "\0a"}}}])
def test_module_whose_name_cannot_be_a_key_is_refused(client: httpx.Client, settings: dict[str, Any]) -> None:
    requests = [
        client.post("/profiles", json={"name": "nul", **settings}),
        client.post("/mount-plans/generate", json={"profile_id": "default", "settings_overrides": settings}),
    ]
    for response in requests:
        assert response.status_code == 422, response.text
        assert [each["pointer"].endswith("/module") for each in response.json()["errors"]] == [True]


def test_session_keeps_its_plan(client: httpx.Client, folder: Path) -> None:
    session = client.post("/sessions", json={"profile": "foundation/base"}).json()
    url = f"/sessions/{session['id']}/mount-plan"
    before = client.get(url).json()
    assert (before["session"]["sessionId"], before["session"]["createdAt"]) == (session["id"], session["createdAt"])
    generated = generate(client, session_id=session["id"])
    assert generated == before | {"session": generated["session"]}
    make(folder, {"agents/zen.md": "Be loud.", "tools/bash/module.yaml": "name: other\nversion: 2.0.0\n"})
    client.post("/collections/foundation/sync").raise_for_status()
    client.put("/modules/foundation/tool/bash/sources", json={"source": "git+https://example.com/fork"})
    later = client.post("/sessions", json={"profile": "foundation/base"}).json()
    assert client.get(url).json() == before
    after = client.get(f"/sessions/{later['id']}/mount-plan").json()
    assert after["agents"]["foundation/base.agent.zen"]["content"] == "Be loud."
    tool = after["tools"]["foundation/tool/bash"]
    assert (tool["name"], tool["version"], tool["source"]) == ("other", "2.0.0", "git+https://example.com/fork")
    assert client.get(f"{url}?form=kernel").json()["tools"][0]["module"] == "tool-bash"
    missing = client.get("/sessions/nobody/mount-plan")
    assert (missing.status_code, missing.json()["detail"]) == (404, "Session nobody not found")


def test_plan_of_the_built_in_profile_is_empty(client: httpx.Client) -> None:
    session = client.post("/sessions").json()
    plan = client.get(f"/sessions/{session['id']}/mount-plan").json()
    assert (plan["mountPoints"], plan["session"]["profileId"]) == ([], "default")
    assert "orchestrator" not in plan


def test_texts_have_a_limit(client: httpx.Client, folder: Path) -> None:
    make(folder, {"context/long.md": "x" * 600_000})
    synced = client.post("/collections/foundation/sync").json()
    assert synced["profiles"] == []
    [problem] = synced["problems"]
    assert (problem["file"], "which is the limit" in problem["detail"]) == ("base.md", True)


def server(database: str, packages: Path, version: str) -> Daemon:
    """A daemon with an installed package that has this version of a module."""
    folder = packages / version
    install_entry_points(folder, "amplifierd.modules", {"tool.one": "module_one"})
    module = f"name: tool-one\nversion: {version}\n"
    make(folder, {"module_one/__init__.py": "", "module_one/module.yaml": module})
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(folder))
        # Not forked: a forked process would not look for packages again.
        return Daemon(database, start="command")


def test_servers_with_other_packages_give_the_same_plan_of_a_session(database: str, tmp_path: Path) -> None:
    with (
        server(database, tmp_path, "1.0.0") as first_server,
        server(database, tmp_path, "2.0.0") as second_server,
        first_server.client() as client,
        second_server.client() as second_client,
    ):
        client.post("/profiles", json={"name": "p", "tools": [{"module": "one"}]}).raise_for_status()
        for server_client, version in ((client, "1.0.0"), (second_client, "2.0.0"), (client, "1.0.0")):
            session_id = server_client.post("/sessions", json={"profile": "p"}).json()["id"]
            plans = [each.get(f"/sessions/{session_id}/mount-plan").json() for each in (client, second_client)]
            assert plans[0] == plans[1]
            assert plans[0]["tools"]["installed/tool/one"]["version"] == version


def test_session_without_package_modules_gets_the_server_s(database: str, tmp_path: Path) -> None:
    with (
        server(database, tmp_path, "1.0.0") as daemon,
        Daemon(database) as plain,
        daemon.client() as client,
        plain.client() as plain_client,
    ):
        client.post("/profiles", json={"name": "p", "tools": [{"module": "one"}]}).raise_for_status()
        # The server that creates the second one does not have the module.
        for server_client, versions in ((client, ["1.0.0", "1.0.0"]), (plain_client, [None, "1.0.0"])):
            session_id = server_client.post("/sessions", json={"profile": "p"}).json()["id"]
            lines = client.get(f"/sessions/{session_id}/export").text.splitlines()
            # As older programs stored and exported it.
            older = [re.sub(',"includesInstalled":true', "", line) for line in lines]
            without = [line for line in lines if not line.startswith('{"plan":')]
            found = []
            for export in (lines, older, without):
                client.delete(f"/sessions/{session_id}").raise_for_status()
                imported = client.post("/import", content="\n".join(export) + "\n", headers=NDJSON)
                assert imported.json()["sessions"] == 1, imported.text
                [tool] = client.get(f"/sessions/{session_id}/mount-plan").json()["tools"].values()
                found.append(tool.get("version"))
            assert found == [versions[0], versions[1], versions[1]]
