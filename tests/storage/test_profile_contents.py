"""Contents of profiles are deleted with their last owner; positions in lists of names."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amplifierd.storage.backend.storage import TransactionalStorage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import (
    NewProfile,
    ProfilePatch,
)
from amplifierd.storage.model.records import CleanUp, Fork, NewSession, SessionPatch
from amplifierd.storage.sql.pages import decode_name, encode_name
from amplifierd.testing.storage.workspaces.test_profiles import raw

W = "default"


@given(st.text("ABCabc019_-", min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cursor_is_a_position(cursor: str) -> None:
    assert isinstance(decode_name(cursor), str)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_cursor_encodes_its_name(name: str) -> None:
    assert decode_name(encode_name(name)) == name


async def kept_versions(storage: Storage) -> list[str]:
    """The versions of the stored contents, sorted."""
    assert isinstance(storage, TransactionalStorage)
    statement = "SELECT content FROM profile_content WHERE workspace = :workspace"
    rows = await storage._rows.all(statement, {"workspace": W})  # noqa: SLF001  # what no operation shows
    return sorted(msgspec.json.decode(content)["version"] for (content,) in rows)


async def test_content_is_deleted_with_its_last_owner(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a", version="1"))
    await storage.update_profile(W, "a", ProfilePatch(version=raw('"2"')))
    assert await kept_versions(storage) == ["2"]
    session = await storage.create_session(W, NewSession(profile="a"))
    fork = await storage.fork_session(W, session.id, Fork())
    await storage.update_profile(W, "a", ProfilePatch(version=raw('"3"')))
    overridden = NewSession(profile="a", settings_overrides=ProfilePatch(version=raw('"4"')))
    deleted = [await storage.create_session(W, overridden) for _ in range(2)]
    assert await kept_versions(storage) == ["2", "3", "4"]
    await storage.delete_profile(W, "a")
    await storage.delete_session(W, deleted[0].id)
    assert await kept_versions(storage) == ["2", "4"]
    await storage.delete_session(W, deleted[1].id)
    await storage.update_session(W, session.id, SessionPatch(profile="default"))
    assert (await storage.session_profile(W, fork.id)).version == "2"
    assert await kept_versions(storage) == ["2"]
    await storage.complete_session(W, (await storage.start_session(W, fork.id)).id)
    await storage.clean_up_sessions(W, CleanUp(older_than_days=0, status=("completed",), dry_run=False))
    assert await kept_versions(storage) == []
