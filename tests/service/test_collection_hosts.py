"""Collections from a host: fetched by git over HTTPS, and only what the source names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from amplifierd.documents.collections import git
from amplifierd.documents.collections.git import FetchError, fetch
from amplifierd.documents.collections.source import GitSource
from programs.git_host import GitHost, git_host
from samples.collection_folders import commit, profile


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHost]:
    """A host with the repository `a`; git accepts its certificate."""
    (tmp_path / "repositories").mkdir()
    commit(tmp_path / "repositories/a", {"base.md": profile("base")})
    with git_host(tmp_path / "repositories", tmp_path) as serving:
        monkeypatch.setitem(git.OPTIONS, "http.sslCAInfo", str(serving.certificate))
        yield serving


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder to which a repository is fetched."""
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


async def test_commit_is_fetched(host: GitHost, target: Path, tmp_path: Path) -> None:
    files, found = await fetch(GitSource(f"https://{host.address}/a/.git", "main", ""), target, nothing)
    assert (files / "base.md").read_text() == profile("base")
    assert found == (tmp_path / "repositories/a/.git/refs/heads/main").read_text().strip()


@pytest.mark.parametrize(
    ("path", "reference", "reason"),
    [
        ("nowhere", "main", "not found"),
        ("a/.git", "nowhere", "couldn't find remote ref nowhere"),
        ("locked", "main", "could not read Username"),
        ("moved/a/.git", "main", "unable to update url base|returned error: 302|redirect"),
    ],
)
async def test_failed_fetch_is_reported(host: GitHost, target: Path, path: str, reference: str, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        await fetch(GitSource(f"https://{host.address}/{path}", reference, ""), target, nothing)


async def test_host_without_a_valid_certificate_is_refused(
    host: GitHost, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(git.OPTIONS, "http.sslCAInfo")
    with pytest.raises(FetchError, match="certificate"):
        await fetch(GitSource(f"https://{host.address}/a/.git", "main", ""), target, nothing)


async def test_endless_response_of_a_host_is_aborted(
    host: GitHost, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "MAX_SECONDS", 2)
    with pytest.raises(FetchError, match=r"which is the limit|git says"):
        await fetch(GitSource(f"https://{host.address}/endless", "main", ""), target, nothing)
