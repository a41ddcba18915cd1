"""The databases that the benchmarks fill with SQL equal those that the storage would write."""

from pathlib import Path

from bench.fill import fill
from click.testing import CliRunner

from amplifierd.commands import cli
from daemon import Daemon

CONTENT = "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the "


def test_filled_database_is_sound_and_served(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    ids = fill(path, [3, 0, 200])
    url = f"sqlite:///{path}"
    checked = CliRunner().invoke(cli, ["check", "--database", url])
    assert "Nothing is wrong in 3 sessions with 203 messages." in checked.output
    with Daemon(url) as daemon, daemon.client() as client:
        page = client.get(f"/sessions/{ids[2]}/messages", params={"limit": 200}).json()["messages"]
        assert [(message["sequence"], message["content"]) for message in page] == [
            (sequence, CONTENT) for sequence in range(1, 201)
        ]
        assert client.post(f"/sessions/{ids[1]}/messages", json={"content": "x"}).json()["sequence"] == 1
        found = client.get("/search", params={"q": "fox", "session_id": ids[0]}).json()
        assert {hit["sequence"] for hit in found} == {1, 2, 3}
