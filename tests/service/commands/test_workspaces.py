"""`amplifierd workspaces`, with a running daemon."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from amplifierd.commands import cli
from daemon import Daemon
from faults.remains import canary, wait_until_gone
from keys import create_key


def run(*arguments: object, stdin: str = "") -> Result:
    """Run a command with an input for its questions."""
    return CliRunner().invoke(cli, ["workspaces", *map(str, arguments)], input=stdin)


@pytest.mark.parametrize("is_last", [False, True])
def test_deleted_workspace_is_gone(database: str, tmp_path: Path, is_last: bool) -> None:
    word, folder = canary(), tmp_path / "database"
    if database.startswith("sqlite"):
        folder.mkdir()
        database = f"sqlite:///{folder / 'a.db'}"
    with Daemon(database) as daemon, daemon.client() as client:
        key = create_key(database, "--workspace", "gone")
        other_key = None if is_last else create_key(database, "--workspace", "kept")
        headers = {"Authorization": f"Bearer {key}"}
        session = client.post("/sessions", json={"name": word}, headers=headers | {"Idempotency-Key": "k"}).json()
        client.post(f"/sessions/{session['id']}/messages", json={"content": word}, headers=headers)
        assert client.get("/search", params={"q": word}, headers=headers).json()
        client.post("/profiles", json={"name": "secret", "description": word}, headers=headers)
        client.post(
            "/amplified-directories", json={"relative_path": "x", "metadata": {"a": word}}, headers=headers
        ).raise_for_status()
        assert "gone" in run("list", "--database", database).stdout

        where = ["--database", database, "--data-path", daemon.data_path]
        refused = run("delete", *where, "gone", stdin="n\n")
        assert refused.exit_code == 1
        assert "1 message, 1 profile, 1 directory, 1 key, 0 files and 1 recorded" in refused.stdout
        assert client.get("/sessions", headers=headers).status_code == 200
        deleted = run("delete", *where, "gone", stdin="y\n")
        assert deleted.exit_code == 0, deleted.output
        assert ("Its keys stay, revoked" in deleted.stdout) == is_last

        wait_until_gone(daemon.data_path, word)
        wait_until_gone(database, word)
        # A key is cached for half a second.
        while client.get("/sessions", headers=headers).status_code == 200:
            continue
        assert client.get("/sessions", headers=headers).status_code == 401
        assert client.get("/sessions").status_code == 401
        if other_key is not None:
            assert client.get("/sessions", headers={"Authorization": f"Bearer {other_key}"}).json() == []
            assert "gone" not in run("list", "--database", database).stdout
            again = run("delete", *where, "--yes", "gone")
            assert "There is no workspace 'gone'" in again.stderr
