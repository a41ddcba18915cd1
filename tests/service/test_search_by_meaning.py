"""Search by meaning with a running daemon: with a model in the process, with a service, and without an embedder."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from amplifierd.storage.model.database_errors import EmbedderRefused, EmbedderUnavailable
from amplifierd.storage.search.embedders.entry_point import EmbedderOptions
from amplifierd.storage.search.embedders.openai import OpenAIEmbedder
from amplifierd.storage.search.vectors import embed_texts
from daemon import Daemon
from faults.failed_commands import assert_fails, run
from faults.remains import places_with, rows_of
from programs.embedding_service import MODEL, EmbeddingService, embedding_service
from waits import until

SECONDS = 60
# Shorter than any time limit of the service.
STOPS_IN = 15
SAID = [
    "The server ran out of memory at night.",
    "We bake bread with flour and butter.",
    "The train to Lisbon was late.",
]
# Modules that only an embedder needs.
UNUSED = {"numpy", "safetensors", "sqlite_vec", "tokenizers", "wordllama"}


def create_session(client: httpx.Client, *texts: str) -> str:
    """Create a session with messages. Returns its path."""
    path = f"/sessions/{client.post('/sessions').json()['id']}"
    messages = [{"content": text} for text in texts]
    client.post(f"{path}/messages/batch", json={"messages": messages}).raise_for_status()
    return path


def waiting(client: httpx.Client) -> int:
    """How many messages wait for a vector."""
    count: int = client.get("/status").raise_for_status().json()["searchIndex"]["waitingVectors"]
    return count


def wait_for_vectors(database: str, count: int) -> None:
    """Wait until this number of messages have a vector."""
    until(lambda: rows_of(database, "embedding") == count)


def search(client: httpx.Client, words: str) -> list[int]:
    """The sequences of the hits by words and by meaning."""
    hits = client.get("/search", params={"q": words, "mode": "hybrid"}).raise_for_status().json()
    return [hit["sequence"] for hit in hits]


def vectors(database: str) -> list[str]:
    """The names of the tables with vectors, each with its number of rows."""
    return [f"{table} {count}" for table in ("embedding", "embedding_session") if (count := rows_of(database, table))]


@pytest.fixture
def service() -> Iterator[EmbeddingService]:
    """A service with embeddings."""
    with embedding_service() as running:
        yield running


def with_service(database: str, service: EmbeddingService, *options: str) -> Daemon:
    """A daemon that uses the service."""
    own = ("--embedder", "openai", "--embedder-url", service.url, "--embedder-model", MODEL)
    return Daemon(database, *own, *options)


def test_local_model_finds_messages_by_meaning(database: str) -> None:
    with Daemon(database, "--embedder", "wordllama") as daemon, daemon.client() as client:
        create_session(client, *SAID)
        wait_for_vectors(database, 3)
        assert search(client, "recipe")[0] == 2
        assert search(client, "railway delay")[0] == 3
        assert client.get("/search", params={"q": "recipe"}).json() == []


def test_hybrid_search_without_embedder_is_refused(client: httpx.Client) -> None:
    response = client.get("/search", params={"q": "a", "mode": "hybrid"})
    assert response.status_code == 400
    assert response.json()["type"] == "urn:amplifierd:problem:embedder-missing"
    assert "--embedder" in response.json()["detail"]
    assert "waitingVectors" not in client.get("/status").json()["searchIndex"]


def test_embedder_is_not_imported_by_default(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "amplifierd", "serve", "--port", "0", "--max-age", "3"]
    places = ["--database", f"sqlite:///{tmp_path / 'a.db'}", "--data-path", str(tmp_path / "data")]
    ended = subprocess.run([*command, *places], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert "listens on" in ended.stderr
    imported = set(re.findall(r"import time:.*\| +(\S+)$", ended.stderr, re.MULTILINE))
    assert "apsw" in imported
    assert not {name for name in imported if name in UNUSED or "embedders" in name}


def test_killed_daemon_continues_with_the_vectors(database: str, service: EmbeddingService) -> None:
    with with_service(database, service) as daemon, daemon.client() as client:
        service.held = "last"
        create_session(client, *["xx", "yy"] * 299, "xx", "last")
        until(lambda: rows_of(database, "embedding") > 0)
        daemon.kill()
    service.held = "\0"
    assert rows_of(database, "embedding") < 600
    before = sum(map(len, service.batches))
    with with_service(database, service):
        wait_for_vectors(database, 600)
        assert rows_of(database, "embedding") == 600
        # The vectors of the last step may have been requested twice.
        assert sum(map(len, service.batches)) <= 600 + 32
        assert before <= 600


def test_deletion_removes_vectors(database: str, service: EmbeddingService) -> None:
    with with_service(database, service) as daemon, daemon.client() as client:
        path, others = create_session(client, "xxx", "yyy"), create_session(client, "zzz")
        wait_for_vectors(database, 3)
        assert vectors(database) == ["embedding 3", "embedding_session 2"]
        client.delete(f"{path}/messages/1").raise_for_status()
        assert vectors(database)[0] == "embedding 2"
        # The vectors of a session that changed later are written later.
        later = create_session(client, "www")
        wait_for_vectors(database, 3)
        client.delete(later).raise_for_status()
        until(lambda: vectors(database) == ["embedding 2", "embedding_session 2"])
        client.delete(path).raise_for_status()
        until(lambda: vectors(database) == ["embedding 1", "embedding_session 1"])
        client.delete(others).raise_for_status()
        until(lambda: not vectors(database))


def test_key_is_sent_only_to_the_service(tmp_path: Path, database: str, service: EmbeddingService) -> None:
    key = tmp_path / "key"
    key.write_text("secret-of-the-service\n")
    with with_service(database, service, "--embedder-key-file", str(key)) as daemon, daemon.client() as client:
        create_session(client, "xxx")
        wait_for_vectors(database, 1)
        assert (service.keys, service.paths) == ({"Bearer secret-of-the-service"}, {"/v1/embeddings"})
        service.status = 307
        assert client.get("/search", params={"q": "x", "mode": "hybrid"}).status_code == 503
        # A redirect is not followed.
        assert service.paths == {"/v1/embeddings"}
        command_line = Path(f"/proc/{daemon.process.pid}/cmdline")
        assert not command_line.exists() or b"secret-of" not in command_line.read_bytes()
        assert "secret-of" not in daemon.log
        assert places_with(database, "secret-of-the-service") in ([], ["key"])


def test_failing_service_stops_neither_writes_nor_word_search(database: str, service: EmbeddingService) -> None:
    service.status = 500
    with with_service(database, service) as daemon, daemon.client() as client:
        create_session(client, "needle")
        assert [hit["sequence"] for hit in client.get("/search", params={"q": "needle"}).json()] == [1]
        refused = client.get("/search", params={"q": "needle", "mode": "hybrid"})
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:amplifierd:problem:embedder-unavailable"
        assert "answered 500" in refused.json()["detail"]
        assert waiting(client) == 1
        daemon.wait_for_log("Vectors of messages can't be written now; will retry")
        service.status = 200
        wait_for_vectors(database, 1)
        assert search(client, "neddle") == [1]


def test_text_refused_by_the_service_is_skipped(database: str, service: EmbeddingService) -> None:
    service.refused = "forbidden"
    with with_service(database, service) as daemon, daemon.client() as client:
        create_session(client, "xxx", "forbidden yyy", "zzz")
        wait_for_vectors(database, 2)
        assert sorted(search(client, "xyz")) == [1, 3]
        daemon.wait_for_log("The embedder refuses the text of a message")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--embedder", "other"], "There is no embedder 'other'; those that are installed are openai, wordllama."),
        (["--embedder", "openai"], "Invalid URL None of the embedder; write that of the service"),
        (["--embedder", "openai", "--embedder-url", "http://a"], "needs the name of a model"),
        *(
            (["--embedder", "openai", "--embedder-model", "m", "--embedder-url", url], sentence)
            for url, sentence in [
                ("https://[bad/v1", "Invalid URL 'https://[bad/v1' of the embedder; write that of the service"),
                ("https://a:99999/v1", "Invalid URL 'https://a:99999/v1' of the embedder"),
                ("https://a b/v1", "Invalid URL 'https://a b/v1' of the embedder"),
                ("ftp://a/v1", "Invalid URL 'ftp://a/v1' of the embedder"),
                ("https:///v1", "Invalid URL 'https:///v1' of the embedder"),
                ("https://a/v1?b=c", "write it without a query and a fragment"),
                ("https://a/v1#b", "write it without a query and a fragment"),
                ("https://user:s3cret@a/v1", "has a user name or a password"),
                ("https://user:s3/cret@a/v1", "has a user name or a password"),
            ]
        ),
        (["--embedder", "wordllama", "--embedder-url", "http://a"], "takes no URL and no model"),
        (
            ["--embedder", "wordllama", "--embedder-key-file", "/nowhere/key"],
            "The key of the embedder can't be read from /nowhere/key",
        ),
    ],
)
def test_invalid_embedder_prevents_the_start(tmp_path: Path, options: list[str], sentence: str) -> None:
    places = ["--database", f"sqlite:///{tmp_path / 'a.db'}", "--data-path", str(tmp_path / "data")]
    ended = assert_fails(*places, *options, words=re.escape(sentence))
    assert ended.returncode == 1
    assert "s3cret" not in ended.stderr


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("def loadable_path() -> str:\n    return '/nowhere/vec0'\n", "needs, can't be loaded: "),
        ("raise ImportError\n", "needs the package sqlite-vec; install it: pip install 'amplifierd[vectors]'."),
    ],
)
def test_extension_that_cannot_be_loaded_is_reported_at_the_start(tmp_path: Path, module: str, sentence: str) -> None:
    package = tmp_path / "sqlite_vec"
    package.mkdir()
    (package / "__init__.py").write_text(module)
    places = ["--database", f"sqlite:///{tmp_path / 'a.db'}", "--data-path", str(tmp_path / "data")]
    command = [sys.executable, "-m", "amplifierd", "serve", "--port", "0", *places, "--embedder", "wordllama"]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=env)
    assert ended.returncode == 1
    assert sentence in ended.stderr


def test_copy_computes_vectors_again(tmp_path: Path, service: EmbeddingService) -> None:
    source, target = (f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db"))
    with with_service(source, service) as daemon, daemon.client() as client:
        create_session(client, "xxx", "yyy")
        wait_for_vectors(source, 2)
    assert run("copy", "--from", source, "--to", target).returncode == 0
    assert rows_of(target, "embedding") == 0
    with with_service(target, service) as daemon, daemon.client() as client:
        wait_for_vectors(target, 2)
        assert search(client, "x")[0] == 1


def test_backup_has_the_vectors(tmp_path: Path, service: EmbeddingService) -> None:
    source, backup = (f"sqlite:///{tmp_path / name}" for name in ("a.db", "b.db"))
    with with_service(source, service) as daemon, daemon.client() as client:
        create_session(client, "xxx", "yyy")
        wait_for_vectors(source, 2)
        requests = len(service.batches)
        assert run("backup", str(tmp_path / "b.db"), "--database", source).returncode == 0
    with with_service(backup, service) as daemon, daemon.client() as client:
        assert waiting(client) == 0
        assert search(client, "y")[0] == 2
        # One more request, for the query.
        assert len(service.batches) == requests + 1


def test_vectors_are_written_once_by_two_workers(tmp_path: Path, service: EmbeddingService) -> None:
    database = f"sqlite:///{tmp_path / 'a.db'}"
    with with_service(database, service, "--workers", "2") as daemon, daemon.client() as client:
        create_session(client, *["xx"] * 200)
        wait_for_vectors(database, 200)
        assert sum(map(len, service.batches)) == 200


@pytest.mark.parametrize("way", ["trickles", "hangs"])
def test_daemon_stops_while_the_service_is_slow(database: str, service: EmbeddingService, way: str) -> None:
    if way == "trickles":
        service.is_slow = True
    else:
        service.delay = 3 * STOPS_IN
    with with_service(database, service) as daemon, daemon.client() as client:
        create_session(client, "xxx")
        until(lambda: bool(service.batches))
        assert client.get("/search", params={"q": "x", "mode": "hybrid"}).status_code == 503
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() < began + STOPS_IN
    service.is_slow = False


async def test_url_of_the_service_is_not_shown() -> None:
    embedder = OpenAIEmbedder(EmbedderOptions("http://127.0.0.1:9/v1", "m"))
    with pytest.raises(EmbedderUnavailable, match="its service can't be reached") as raised:
        await embedder.embed(["a"])
    assert "127.0.0.1" not in str(raised.value)
    await embedder.close()


@pytest.mark.parametrize("numbers", ["", "NaN", "1e999", "1, null", "1, " * 8_192 + "1"])
async def test_response_without_a_usable_vector_is_refused(service: EmbeddingService, numbers: str) -> None:
    service.content = f'{{"data": [{{"index": 0, "embedding": [{numbers}]}}]}}'.encode()
    embedder = OpenAIEmbedder(EmbedderOptions(service.url, MODEL))
    with pytest.raises(EmbedderRefused, match="its "):
        await embed_texts(embedder, ["a"])
    await embedder.close()
