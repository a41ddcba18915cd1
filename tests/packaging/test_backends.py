"""Backends are found by the scheme of a URL, as docs/storage.md shows, and pass the tests that it names."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.database_errors import BackendMissing, DatabaseUrlInvalid
from programs.packages import install_from_page

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()

CONVERSATION = """
import asyncio
from amplifierd.storage import open_maintenance, open_storage, path_of
from amplifierd.storage.model.records import NewMessage, NewSession

async def converse():
    async with open_storage("folder://a") as storage:
        session = await storage.create_session("default", NewSession())
        await storage.append_message("default", session.id, NewMessage("Hello!"))
    contents = await open_maintenance("folder://a").contents()
    assert (contents.sessions, contents.messages) == (1, 1), contents
    assert path_of("folder://a").exists()

asyncio.run(converse())
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_backend_of_the_page_is_found_and_used(tmp_path: Path) -> None:
    install_from_page(PAGE, "amplifierd.storage", tmp_path)
    outcome = run(CONVERSATION, tmp_path)
    assert outcome.returncode == 0, outcome.stderr


def suite(folder: Path, *arguments: str) -> str:
    """Run the storage tests in `folder`. Returns their report."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", *arguments]
    outcome = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


def test_backend_of_the_page_passes_the_suite(tmp_path: Path) -> None:
    install_from_page(PAGE, "amplifierd.storage", tmp_path)
    [command] = re.findall(r"^pytest --pyargs (.*)$", PAGE, re.MULTILINE)
    package, *options = shlex.split(command)
    # Only a part of the suite: this backend is SQLite, which passes the whole suite in tests/storage/.
    assert " passed" in suite(tmp_path, f"{package}.workspaces", *options)


def test_memory_passes_the_suite(tmp_path: Path) -> None:
    assert "skipped" not in suite(tmp_path, "amplifierd.testing.storage", "--storage", "memory://{name}")


def test_suite_empties_a_database_that_all_its_tests_use(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    for _ in range(2):
        assert "skipped" in suite(tmp_path, "amplifierd.testing.storage.workspaces", "--storage", url)


def test_suite_refuses_a_database_in_use(tmp_path: Path) -> None:
    install_from_page(PAGE, "amplifierd.storage", tmp_path)
    run(CONVERSATION, tmp_path)
    with pytest.raises(AssertionError, match=r"is not empty: it has the workspaces \['default'\]"):
        suite(tmp_path, "amplifierd.testing.storage.workspaces", "-x", "--storage", "folder://a")


def test_suite_needs_a_database(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Name the database to test: --storage URL"):
        suite(tmp_path, "amplifierd.testing.storage")


@pytest.mark.parametrize("url", ["nosuch://a", "nosuch:", ""])
def test_unknown_scheme_error_lists_installed_ones(url: str) -> None:
    with pytest.raises(
        BackendMissing, match=r"not understood; write .* are for .*memory, postgres, postgresql, sqlite\.$"
    ):
        open_storage(url)


def test_password_of_an_invalid_url_is_not_shown() -> None:
    with pytest.raises(BackendMissing) as refused:
        open_storage("nosuch://user:secret@host/a")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "postgresql://", "postgres://"])
def test_url_without_a_place_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match="is not understood; write "):
        open_storage(url)


def test_backend_does_not_import_the_driver_of_another(tmp_path: Path) -> None:
    program = "import sys; from amplifierd.storage import open_storage; open_storage({!r}); print({!r} in sys.modules)"
    assert run(program.format("sqlite:///a.db", "asyncpg"), tmp_path).stdout == "False\n"
