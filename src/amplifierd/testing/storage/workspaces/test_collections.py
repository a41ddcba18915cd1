"""Collections, and the profiles that belong to them."""

import dataclasses
import hashlib
from collections.abc import Sequence

import msgspec
import pytest
from msgspec import UNSET

from amplifierd.storage.model.collections import (
    Collection,
    CollectionContent,
    CollectionExists,
    CollectionIdentifierReserved,
    CollectionNotFound,
    CollectionProblem,
    CollectionSummary,
    ProfileOfCollection,
)
from amplifierd.storage.model.errors import ProfileActive, ProfileExists, ProfileNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import Module, NewModuleSource
from amplifierd.storage.model.profile_records import ModuleConfig, NewProfile, ProfilePatch, ProfileSettings
from amplifierd.storage.model.records import IdempotentRequest, NewSession
from amplifierd.testing.storage.steps import recorded, records

W = "default"


def module(module_id: str, version: str = "1.0.0") -> Module:
    return Module(id=module_id, type="tool", name="tool-bash", version=version, location="file:///srv/bash")


def content(*profiles: NewProfile, identifier: str = "foundation", commit: str | None = None) -> CollectionContent:
    return CollectionContent(
        identifier=identifier,
        source="/srv/foundation",
        kind="folder" if commit is None else "git",
        commit=commit,
        profiles=list(profiles),
        agents=["agents/zen.md"],
        context=["context/a/b.md"],
        modules=[module(f"{identifier.rpartition('/')[2]}/tool/bash")],
        problems=[CollectionProblem("It is broken.", "x.md", 3)],
    )


async def create(
    storage: Storage, new: CollectionContent, workspace: str = W, once: IdempotentRequest | None = None
) -> Collection:
    async def read() -> CollectionContent:
        return new

    return await storage.create_collection(workspace, new.identifier, read, once=once)


async def nobody_reads() -> CollectionContent:
    raise AssertionError("It is read.")


async def listed(storage: Storage) -> list[str]:
    return [profile.name for profile in await records(await storage.list_profiles(W), ProfileSettings)]


def details(collection: Collection) -> Sequence[str]:
    return [problem.detail for problem in collection.problems]


async def test_collection_is_stored_unchanged(storage: Storage, other: Storage) -> None:
    created = await create(storage, content(NewProfile("b"), NewProfile("a"), commit="a" * 40))
    assert created.profiles == ["foundation/a", "foundation/b"]
    assert (created.kind, created.status, created.commit) == ("git", "synced", "a" * 40)
    assert created.problems == [CollectionProblem("It is broken.", "x.md", 3)]
    assert (created.agents, created.context) == (["agents/zen.md"], ["context/a/b.md"])
    assert await other.get_collection(W, "foundation") == created
    assert await listed(other) == ["default", "foundation/a", "foundation/b"]
    profile = await other.get_profile(W, "foundation/a")
    assert profile.source == "foundation"
    assert profile.created_at == profile.updated_at == created.synced_at
    [_, first, _] = msgspec.json.decode(b"[" + (await storage.list_profiles(W)).first + b"]")
    assert (first["source"], first["isActive"]) == ("foundation", False)
    with pytest.raises(CollectionNotFound):
        await storage.get_collection("other", "foundation")


async def test_list_is_in_order_of_identifier_and_paged(storage: Storage) -> None:
    for identifier in ("teams/b", "a", "teams/c"):
        await create(storage, content(identifier=identifier))
    first = await storage.list_collections(W, limit=2)
    rest = await storage.list_collections(W, limit=2, cursor=first.next_cursor)
    listed = await records(first, CollectionSummary)
    assert [each.identifier for each in listed] == ["a", "teams/b"]
    for each in listed:
        whole = await storage.get_collection(W, each.identifier)
        assert (each.profiles, each.problem_count) == (whole.profiles, len(whole.problems))
        assert whole.problem_count == len(whole.problems)
    assert [each.identifier for each in await records(rest, CollectionSummary)] == ["teams/c"]
    assert rest.next_cursor is None


async def test_names_of_collections_differ(storage: Storage) -> None:
    await create(storage, content())
    with pytest.raises(CollectionExists, match=r"^Collection foundation already exists$"):
        await create(storage, content())
    with pytest.raises(CollectionExists, match="foundation has the same last segment"):
        await create(storage, content(identifier="teams/foundation"))
    for reserved in ("sync", "teams/sync", "installed"):
        with pytest.raises(CollectionIdentifierReserved):
            await create(storage, content(identifier=reserved))
    await create(storage, content(), "other")


async def test_profile_of_a_collection_is_read_only(storage: Storage) -> None:
    await create(storage, content(NewProfile("a", instructions="Be brief.")))
    with pytest.raises(ProfileOfCollection, match="foundation/a belongs to collection foundation"):
        await storage.update_profile(W, "foundation/a", ProfilePatch())
    with pytest.raises(ProfileOfCollection):
        await storage.replace_profile(W, "foundation/a", NewProfile("foundation/a"))
    with pytest.raises(ProfileOfCollection):
        await storage.delete_profile(W, "foundation/a")
    with pytest.raises(ProfileExists):
        await storage.create_profile(W, NewProfile("foundation/a"))
    copied = await storage.copy_profile(W, "foundation/a", "mine")
    assert (copied.source, copied.instructions) == (UNSET, "Be brief.")
    await storage.delete_profile(W, "mine")
    assert (await storage.activate_profile(W, "foundation/a")).source == "foundation"


async def test_sync_replaces_profiles_and_sessions_keep_theirs(storage: Storage) -> None:
    await create(storage, content(NewProfile("a", "old"), NewProfile("b"), NewProfile("same")))
    before = await storage.get_profile(W, "foundation/same")
    session = await storage.create_session(W, NewSession(profile="foundation/a"))
    synced = await storage.replace_collection(W, content(NewProfile("a", "new"), NewProfile("c"), NewProfile("same")))
    assert synced.profiles == ["foundation/a", "foundation/c", "foundation/same"]
    assert await listed(storage) == ["default", *synced.profiles]
    assert (await storage.session_profile(W, session.id)).description == "old"
    later = await storage.create_session(W, NewSession(profile="foundation/a"))
    assert (await storage.session_profile(W, later.id)).description == "new"
    assert await storage.get_profile(W, "foundation/same") == before
    changed = await storage.get_profile(W, "foundation/a")
    assert (changed.created_at, changed.updated_at) == (before.created_at, synced.synced_at)
    with pytest.raises(CollectionNotFound):
        await storage.replace_collection(W, content(identifier="nobody"))


async def test_sync_of_another_source_is_not_stored(storage: Storage) -> None:
    read_before = content(NewProfile("a"))
    await create(storage, dataclasses.replace(read_before, source="/srv/other"))
    with pytest.raises(CollectionNotFound):
        await storage.replace_collection(W, read_before)


async def test_sync_keeps_profiles_of_other_collections(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("foundation/mine", "mine"))
    await storage.create_profile(W, NewProfile("foundation0", "mine"))
    created = await create(storage, content(NewProfile("mine", "theirs"), NewProfile("a")))
    assert created.profiles == ["foundation/a"]
    assert details(created)[1:] == [
        "The profile foundation/mine exists and is not of this collection; delete it, or copy it first."
    ]
    await storage.replace_collection(W, content())
    assert await listed(storage) == ["default", "foundation/mine", "foundation0"]
    await storage.delete_collection(W, "foundation")
    assert (await storage.get_profile(W, "foundation/mine")).description == "mine"


async def test_active_profile_is_kept_after_its_collection_loses_it(storage: Storage) -> None:
    await create(storage, content(NewProfile("a"), NewProfile("b")))
    await storage.activate_profile(W, "foundation/a")
    with pytest.raises(ProfileActive):
        await storage.delete_collection(W, "foundation")
    assert await listed(storage) == ["default", "foundation/a", "foundation/b"]
    synced = await storage.replace_collection(W, content())
    assert synced.profiles == ["foundation/a"]
    assert "it stays as long as it is active" in details(synced)[-1]
    assert (await storage.create_session(W, NewSession())).profile == "foundation/a"
    await storage.deactivate_profile(W)
    assert (await storage.replace_collection(W, content())).profiles == []
    with pytest.raises(ProfileNotFound):
        await storage.get_profile(W, "foundation/a")


async def test_failed_sync_keeps_the_content(storage: Storage) -> None:
    created = await create(storage, content(NewProfile("a")))
    failed = await storage.fail_collection(W, "foundation", "It is away.")
    assert failed == msgspec.structs.replace(created, status="failed", problems=[CollectionProblem("It is away.")])
    assert await storage.get_collection(W, "foundation") == failed
    assert await listed(storage) == ["default", "foundation/a"]
    synced = await storage.replace_collection(W, content(NewProfile("a")))
    assert (synced.status, synced.created_at) == ("synced", created.created_at)


async def test_too_long_profile_is_a_problem(storage: Storage) -> None:
    await create(storage, content(NewProfile("a", "old")))
    long = [ModuleConfig("m" * 255)] * 1_000
    synced = await storage.replace_collection(W, content(NewProfile("a", instructions="x" * 262_000, tools=long)))
    assert synced.profiles == []
    assert "the limit is 262144" in details(synced)[-1]


async def test_deletion_includes_the_profiles(storage: Storage) -> None:
    await create(storage, content(NewProfile("a", "kept")))
    session = await storage.create_session(W, NewSession(profile="foundation/a"))
    await storage.delete_collection(W, "foundation")
    assert await listed(storage) == ["default"]
    assert (await storage.session_profile(W, session.id)).description == "kept"
    with pytest.raises(CollectionNotFound):
        await storage.delete_collection(W, "foundation")


async def test_workspace_contents_include_collections_and_sources(
    storage: Storage,
) -> None:
    await create(storage, content(), "collection")
    await storage.create_module_source("source", "installed/tool/x", NewModuleSource("x"))
    await storage.activate_profile("active", "default")
    names = ["active", "collection", "source"]
    assert [each.workspace for each in await storage.workspace_contents()] == names
    for name in names:
        await storage.delete_workspace(name)
    assert await storage.workspace_contents() == []


async def test_deletion_of_a_workspace_includes_its_collections(storage: Storage) -> None:
    await create(storage, content(NewProfile("a")), "gone")
    assert [each.workspace for each in await storage.workspace_contents()] == ["gone"]
    assert await storage.has_workspace("gone")
    await storage.delete_workspace("gone")
    assert (await storage.list_collections("gone")).first == b""


async def test_key_repeats_the_response(storage: Storage) -> None:
    once = IdempotentRequest("k", hashlib.sha256(b"k"))
    first = await create(storage, content(NewProfile("a")), once=once)
    assert await recorded(storage.create_collection(W, "foundation", nobody_reads, once=once)) == first


async def test_source_is_not_read_for_an_identifier_that_exists(storage: Storage) -> None:
    await create(storage, content())
    with pytest.raises(CollectionExists):
        await storage.create_collection(W, "foundation", nobody_reads)
