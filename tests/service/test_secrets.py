"""The log contains no secrets: no keys, passwords or contents of messages."""

from urllib.parse import urlsplit, urlunsplit

import pytest

from daemon import Daemon
from keys import create_key

PASSWORD = "open-sesame"  # noqa: S105  # it is to be looked for


def with_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{PASSWORD}@{parts.hostname}:{parts.port}"))


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_contains_no_secret(database: str, log_format: str) -> None:
    url = with_password(database) if database.startswith("postgresql") else database
    key = create_key(database)
    with Daemon(url, "--log-format", log_format) as daemon, daemon.client() as client:
        for shown in (key, key[:-1], f"{key}x"):
            headers = {"Authorization": f"Bearer {shown}", "Idempotency-Key": "between-us"}
            client.post("/sessions", json={"name": "confidential", "context": {"confidential": 1}}, headers=headers)
            client.post("/sessions", content=b'{"confidential"', headers=headers | {"Content-Type": "application/json"})
        session_id = client.get("/sessions", headers={"Authorization": f"Bearer {key}"}).json()[0]["id"]
        path = f"/sessions/{session_id}/messages"
        response = client.post(path, json={"content": "confidential"}, headers={"Authorization": f"Bearer {key}"})
        assert response.status_code == 201
        daemon.stop()
    assert path in daemon.log
    secret = key.split("_", 2)[2][:-1]
    assert [word for word in (secret, PASSWORD, "confidential", "between-us") if word in daemon.log] == []


def test_unavailable_database_is_named_without_its_password() -> None:
    with pytest.raises(RuntimeError) as refused:
        Daemon(f"postgresql://postgres:{PASSWORD}@127.0.0.1:1/x")
    assert "postgresql://postgres:…@127.0.0.1:1/x can't be opened" in str(refused.value)
    assert PASSWORD not in str(refused.value)
