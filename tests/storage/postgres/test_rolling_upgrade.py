"""During a rolling upgrade, this program shares a database with the one before the last change of a function."""

import io
import os
import re
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import InstalledModules, Module
from amplifierd.storage.model.profile_records import ModuleConfig, NewProfile
from amplifierd.storage.model.records import NewSession
from amplifierd.storage.postgres.pool import connect
from daemon import Daemon

ROOT = Path(__file__).parents[3]
FUNCTIONS = "storage/postgres/functions.sql"
REQUESTS = 20
W = "default"


def git(*arguments: str) -> bytes:
    """The output of git for this repository."""
    # The checkout may belong to another user (git-config(1), safe.directory).
    command = ["git", "-c", "safe.directory=*", *arguments]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert outcome.returncode == 0, f"git {' '.join(arguments)} failed: {outcome.stderr.decode()}"
    return outcome.stdout


@pytest.fixture
def changed() -> str:
    """The last commit that changed the functions."""
    assert git("rev-parse", "--is-shallow-repository").strip() == b"false", (
        "This clone has no history, which this test needs: run `git fetch --unshallow`."
    )
    return git("log", "-1", "--format=%H", "--", FUNCTIONS).decode().strip()


@pytest.fixture
def earlier(changed: str, tmp_path: Path) -> Path:
    """The folder of the program as it was before the last change of its functions."""
    return program_at(f"{changed}^", tmp_path / "earlier")


def program_at(commit: str, folder: Path) -> Path:
    """Put the program of a commit into a folder."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", commit))) as files:
        files.extractall(folder, filter="data")
    return folder


def functions_of(program: Path) -> dict[str, str]:
    """The functions that a program creates, without comments and line breaks."""
    if not (program / FUNCTIONS).is_file():
        return {}
    code = "from amplifierd.storage.postgres.functions import functions; print(functions())"
    environment = os.environ | {"PYTHONPATH": str(program / "src")}
    script = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    ).stdout.decode()
    statements = re.sub(r"--.*", "", script).split("CREATE OR REPLACE FUNCTION ")[1:]
    return {statement.partition("(")[0]: " ".join(statement.split()) for statement in statements}


def send(client: httpx.Client, session: str, text: str) -> httpx.Response:
    """Append a message with its own idempotency key, the same at each retry."""
    url = f"/sessions/{session}/messages"
    return client.post(url, json={"content": text}, headers={"Idempotency-Key": text})


def write(client: httpx.Client, session: str, name: str) -> list[str]:
    """Append messages, each with a retry, and create sessions that inherit their profile. Returns these profiles."""
    profiles = []
    for number in range(REQUESTS):
        for _ in range(2):
            assert send(client, session, f"{name}-{number}").status_code == 201
        created = client.post("/sessions", json={"amplified_dir": "a/b"})
        profiles.append(str(created.json()["profile"]))
    return profiles


def test_previous_and_current_program_share_a_database(second_postgres: str, earlier: Path) -> None:
    with (
        Daemon(second_postgres, within=["env", f"PYTHONPATH={earlier / 'src'}"]) as old,
        old.client() as first,
    ):
        first.post("/profiles", json={"name": "mine"})
        for body in ({"relative_path": "a", "default_profile": "mine"}, {"relative_path": "a/b"}):
            made = first.post("/amplified-directories", json={**body, "create_marker": False})
            assert made.status_code == 201, made.text
        session = str(first.post("/sessions", json={}).json()["id"])
        # This program upgrades the database that the older one serves.
        with Daemon(second_postgres) as new, new.client() as second, ThreadPoolExecutor() as threads:
            clients = {"old": first, "new": second}
            writes = [threads.submit(write, client, session, name) for name, client in clients.items()]
            assert {profile for done in writes for profile in done.result()} == {"mine"}
            read = [client.get(f"/sessions/{session}/messages").json()["messages"] for client in (first, second)]
            assert read[0] == read[1]
            assert [message["sequence"] for message in read[0]] == list(range(1, 2 * REQUESTS + 1))
            for name in clients:
                sent = [send(client, session, f"{name}-0") for client in clients.values()]
                assert [again.headers.get("idempotent-replayed") for again in sent] == ["true", "true"]
                assert sent[0].json() == sent[1].json()
            assert first.get("/amplified-directories/a/b").json() == second.get("/amplified-directories/a/b").json()
            assert second.get("/amplified-directories/a/b").json()["sessionCount"] == 2 * REQUESTS


# As programs without installed modules update a profile after its modules have changed.
OLDER_REFRESH = """
INSERT INTO profile_content (workspace, hash, content)
VALUES ('default', 'older', '{"name":"mine","tools":[{"module":"bash"}]}');
UPDATE profile
SET hash = 'older',
    stale = 0
WHERE name = 'mine';
"""


async def modules_of_new_sessions(storage: Storage) -> list[list[str]]:
    """The modules of two sessions that are created with the profile: in a transaction, and by the function."""
    sessions = [await storage.create_session(W, NewSession(profile="mine")) for _ in range(2)]
    return [[*(await storage.session_plan(W, each.id)).mounted.modules] for each in sessions]


async def test_session_has_installed_modules_despite_an_older_program(
    second_postgres: str,
) -> None:
    bash = Module(id="installed/tool/bash", type="tool", name="bash", version="1.0.0", location="file:///bash")
    async with open_storage(second_postgres, installed=InstalledModules(lambda: {bash.id: bash})) as storage:
        await storage.create_profile(W, NewProfile("mine", tools=[ModuleConfig("bash")]))
        assert await modules_of_new_sessions(storage) == [["tool/bash"]] * 2
        connection = await connect(second_postgres)
        await connection.execute(OLDER_REFRESH)
        await connection.close()
        assert await modules_of_new_sessions(storage) == [["tool/bash"]] * 2


def test_function_that_changes_gets_a_new_name(changed: str, earlier: Path, tmp_path: Path) -> None:
    now = functions_of(ROOT)
    assert len(now) > 1
    # A change of SQL that a statement shares with a function changes the function without a change of functions.sql.
    for program in (earlier, program_at(changed, tmp_path / "changed")):
        before = functions_of(program)
        altered = [name for name in before.keys() & now.keys() if before[name] != now[name]]
        assert not altered, "An older program on the same database calls these: give them another version."
