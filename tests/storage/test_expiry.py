"""Recorded responses are deleted after their time, even if no other request has a key."""

import asyncio
import hashlib

import pytest

from amplifierd.storage import open_storage
from amplifierd.storage.model.records import IdempotentRequest, NewSession
from amplifierd.storage.operations import expiry
from faults.remains import rows_of
from waits import until

W = "default"


async def wait_for_responses(database: str, expected: int) -> None:
    """Wait until this number of responses is recorded."""
    await asyncio.to_thread(until, lambda: rows_of(database, "idempotency") == expected)


async def record(database: str, seconds: float, count: int) -> None:
    """Record responses that are kept for this time."""
    async with open_storage(database, idempotency_ttl=seconds) as storage:
        for number in range(count):
            once = IdempotentRequest(f"{seconds} {number}", hashlib.sha256(b"f"))
            await storage.create_session(f"w{number % 2}", NewSession(), once=once)


async def test_expired_responses_are_deleted(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 3600)
    await record(database, 1_000, 3)
    await record(database, 0, 5)
    # Some may remain: each new response deletes at most two expired ones.
    assert await asyncio.to_thread(rows_of, database, "idempotency") > 3
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 0)
    # After a restart, without requests.
    async with open_storage(database):
        await wait_for_responses(database, 3)


async def test_expired_responses_are_deleted_in_steps(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 3600)
    await record(database, 0.5, 7)
    await asyncio.sleep(0.5)
    monkeypatch.setattr(expiry, "FIRST_SECONDS", 0)
    monkeypatch.setattr("amplifierd.storage.backend.storage.RESPONSES_AT_ONCE", 2)
    async with open_storage(database):
        await wait_for_responses(database, 0)
