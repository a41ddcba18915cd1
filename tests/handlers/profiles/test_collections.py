"""Collections over HTTP: folders and repositories that provide profiles."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from conftest import own_database
from daemon import Daemon
from samples.collection_folders import commit, git, make, profile


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which collections may be."""
    return tmp_path_factory.mktemp("root") / "collections"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def daemon(request: pytest.FixtureRequest, root: Path) -> Iterator[Daemon]:
    """A daemon that may read collections, on each kind of database."""
    root.mkdir(exist_ok=True)
    options = ["--collections-path", str(root), "--collection-host", "127.0.0.1:9"]
    with own_database(request, root.parent) as url, Daemon(url, *options) as running:
        yield running


@pytest.fixture
def folder(client: httpx.Client, root: Path) -> Iterator[Path]:
    """A new folder below the root; afterwards all collections are deleted."""
    path = root / f"folder-{uuid4()}"
    path.mkdir()
    yield path
    assert client.delete("/profiles/active").is_success
    for collection in client.get("/collections").json():
        assert client.delete(f"/collections/{collection['identifier']}").status_code == 204


def add(client: httpx.Client, identifier: str, source: object, **headers: str) -> httpx.Response:
    return client.post("/collections", json={"identifier": identifier, "source": str(source)}, headers=headers)


def added(client: httpx.Client, identifier: str, source: object) -> dict[str, Any]:
    response = add(client, identifier, source)
    assert response.status_code == 201, response.text
    collection: dict[str, Any] = response.json()
    return collection


def problems(collection: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(problem.get("file"), problem.get("line"), problem["detail"]) for problem in collection["problems"]]


WHOLE = {
    "base.md": profile("base", more="agents: {zen: agents/zen.md}\ncontext: [context]\n") + "\nBe brief.\n",
    "README.md": "# Read me\n",
    "agents/zen.md": "You are calm.",
    "agents/deep/no.md": "",
    "context/a.md": "",
    "context/b/c.md": "",
    "context/d.txt": "",
    "tools/bash/module.yaml": "name: bash\n",
    "contexts/simple/module.yaml": "name: simple\n",
    ".git/x.md": profile("hidden"),
}


def test_collection_brings_profiles(client: httpx.Client, folder: Path) -> None:
    make(folder, WHOLE)
    response = add(client, "teams/foundation", folder)
    assert response.status_code == 201, response.text
    collection = response.json()
    assert client.get(response.url.join(response.headers["location"])).json() == collection
    assert {name: collection[name] for name in ("profiles", "agents", "context", "modules", "problems")} == {
        "profiles": ["foundation/base"],
        "agents": ["agents/zen.md"],
        "context": ["context/a.md", "context/b/c.md"],
        "modules": ["foundation/context/simple", "foundation/tool/bash"],
        "problems": [],
    }
    assert (collection["kind"], collection["status"], collection["source"]) == ("folder", "synced", str(folder))
    assert "commit" not in collection
    found = client.get("/profiles/foundation/base").json()
    assert (found["source"], found["instructions"], found["agents"]) == (
        "teams/foundation",
        "Be brief.\n",
        {"zen": "agents/zen.md"},
    )
    assert [profile.get("source") for profile in client.get("/profiles").json()] == [None, "teams/foundation"]
    [summary] = client.get("/collections").json()
    assert summary == {name: collection[name] for name in summary}
    session = client.post("/sessions", json={"profile": "foundation/base"}).json()
    assert client.get(f"/sessions/{session['id']}/profile").json()["instructions"] == "Be brief.\n"


@pytest.mark.parametrize("spelling", ["a.b/c/d", quote("a.b/c/d", safe="")])
def test_slashes_of_an_identifier_are_raw_or_encoded(client: httpx.Client, folder: Path, spelling: str) -> None:
    added(client, "a.b/c/d", folder)
    assert client.get(f"/collections/{spelling}").json()["identifier"] == "a.b/c/d"
    assert client.post(f"/collections/{spelling}/sync").json()["identifier"] == "a.b/c/d"
    assert client.delete(f"/collections/{spelling}").status_code == 204
    assert client.get(f"/collections/{spelling}").status_code == 404


def test_profile_of_a_collection_is_read_only(client: httpx.Client, folder: Path) -> None:
    make(folder, WHOLE)
    added(client, "foundation", folder)
    for refused in (
        client.delete("/profiles/foundation/base"),
        client.patch("/profiles/foundation/base", json={"version": "2"}),
    ):
        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:amplifierd:problem:profile-of-collection"
        assert "change a copy of it (copyProfile)" in refused.json()["detail"]
    copied = client.post("/profiles/foundation/base/copy", json={"new_name": "copied"}).json()
    assert "source" not in copied
    assert client.delete("/profiles/copied").status_code == 204


def test_sync_replaces_everything(client: httpx.Client, folder: Path) -> None:
    make(folder, WHOLE | {"gone.md": profile("gone")})
    before = added(client, "foundation", folder)
    session = client.post("/sessions", json={"profile": "foundation/base"}).json()
    (folder / "gone.md").unlink()
    make(folder, {"base.md": profile("base", "2.0.0"), "new.md": profile("new")})
    after = client.post("/collections/foundation/sync").json()
    assert after["profiles"] == ["foundation/base", "foundation/new"]
    assert (after["createdAt"], after["syncedAt"] > before["syncedAt"]) == (before["createdAt"], True)
    assert client.get("/profiles/foundation/base").json()["version"] == "2.0.0"
    assert client.get(f"/sessions/{session['id']}/profile").json()["version"] == "1.0.0"


def test_failed_sync_keeps_the_last_content(client: httpx.Client, folder: Path) -> None:
    make(folder, WHOLE)
    before = added(client, "foundation", folder)
    away = folder.rename(folder.with_name(f"{folder.name}-away"))
    [summary] = client.post("/collections/sync").json()
    assert (summary["status"], summary["syncedAt"]) == ("failed", before["syncedAt"])
    failed = client.get("/collections/foundation").json()
    assert failed["profiles"] == before["profiles"]
    assert [problem["detail"] for problem in failed["problems"]] == [
        f"Cannot read a collection from {folder}: there is no such folder."
    ]
    away.rename(folder)
    assert client.post("/collections/foundation/sync").json()["status"] == "synced"


FAULTS: list[tuple[str, int | None, str]] = [
    ("---\nprofile: {name: a, version: 1, schema_version: 2}\n", 2, "must end the section"),
    (profile("a", more="tools:\n- source: x\n"), 4, "/tools/0"),
    (profile("a", more="extends: b\n"), 3, "The section 'extends' is unknown."),
    (profile("other/a"), 2, "write it without that of a collection"),
    (profile("copy"), 2, "The name copy is reserved."),
    (profile("a", more="agents:\n  x: ../x.md\n"), 4, "agents/x: '../x.md' leads out of the collection."),
    (profile("a", more="agents:\n  x: /etc/passwd\n"), 4, "leads out of the collection."),
    (profile("a", more="agents:\n  x: out/secret.md\n"), 4, "leads out of the collection."),
    (profile("a", more="context:\n  x: nowhere\n"), 4, "'nowhere' does not exist in the collection."),
    (profile("a", more="tools:\n- module: x\n  source: file:///etc\n"), 5, "leads out of the collection."),
    (
        profile("a", more="session:\n  orchestrator: {module: x}\n  context:\n    module: y\n    source: ../y\n"),
        7,
        "session/context_manager/source: '../y' leads out",
    ),
]


@pytest.mark.parametrize(("text", "line", "detail"), FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_broken_file_is_a_problem(client: httpx.Client, folder: Path, text: str, line: int, detail: str) -> None:
    make(folder, {"broken.md": text, "good.md": profile("good")})
    (folder / "out").symlink_to(make(folder.parent / "elsewhere", {"secret.md": "x"}))
    collection = added(client, "foundation", folder)
    assert collection["profiles"] == ["foundation/good"]
    [found] = [problem for problem in problems(collection) if problem[0] == "broken.md"]
    assert found[1] == line
    assert detail in found[2]


def test_links_and_devices_stay_inside(client: httpx.Client, folder: Path) -> None:
    make(folder, {"good.md": profile("good"), "agents/a.md": "", "latin.md": "---\n"})
    (folder / "latin.md").write_bytes(b"---\n\xff\n---\n")
    secret = make(folder.parent / "secrets", {"secret.md": profile("secret")}) / "secret.md"
    (folder / "secret.md").symlink_to(secret)
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "agents/b.md").symlink_to("a.md")
    (folder / "self").symlink_to(folder)
    os.mkfifo(folder / "pipe.md")
    collection = added(client, "foundation", folder)
    assert (collection["profiles"], collection["agents"]) == (["foundation/good"], ["agents/a.md", "agents/b.md"])
    assert sorted((file, detail) for file, _, detail in problems(collection)) == [
        ("latin.md", "It is not UTF-8 at byte 4."),
        ("loop.md", "It is a symbolic link that leads nowhere."),
        ("secret.md", "It is a symbolic link that leads out of the collection."),
        ("self", "It is a symbolic link to a folder, which is not followed."),
    ]


@pytest.mark.parametrize("is_repository", [False, True], ids=["folder", "repository"])
def test_huge_files_are_problems(client: httpx.Client, folder: Path, *, is_repository: bool) -> None:
    more = "agents: {big: agents/big.md}\n"
    files = {"good.md": profile("good"), "big.md": profile("big", more=more), "long.md": profile("long") + "x" * 2**20}
    make(folder, files | {"agents/big.md": "", "tools/t/module.yaml": f"name: t\n# {'x' * 2**18}\n"})
    os.truncate(folder / "agents/big.md", 64 * 2**20)
    if is_repository:
        commit(folder, {})
    collection = added(client, "foundation", f"git+file://{folder}" if is_repository else folder)
    assert (collection["profiles"], collection["modules"]) == (["foundation/good"], [])
    found = {file: detail for file, _, detail in problems(collection)}
    assert {*found} == {"big.md", "long.md", "tools/t/module.yaml"}
    assert all("which is the limit" in detail for detail in found.values()), found


def test_repository_links_stay_inside(client: httpx.Client, folder: Path) -> None:
    secret = make(folder.parent / "secrets", {"secret.md": profile("secret"), "module.yaml": "name: secret\n"})
    make(folder, {"good.md": profile("good"), "out.md": profile("out", more="agents: {x: agents/x.md}\n")})
    for link in ("secret.md", "agents/x.md", "tools/t/module.yaml"):
        (folder / link).parent.mkdir(parents=True, exist_ok=True)
        (folder / link).symlink_to(secret / Path(link).name.replace("x.md", "secret.md"))
    (folder / "context").symlink_to(secret)
    (folder / "git.md").symlink_to(".git/config")
    commit(folder, {})
    collection = added(client, "foundation", f"git+file://{folder}")
    assert [collection[key] for key in ("profiles", "agents", "context", "modules")] == [
        ["foundation/good"],
        [],
        [],
        [],
    ]
    assert {file for file, _, detail in problems(collection) if "leads out" in detail} >= {
        *("secret.md", "agents/x.md", "tools/t/module.yaml", "out.md", "context")
    }


def test_duplicate_profile_name_is_a_problem(client: httpx.Client, folder: Path) -> None:
    make(folder, {"a.md": profile("same"), "b.md": profile("foundation/same")})
    assert problems(added(client, "foundation", folder)) == [("b.md", 2, "a.md has a profile of the same name, same.")]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("/etc", "names one with --collections-path."),
        ("relative", "write the absolute path"),
        ("https://github.com/a/b", "write the absolute path"),
        ("{root}/../../etc", "names one with --collections-path."),
        ("{root}/nowhere", "there is no such folder."),
        ("git+https://github.com/a/b@main", "allows it with --collection-host github.com."),
        ("git+https://127.0.0.1:9@github.com/a/b", "has no user and no password"),
        ("git+https://user:secret@127.0.0.1:9/a/b", "has no user and no password"),
        ("git+https://127.0.0.1:9/a/b@--upload-pack=x", "is not the name of a branch, a tag or a commit."),
        ("git+https://127.0.0.1:9/a/b@a..b", "is not the name of a branch, a tag or a commit."),
        ("git+https://127.0.0.1:9/a/../b", "write git+https://host/owner/name@ref"),
        ("git+https://127.0.0.1:9/a/b#subdirectory=../x", "the subdirectory leads out of the repository."),
        ("git+https://[::1/a/b", "Invalid IPv6 URL"),
        ("git+https://127.0.0.1:9\n/a/b", "it has characters that cannot be printed."),
        ("git+ext::sh -c x", "write git+https://host/owner/name@ref"),
        ("git+ssh://127.0.0.1:9/a/b", "is at git+https://… or git+file://…"),
        ("git+file:///etc", "names one with --collections-path."),
        ("git+https://127.0.0.1:9/a/b", "git says: fatal: unable to access"),
        ("{root}", ""),
    ],
)
def test_forbidden_source_is_422(client: httpx.Client, folder: Path, root: Path, source: str, reason: str) -> None:
    assert folder.exists()
    response = add(client, "foundation", source.format(root=root))
    if not reason:
        assert response.status_code == 201
        return
    assert response.status_code == 422, response.text
    assert reason in response.json()["detail"]
    assert [error["pointer"] for error in response.json()["errors"]] == ["/source"]
    assert client.get("/collections").json() == []


def test_identifiers(client: httpx.Client, folder: Path) -> None:
    for refused in ("", "A", "a//b", "../a", "a/..", "a/b.c", ".a", "a/" * 9 + "a"):
        assert add(client, refused, folder).status_code == 422, refused
    reserved = add(client, "a/sync", folder)
    assert (reserved.status_code, "is reserved" in reserved.json()["detail"]) == (422, True)
    added(client, "a", folder)
    conflict = add(client, "b/a", folder)
    assert (conflict.status_code, "a has the same last segment" in conflict.json()["detail"]) == (409, True)
    assert client.get("/collections/sync").status_code == 405
    for method, path in (("GET", "/b"), ("DELETE", "/b"), ("POST", "/b/sync")):
        missing = client.request(method, f"/collections{path}")
        assert missing.status_code == 404
        assert missing.json()["detail"] == "Collection b not found; add it first (createCollection), or name another"


def test_active_profile_protects_its_collection(client: httpx.Client, folder: Path) -> None:
    make(folder, WHOLE)
    added(client, "foundation", folder)
    client.post("/profiles/foundation/base/activate").raise_for_status()
    refused = client.delete("/collections/foundation")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "Cannot delete active profile: foundation/base. Deactivate it first."


def test_keys_of_requests_have_one_effect(client: httpx.Client, folder: Path, root: Path) -> None:
    paths = {"/collections": {"identifier": "foundation", "source": str(folder)}, "/collections/foundation/sync": None}
    for path, body in paths.items():
        headers = {"Idempotency-Key": f"{folder.name}-{path}"}
        first, again = (client.post(path, json=body, headers=headers) for _ in range(2))
        assert first.is_success
        assert (again.text, again.headers["idempotent-replayed"]) == (first.text, "true")
        assert add(client, "other", root, **headers).status_code == 422


def test_sync_refuses_the_key_of_another(client: httpx.Client, folder: Path, root: Path) -> None:
    headers = {"Idempotency-Key": f"sync-{folder.name}"}
    for identifier, source, status in (("foundation", folder, 200), ("other", root, 422)):
        added(client, identifier, source)
        assert client.post(f"/collections/{identifier}/sync", headers=headers).status_code == status


def test_large_body_is_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    assert client.post("/collections", content=b" " * (8 * 1024 * 1024 + 1), headers=headers).status_code == 413


def test_repository_is_read_at_a_commit(client: httpx.Client, folder: Path, tmp_path: Path) -> None:
    first = commit(folder, {"sub/base.md": profile("base", "1.0.0")})
    git(folder, "tag", "v1")
    second = commit(folder, {"sub/base.md": profile("base", "2.0.0"), "sub/a.md": "x"})
    (folder / "sub" / "out.md").symlink_to("../../../../etc/passwd")
    (folder / "round").symlink_to("round")
    (folder / ".git/hooks").mkdir(exist_ok=True)
    make(folder, {".git/hooks/post-checkout": f"#!/bin/sh\ntouch {tmp_path}/ran\n"})
    (folder / ".git/hooks/post-checkout").chmod(0o755)
    third = commit(folder, {"sub/base.md": profile("base", "3.0.0")})
    for reference, expected, version in (
        ("@v1", first, "1.0.0"),
        ("@main", third, "3.0.0"),
        ("", third, "3.0.0"),
        (f"@{third}", third, "3.0.0"),
    ):
        collection = added(client, "foundation", f"git+file://{folder}{reference}#subdirectory=sub")
        assert (collection["kind"], collection["commit"]) == ("git", expected)
        assert client.get("/profiles/foundation/base").json()["version"] == version
        assert client.delete("/collections/foundation").status_code == 204
    assert second != third
    assert not (tmp_path / "ran").exists()
    for wrong, reason in (
        ("@nowhere", "couldn't find remote ref nowhere"),
        ("#subdirectory=nowhere", "has no subdirectory 'nowhere'"),
        ("#subdirectory=round", "a symbolic link leads to itself"),
    ):
        refused = add(client, "foundation", f"git+file://{folder}{wrong}")
        assert (refused.status_code, reason in refused.json()["detail"]) == (422, True), refused.text


def test_repository_outside_of_the_root_is_not_read(client: httpx.Client, folder: Path, tmp_path: Path) -> None:
    commit(tmp_path / "secret", {"secret.md": profile("secret")})
    secret = tmp_path / "secret/.git"
    for name in ("link", "file", "guessed"):
        (folder / name).mkdir()
    (folder / "link/.git").symlink_to(secret)
    (folder / "file/.git").write_text(f"gitdir: {secret}\n")
    (folder / "guessed.git").symlink_to(secret)
    for name, reason in (
        ("link", "is not below a folder for collections"),
        ("file", "its .git is a file"),
        ("guessed", "is not a git repository"),
        ("guessed.git", "is not below a folder for collections"),
    ):
        refused = add(client, "foundation", f"git+file://{folder}/{name}")
        assert (refused.status_code, reason in refused.json()["detail"]) == (422, True), refused.text


def test_path_of_a_repository_is_not_decoded(client: httpx.Client, folder: Path) -> None:
    commit(folder / "decoded", {"decoded.md": profile("decoded")})
    commit(folder / "%64ecoded", {"encoded.md": profile("encoded")})
    (folder / "link").symlink_to(folder / "%64ecoded")
    assert added(client, "foundation", f"git+file://{folder}/link")["profiles"] == ["foundation/encoded"]


def test_sync_follows_a_branch_and_outlives_its_repository(client: httpx.Client, folder: Path) -> None:
    commit(folder, {"base.md": profile("base")})
    added(client, "foundation", f"git+file://{folder}@main")
    second = commit(folder, {"base.md": profile("base", "2.0.0")})
    assert client.post("/collections/foundation/sync").json()["commit"] == second
    (folder / ".git/HEAD").unlink()
    failed = client.post("/collections/foundation/sync").json()
    assert (failed["status"], failed["commit"], failed["profiles"]) == ("failed", second, ["foundation/base"])
    assert "the folder is not a git repository" in failed["problems"][0]["detail"]


def test_submodules_are_not_fetched(client: httpx.Client, folder: Path) -> None:
    commit(folder / "inner", {"secret.md": profile("secret")})
    outer = folder / "outer"
    commit(outer, {"base.md": profile("base")})
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(folder / "inner"), "agents")
    commit(outer, {"x": ""})
    collection = added(client, "foundation", f"git+file://{outer}@main")
    assert (collection["profiles"], collection["agents"]) == (["foundation/base"], [])
