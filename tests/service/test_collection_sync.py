"""Collections: concurrent requests, limits, crashes, the command line and copies."""

import asyncio
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from amplifierd.documents.collections import git
from amplifierd.documents.collections.folder import FolderError, scan
from amplifierd.documents.collections.git import FetchError, fetch
from amplifierd.documents.collections.source import GitSource
from amplifierd.testing.storage.steps import until
from daemon import Daemon
from fork_server import run_amplifierd
from samples.collection_folders import commit, make, profile
from samples.collection_folders import git as git_in

FILES = 10_000
# The limit for `/health` during a sync, in seconds: that of the table of worst requests.
HEALTH_WORST = 2.5
KILLS = 3
PROFILES = 100


def body(folder: Path) -> dict[str, str]:
    return {"identifier": "foundation", "source": str(folder)}


def version_of(folder: Path, version: str) -> None:
    make(folder, {f"p{number}.md": profile(f"p{number}", version) for number in range(PROFILES)})


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def silent_host() -> Iterator[str]:
    """A host that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_sync_of_many_files_does_not_block_others(tmp_path: Path) -> None:
    folder = make(tmp_path / "c", {f"context/{number % 100}/{number}.md": "x" for number in range(FILES)})
    version_of(folder, "1.0.0")
    with (
        Daemon(f"sqlite:///{tmp_path}/a.db", "--collections-path", str(tmp_path)) as daemon,
        daemon.client() as client,
        daemon.client() as second_client,
    ):
        ended = threading.Event()
        responses = []

        def sync() -> None:
            responses.append(second_client.post("/collections", json=body(folder)))
            responses.append(second_client.post("/collections/foundation/sync"))
            ended.set()

        thread = threading.Thread(target=sync)
        thread.start()
        waits: list[float] = []
        while not ended.is_set() or not waits:
            started = time.perf_counter()
            assert client.get("/health").status_code == 200
            waits.append(time.perf_counter() - started)
        thread.join()
        assert [response.status_code for response in responses] == [201, 200]
        assert len(responses[1].json()["context"]) == FILES
        assert len(responses[1].json()["profiles"]) == PROFILES
    assert max(waits) < HEALTH_WORST * max(1, min(waits) / 0.005), f"{len(waits)} requests, {max(waits):.3f} s"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_repository", [False, True], ids=["folder", "repository"])
def test_killed_daemon_leaves_a_complete_collection(database: str, tmp_path: Path, *, is_repository: bool) -> None:
    folder = tmp_path / "c"
    options = ["--collections-path", str(tmp_path)]
    version_of(folder, "0")
    commit(folder, {"README": ""})
    source = f"git+file://{folder}@main" if is_repository else str(folder)
    with Daemon(database, *options) as daemon, daemon.client() as client:
        client.post("/collections", json={"identifier": "foundation", "source": source}).raise_for_status()
    for kill in range(1, KILLS + 1):
        version_of(folder, str(kill))
        commit(folder, {"README": str(kill)})
        daemon = Daemon(database, *options)
        threading.Timer(0.05 * kill, daemon.kill).start()
        subprocess.run(
            ["curl", "-s", "-X", "POST", f"{daemon.api}/collections/foundation/sync"], check=False, capture_output=True
        )
        daemon.process.wait(60)
        with Daemon(database, *options) as again, again.client() as client:
            versions = {each["version"] for each in client.get("/profiles").json() if each["name"] != "default"}
            assert len(versions) == 1
            assert len(client.get("/collections/foundation").json()["profiles"]) == PROFILES


async def test_fetch_has_a_time_limit(tmp_path: Path, silent_host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "MAX_SECONDS", 0.5)
    with pytest.raises(FetchError, match=r"more than 0\.5 seconds"):
        await fetch(GitSource(f"https://{silent_host}/a", "HEAD", ""), tmp_path, nothing)


async def test_fetch_of_a_repository_that_never_ends_has_a_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    commit(repository, {"a.md": profile("a")})
    # Reading the named pipe waits for a writer.
    os.mkfifo(repository / ".git/packed-refs")
    target = tmp_path / "target"
    target.mkdir()
    monkeypatch.setattr(git, "MAX_SECONDS", 0.5)
    with pytest.raises(FetchError, match=r"more than 0\.5 seconds"):
        await fetch(GitSource(f"file://{repository}/.git", "HEAD", ""), target, nothing)
    await until_no_process_names(str(repository))


async def test_cancelled_fetch_ends_its_processes(tmp_path: Path, silent_host: str) -> None:
    begun = asyncio.Event()
    fetching = asyncio.create_task(fetch(GitSource(f"https://{silent_host}/a", "HEAD", ""), tmp_path, begun.set))
    await asyncio.wait_for(begun.wait(), 60)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await until_no_process_names(silent_host)


async def until_no_process_names(name: str) -> None:
    """Wait until no command line contains this name, because killed processes end only soon."""

    async def have_ended() -> bool:
        return not any(name.encode() in command for command in commands())

    await until(have_ended)


def commands() -> Iterator[bytes]:
    """The command lines of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # The process may have ended meanwhile.
        with suppress(OSError):
            yield path.read_bytes()


async def test_fetch_has_a_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(tmp_path / "repository", {"large": "x" * 2_000_000})
    monkeypatch.setattr(git, "MAX_BYTES", 1_000_000)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(FetchError, match="more than 1000000 bytes"):
        await fetch(GitSource(f"file://{tmp_path}/repository/.git", "HEAD", ""), target, nothing)


async def test_fetch_limits_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(tmp_path / "repository", {"large": "x" * 64_000_000})
    monkeypatch.setattr(git, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(git, "_size", lambda _: 0)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(FetchError, match="more than 1000000 bytes"):
        await fetch(GitSource(f"file://{tmp_path}/repository/.git", "HEAD", ""), target, nothing)
    assert max(path.stat().st_size for path in target.rglob("*") if path.is_file()) <= 1_001_024


async def test_fetch_counts_empty_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(tmp_path / "repository", {f"{number}": "" for number in range(1_000)})
    monkeypatch.setattr(git, "MAX_BYTES", 1_000_000)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(FetchError, match="more than 1000000 bytes"):
        await fetch(GitSource(f"file://{tmp_path}/repository/.git", "HEAD", ""), target, nothing)


async def test_fetch_limits_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    commit(repository, {"x": ""})
    tree = nest(repository, levels=9)
    git_in(repository, "update-ref", "HEAD", git_in(repository, "commit-tree", "-m", "x", tree))
    monkeypatch.setattr(git, "_MAX_MEMORY_KIB", 64 * 1024)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(FetchError, match=r"Out of memory|mmap failed"):
        await fetch(GitSource(f"file://{repository}/.git", "HEAD", ""), target, nothing)


def nest(repository: Path, levels: int) -> str:
    """A tree with ten entries of the tree below it, and so on."""
    tree = git_in(repository, "rev-parse", "HEAD^{tree}")
    for _ in range(levels):
        entries = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        tree = git_in(repository, "mktree", entries=entries)
    return tree


@pytest.mark.parametrize(
    ("name", "limit", "reason"),
    [("MAX_ENTRIES", 2, "more than 2 files"), ("MAX_DEPTH", 1, "deeper than 1"), ("MAX_PATH_CHARACTERS", 9, "than 9")],
)
def test_folder_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, reason: str) -> None:
    make(tmp_path, {"a/b/c.md": "", "a/b/d.md": "", "a/e.md": ""})
    monkeypatch.setattr(f"amplifierd.documents.collections.folder.{name}", limit)
    with pytest.raises(FolderError, match=reason):
        scan(tmp_path)


def test_commands_add_list_sync_and_remove(database: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "c", {"a.md": profile("a")})
    of_database = ["--database", database]
    allowed = [*of_database, "--collections-path", str(tmp_path)]
    refused = run_amplifierd("collections", "add", *of_database, "foundation", str(folder))
    assert (refused.returncode, "names one with --collections-path" in refused.stderr) == (1, True)
    invalid = run_amplifierd("collections", "add", *allowed, "Foundation", str(folder))
    assert (invalid.returncode, "/identifier" in invalid.stderr) == (1, True)
    added = run_amplifierd("collections", "add", *allowed, "foundation", str(folder))
    assert added.stdout == "foundation: synced; profiles: 1, agents: 0, context: 0, modules: 0\n"
    make(folder, {"b.md": "---\n"})
    synced = run_amplifierd("collections", "sync", *allowed, "foundation")
    assert (synced.returncode, "  b.md:1: A line --- must end" in synced.stdout) == (0, True)
    listed = run_amplifierd("collections", "list", *of_database).stdout
    assert re.fullmatch(rf"foundation  synced  \S+Z  {folder}\n", listed)
    failed = run_amplifierd("collections", "sync", *of_database)
    assert (failed.returncode, "foundation: failed" in failed.stdout) == (1, True)
    missing = run_amplifierd("collections", "remove", *of_database, "nobody")
    assert (missing.returncode, missing.stderr) == (1, "Error: Collection nobody not found\n")
    removed = run_amplifierd("collections", "remove", *of_database, "foundation")
    assert removed.stdout == "Collection foundation was removed.\n"


def test_copy_keeps_plans(database: str, second_postgres: str, tmp_path: Path) -> None:
    files = {
        "a.md": profile("a", more="tools: [{module: bash}]\nagents: {zen: agents/zen.md}\n"),
        "agents/zen.md": "Be calm.",
        "tools/bash/module.yaml": "name: tool-bash\n",
    }
    folder = make(tmp_path / "c", files)
    with Daemon(database, "--collections-path", str(tmp_path)) as daemon, daemon.client() as client:
        client.post("/collections", json=body(folder)).raise_for_status()
        for scope in ("user", "project"):
            source = {"source": f"git+https://example.com/{scope}", "scope": scope}
            client.post("/modules/foundation/tool/bash/sources", json=source).raise_for_status()
        client.post("/profiles/foundation/a/copy", json={"new_name": "mine"}).raise_for_status()
        ids = [client.post("/sessions", json={"profile": name}).json()["id"] for name in ("foundation/a", "mine")]
        before = plans(client, ids)
        assert [[mount["resolved"] for mount in plan["mountPoints"]] for plan in before] == [[True, True]] * 4
        module = client.get("/modules/foundation/tool/bash").json()
        export = client.get("/export").content
    added = run_amplifierd(
        *("collections", "add", "--database", database, "--workspace", "without-sessions"),
        *("--collections-path", str(tmp_path), "foundation", str(folder)),
    )
    assert added.returncode == 0, added.stderr
    copied = run_amplifierd("copy", "--from", database, "--to", second_postgres)
    assert copied.returncode == 0, copied.stderr
    listed = run_amplifierd("collections", "list", "--database", second_postgres, "--workspace", "without-sessions")
    assert listed.stdout.startswith("foundation  synced")
    with Daemon(second_postgres) as daemon, daemon.client() as client:
        assert plans(client, ids) == before
        assert client.get("/modules/foundation/tool/bash").json() == module
    with Daemon("memory://") as daemon, daemon.client() as client:
        headers = {"Content-Type": "application/x-ndjson"}
        assert client.post("/import", content=export, headers=headers).json()["sessions"] == 2
        assert [client.get(f"/sessions/{session_id}/mount-plan").json() for session_id in ids] == before[:2]
    file, imported = tmp_path / "export.ndjson", f"sqlite:///{tmp_path}/imported.db"
    run_amplifierd("export", "--database", database, str(file)).check_returncode()
    run_amplifierd("import", "--create", "--database", imported, str(file)).check_returncode()
    with Daemon(imported) as daemon, daemon.client() as client:
        assert [client.get(f"/sessions/{session_id}/mount-plan").json() for session_id in ids] == before[:2]


def plans(client: httpx.Client, ids: list[str]) -> list[Any]:
    """The plans of sessions, and those of the profiles of a collection and of its copy."""
    generated = [
        client.post("/mount-plans/generate", json={"profile_id": name}).json() for name in ("foundation/a", "mine")
    ]
    return [*(client.get(f"/sessions/{session_id}/mount-plan").json() for session_id in ids), *generated]


def test_copy_includes_collections(database: str, second_postgres: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "c", {"a.md": profile("a"), "b.md": "---\n"})
    options = ["--collections-path", str(tmp_path)]
    with Daemon(database, *options) as daemon, daemon.client() as client:
        before = client.post("/collections", json=body(folder)).json()
        client.post("/profiles/foundation/a/activate").raise_for_status()
        client.post("/sessions", json={"profile": "foundation/a"}).raise_for_status()
    for _ in range(2):
        copied = run_amplifierd("copy", "--from", database, "--to", second_postgres)
        assert copied.returncode == 0, copied.stderr
    with Daemon(second_postgres, *options) as daemon, daemon.client() as client:
        after = client.get("/collections/foundation").json()
        times = {"createdAt", "syncedAt"}
        assert {k: v for k, v in after.items() if k not in times} == {k: v for k, v in before.items() if k not in times}
        assert client.get("/profiles/active").json()["source"] == "foundation"
        assert client.post("/collections/foundation/sync").json()["status"] == "synced"
