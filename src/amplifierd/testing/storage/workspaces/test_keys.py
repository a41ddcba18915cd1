"""Keys and their workspaces."""

from dataclasses import replace

import pytest

from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.records import NewSession
from amplifierd.storage.model.workspaces import Key, KeyNotFound, NewKey

pytestmark = pytest.mark.usefixtures("new_database")

CI = NewKey("0a1b2c3d4e5f", "team", "ci", "write", "00" * 32)


async def test_key_is_found_by_its_id(storage: Storage) -> None:
    created = await storage.create_key(CI)
    expected = Key("0a1b2c3d4e5f", "team", "ci", "write", "00" * 32, created.created_at, None, None)
    assert created == expected == await storage.find_key("0a1b2c3d4e5f")
    assert await storage.find_key("0a1b2c3d4e50") is None
    assert await storage.find_key("\0") is None


async def test_key_is_valid_until_it_expires(storage: Storage) -> None:
    created = await storage.create_key(NewKey("a", "team", "ci", "read", "00" * 32, expires_seconds=60))
    assert created.expires_at is not None
    assert created.is_valid(created.created_at)
    assert not created.is_valid(created.expires_at)


async def test_revoked_key_stays_revoked(storage: Storage, other: Storage) -> None:
    created = await storage.create_key(CI)
    revoked = await other.revoke_key(created.id)
    assert revoked.revoked_at is not None
    assert not revoked.is_valid(created.created_at)
    assert await storage.revoke_key(created.id) == revoked == await storage.find_key(created.id)


async def test_unknown_key_is_not_revoked(storage: Storage) -> None:
    with pytest.raises(KeyNotFound, match="There is no key 'nobody'"):
        await storage.revoke_key("nobody")


async def test_keys_are_listed_and_detected(storage: Storage) -> None:
    assert not await storage.has_keys()
    assert await storage.list_keys() == []
    first = await storage.create_key(CI)
    second = await storage.create_key(NewKey("a", "another", "ci", "admin", "11" * 32))
    revoked = await storage.revoke_key(first.id)
    assert await storage.list_keys() == [revoked, second]
    await storage.revoke_key(second.id)
    assert await storage.has_keys()


async def test_key_is_copied_unchanged(storage: Storage) -> None:
    moment = "2025-11-21T19:33:19.192107Z"
    key = Key("a", "team", "ci", "read", "00" * 32, moment, "2025-12-21T19:33:19.192107Z", None)
    await storage.copy_key(key)
    assert await storage.list_keys() == [key]
    revoked = replace(key, revoked_at=moment)
    await storage.copy_key(revoked)
    assert await storage.list_keys() == [revoked]
    # A revoked key stays revoked.
    await storage.copy_key(key)
    assert await storage.list_keys() == [revoked]


async def test_workspaces_are_listed_if_they_have_contents(storage: Storage) -> None:
    assert await storage.workspace_contents() == []
    for workspace in ("team", "default", "team", "another"):
        await storage.create_session(workspace, NewSession())
    await storage.create_key(NewKey("a", "empty", "ci", "admin", "11" * 32))
    await storage.create_profile("configured", NewProfile("p"))
    names = [contents.workspace for contents in await storage.workspace_contents()]
    assert names == ["another", "configured", "default", "empty", "team"]


async def test_workspace_exists_by_its_contents_or_history(storage: Storage) -> None:
    assert not await storage.has_workspace("team")
    await storage.create_key(CI)
    assert await storage.has_workspace("team")
    await storage.create_profile("profiles", NewProfile("x"))
    await storage.create_directory("directories", NewDirectory("x"))
    session = await storage.create_session("sessions", NewSession())
    await storage.delete_session("sessions", session.id)
    assert [await storage.has_workspace(f"{kind}s") for kind in ("profile", "directorie", "session", "key")] == [
        *[True] * 3,
        False,
    ]
