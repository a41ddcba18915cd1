"""Keys: which requests need one, and what each key gives access to."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT
from conftest import own_database
from daemon import Daemon, http_get
from keys import amplifierd_keys, create_key, try_amplifierd_keys
from operations import OPERATIONS, send
from waits import until

PUBLIC = [("GET", "/live", None), ("GET", "/health", None), ("GET", "/status", None)]
PROTECTED = [operation for operation in OPERATIONS if operation not in PUBLIC]
# A plan is computed from stored data, and nothing is written.
READS = ("/mount-plans/generate",)
CHANGES = [operation for operation in PROTECTED if operation[0] != "GET" and operation[1] not in READS]
FOR_ADMINS = [
    operation
    for operation in CHANGES
    if operation[1] in ("/sessions/cleanup", "/sessions/delete")
    or operation[1].startswith(("/collections", "/import", "/modules"))
]
OF_A_SESSION = [operation for operation in PROTECTED if "{}" in operation[1]]


def name(operation: tuple[str, str, object]) -> str:
    return f"{operation[0]} {operation[1]}"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


class Locked:
    """A daemon whose database has keys, and the keys."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.read, self.write, self.admin = (
            create_key(daemon.database, "--workspace", "team", "--scope", scope) for scope in ("read", "write", "admin")
        )
        self.stranger = create_key(daemon.database, "--workspace", "strangers", "--scope", "admin")

    def client(self, key: str | None = None) -> httpx.Client:
        client = self.daemon.client()
        client.headers.update({} if key is None else bearer(key))
        return client


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def locked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    with own_database(request, tmp_path_factory.mktemp("locked")) as database:
        create_key(database)
        with Daemon(database) as running:
            yield Locked(running)


def test_operations_without_a_key_are_these() -> None:
    operations = load_document(CONTRACT).operations()
    public = [(method.upper(), path) for path, method, operation in operations if operation.get("security") == []]
    assert public == [(method, path) for method, path, _ in PUBLIC]


@pytest.mark.parametrize("operation", PROTECTED, ids=name)
def test_request_without_a_key_is_401(locked: Locked, operation: tuple[str, str, object]) -> None:
    with locked.client() as client:
        response = send(client, operation, "x")
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer realm="amplifierd"'
        assert response.json()["type"] == "urn:amplifierd:problem:key-required"
        assert "Authorization: Bearer amp_" in response.json()["detail"]


@pytest.mark.parametrize("header", ["amp_0", "Basic dXNlcjpwYXNz", "Bearer"])
def test_key_in_another_scheme_is_explained(locked: Locked, header: str) -> None:
    with locked.client() as client:
        response = client.get("/sessions", headers={"Authorization": header})
        assert response.json()["detail"] == "Authorization has no key; send it as Authorization: Bearer amp_…"


@pytest.mark.parametrize("header", ["Bearer amp_0", "Basic dXNlcjpwYXNz", "Bearer", "amp_0", "Bearer é"])
def test_invalid_key_is_rejected(locked: Locked, header: str) -> None:
    with locked.client() as client:
        response = client.get("/sessions", headers={b"Authorization": header.encode()})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Bearer realm="amplifierd", error="invalid_token"'
        assert response.json()["type"] == "urn:amplifierd:problem:key-refused"


def test_every_letter_of_a_key_is_checked(locked: Locked) -> None:
    with locked.client() as client:
        for key in (
            locked.write[:-1] + ("A" if locked.write[-1] != "A" else "B"),
            locked.write[:-1],
            locked.write + "A",
        ):
            assert client.get("/sessions", headers=bearer(key)).status_code == 401
        assert client.get("/sessions", headers=bearer(locked.write)).status_code == 200
        assert client.get("/sessions", headers={"Authorization": f"bEARER  {locked.write}"}).status_code == 200
        twice = [("Authorization", f"Bearer {locked.write}"), ("Authorization", f"Bearer {locked.write}")]
        assert client.get("/sessions", headers=twice).status_code == 401


@pytest.mark.parametrize("operation", PUBLIC, ids=name)
def test_status_needs_no_key(locked: Locked, operation: tuple[str, str, object]) -> None:
    with locked.client() as client:
        assert send(client, operation, "").status_code == 200
        assert http_get(f"{locked.daemon.url}/openapi.yaml").status_code == 200


@pytest.mark.parametrize("operation", CHANGES, ids=name)
def test_read_key_may_not_write(locked: Locked, operation: tuple[str, str, object]) -> None:
    with locked.client(locked.read) as client:
        response = send(client, operation, "x")
        assert response.status_code == 403
        assert response.json()["type"] == "urn:amplifierd:problem:scope-too-small"
        assert response.json()["detail"].endswith("yours has scope read.")
        needed = "admin" if operation in FOR_ADMINS else "write"
        assert response.headers["www-authenticate"].endswith(f'error="insufficient_scope", scope="{needed}"')


@pytest.mark.parametrize("operation", FOR_ADMINS, ids=name)
def test_admin_operations_need_an_admin_key(locked: Locked, operation: tuple[str, str, object]) -> None:
    with locked.client(locked.write) as client:
        assert send(client, operation, "x").status_code == 403
    with locked.client(locked.admin) as client:
        assert send(client, operation, "x").status_code in (200, 204, 404, 422)


def test_scope_limits_operations(locked: Locked) -> None:
    with locked.client(locked.write) as client:
        session_id = client.post("/sessions").json()["id"]
    with locked.client(locked.read) as client:
        assert client.get(f"/sessions/{session_id}").status_code == 200
    with locked.client(locked.admin) as client:
        assert client.delete(f"/sessions/{session_id}").status_code == 204


@pytest.mark.parametrize("operation", OF_A_SESSION, ids=name)
def test_session_of_another_workspace_is_not_found(locked: Locked, operation: tuple[str, str, object]) -> None:
    with locked.client(locked.admin) as client:
        session_id = client.post("/sessions", json={"context": {"secret": "word"}}).json()["id"]
        client.post(f"/sessions/{session_id}/messages", json={"content": "confidential"})
        before = client.get(f"/sessions/{session_id}").json()
    with locked.client(locked.stranger) as stranger:
        response = send(stranger, operation, session_id)
        assert response.status_code == 404
        assert response.json()["detail"] == f"Session {session_id} not found"
    with locked.client(locked.admin) as client:
        assert client.get(f"/sessions/{session_id}").json() == before


def test_lists_searches_and_exports_are_limited_to_the_workspace(locked: Locked) -> None:
    with locked.client(locked.admin) as client:
        session_id = client.post("/sessions").json()["id"]
        client.post(f"/sessions/{session_id}/messages", json={"content": "confidential"})
        assert client.get("/search?q=confidential").json() != []
    with locked.client(locked.stranger) as stranger:
        assert stranger.get("/sessions").json() == []
        assert stranger.get("/search?q=confidential").json() == []
        assert stranger.get("/export").text.splitlines() == [
            '{"header":{"format":"amplifierd-export","version":2}}',
            '{"end":{"sessions":0,"messages":0,"files":0}}',
        ]
        with stranger.stream("GET", "/events") as stream, locked.client(locked.admin) as client:
            client.post(f"/sessions/{session_id}/messages", json={"content": "confidential"})
            own = stranger.post("/sessions").json()["id"]
            data = next(line for line in stream.iter_lines() if line.startswith("data: "))
            assert own in data
        stranger.delete(f"/sessions/{own}")


def test_idempotency_key_belongs_to_its_workspace(locked: Locked) -> None:
    headers = {"Idempotency-Key": "the-same"}
    with locked.client(locked.admin) as client, locked.client(locked.stranger) as stranger:
        ours = client.post("/sessions", headers=headers)
        theirs = stranger.post("/sessions", headers=headers)
        assert theirs.status_code == 201
        assert theirs.json()["id"] != ours.json()["id"]
        stranger.delete(f"/sessions/{theirs.json()['id']}")


def test_revoked_key_is_rejected_by_every_process(database: str) -> None:
    key = create_key(database)
    with Daemon(database, "--workers", "2") as daemon, daemon.client() as client:
        assert client.get("/sessions", headers=bearer(key)).status_code == 200
        output = amplifierd_keys("revoke", key.split("_")[1], "--database", database)
        assert "(test) was revoked at " in output

        def refused() -> bool:
            # A new connection for each request, so that both workers get requests.
            statuses = [http_get(f"{daemon.api}/sessions", headers=bearer(key)).status_code for _ in range(10)]
            return set(statuses) == {401}

        until(refused)


def test_stream_ends_when_its_key_is_revoked(database: str) -> None:
    admin, key = create_key(database, "--scope", "admin"), create_key(database, "--scope", "read")
    with Daemon(database) as daemon, daemon.client() as client:
        client.headers.update(bearer(admin))
        path = f"/sessions/{client.post('/sessions').json()['id']}"
        with daemon.client() as reader, ExitStack() as stack:
            reader.headers.update(bearer(key))
            streams = [stack.enter_context(reader.stream("GET", target)) for target in ("/events", f"{path}/events")]
            assert [stream.status_code for stream in streams] == [200, 200]
            amplifierd_keys("revoke", key.split("_")[1], "--database", database)
            until(lambda: reader.get("/sessions").status_code == 401)
            assert client.post(f"{path}/messages", json={"content": "secret"}).status_code == 201
            for stream in streams:
                assert not [line for line in stream.iter_lines() if line.startswith(("event", "data"))]


def test_expired_key_is_rejected(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    key = create_key(database, "--expires", "2s")
    with Daemon(database) as daemon, daemon.client() as client:
        until(lambda: client.get("/sessions", headers=bearer(key)).status_code == 401)
        assert "expired" in amplifierd_keys("list", "--database", database)


def test_first_key_closes_an_open_daemon(database: str) -> None:
    with Daemon(database) as daemon, daemon.client() as client:
        client.headers.update(bearer("amp_of another server"))
        session = client.post("/sessions").json()
        key = create_key(database)
        until(lambda: client.get("/sessions").status_code == 401)
        found = client.get(f"/sessions/{session['id']}", headers=bearer(key))
        assert found.json() == session, "What was there without keys is in the workspace `default`."


def test_keys_are_written_once_and_kept_as_digests(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/a.db"
    key = create_key(database, "--expires", "90d", "--scope", "read", "--workspace", "team", name="ci")
    with Daemon(database) as daemon, daemon.client() as client:
        client.get("/sessions", headers=bearer(key))
        client.get("/sessions", headers=bearer(key + "x"))
        client.get(f"/sessions?key={key[:10]}", headers=bearer(key))
    listed = amplifierd_keys("list", "--database", database)
    assert listed.split("\n")[1].split()[:4] == [key.split("_")[1], "ci", "team", "read"]
    secret = key.split("_", 2)[2]
    assert secret not in listed
    assert secret not in daemon.log
    assert [path for path in tmp_path.iterdir() if secret.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create"], "Missing option '--name'"),
        (["create", "--name", " "], "Invalid name ' ': write what the key is for, in one line."),
        (["create", "--name", "a\nb"], "Invalid name 'a\\nb'"),
        (["create", "--name", "x", "--workspace", "A b"], "Invalid workspace name 'A b'"),
        (["create", "--name", "x", "--scope", "root"], "'root' is not one of"),
        (["create", "--name", "x", "--expires", "soon"], "Invalid duration 'soon': write 90d"),
        (["create", "--name", "x", "--expires", "0d"], "Invalid duration '0d': write 90d"),
        (["revoke", "nobody"], "There is no key 'nobody'; `amplifierd keys list` lists"),
    ],
)
def test_fault_is_reported_in_a_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    create_key(f"sqlite:///{tmp_path}/a.db")
    outcome = try_amplifierd_keys(*arguments, "--database", f"sqlite:///{tmp_path}/a.db")
    assert outcome.returncode != 0
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr
