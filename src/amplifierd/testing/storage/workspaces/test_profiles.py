"""Profiles, and the copies of them that sessions keep."""

import asyncio

import msgspec
import pytest
from msgspec import UNSET, Raw

from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.errors import (
    NoActiveProfile,
    ProfileActive,
    ProfileExists,
    ProfileInvalid,
    ProfileNameReserved,
    ProfileNotFound,
    ProfileReadOnly,
    SessionNotFound,
    SessionProfileUnknown,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import (
    ModuleConfig,
    NewProfile,
    NewSessionConfig,
    Profile,
    ProfilePatch,
    ProfileSettings,
    SessionConfig,
)
from amplifierd.storage.model.records import Fork, IdempotentRequest, Listing, NewSession, SessionPatch
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import recorded

W = "default"
NOBODY = "019aa8a4-7f7c-7c3e-9d2b-5b6f0f4f2a11"


class Digest:
    def update(self, data: bytes, /) -> None:
        raise NotImplementedError(data)

    def hexdigest(self) -> str:
        return "x"


def raw(text: str) -> Raw:
    return Raw(text.encode())


WHOLE = NewProfile(
    name="foundation/base",
    description="Whole",
    version="2.0",
    session=NewSessionConfig(
        orchestrator=ModuleConfig("loop", "git+x@y", raw('{"z":1.0,"a":123456789012345678901234567890}')),
        context_manager=ModuleConfig("simple"),
        injection_size_limit=10,
    ),
    providers=[ModuleConfig("provider-a", config=raw('{"b":1e2}'))],
    tools=[ModuleConfig("shell")],
    hooks=[ModuleConfig("log")],
    agents={"zen": "zen.md", "ada": "ada.md"},
    context={"docs": "docs/"},
    instructions="# You\n\nare.\0\n",
)


async def names(storage: Storage, **query: int | str) -> list[str]:
    listing: Listing = await storage.list_profiles(W, **query)  # type: ignore[arg-type]  # one of each
    assert listing.rest is None
    return [each["name"] for each in msgspec.json.decode(b"[" + listing.first + b"]")]


async def test_profile_is_returned_as_sent(storage: Storage) -> None:
    created = await storage.create_profile(W, WHOLE)
    assert created == await storage.get_profile(W, "foundation/base")
    sent, received = msgspec.json.decode(msgspec.json.encode(WHOLE)), msgspec.json.decode(msgspec.json.encode(created))
    assert (received["schemaVersion"], received["isActive"], received["createdAt"]) == (2, False, received["updatedAt"])
    assert received["session"]["contextManager"] == sent["session"]["context_manager"]
    assert received["session"]["injectionSizeLimit"] == 10
    for name in ("name", "description", "version", "providers", "tools", "hooks", "agents", "context", "instructions"):
        assert received[name] == sent[name]
    assert list(received["agents"]) == ["zen", "ada"]
    assert isinstance(created.session, SessionConfig)
    assert bytes(created.session.orchestrator.config) == b'{"z":1.0,"a":123456789012345678901234567890}'  # type: ignore[arg-type]  # it has one


async def test_name_is_taken_once(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a"))
    for name in ("a", "default"):
        with pytest.raises(ProfileExists, match=f"Profile {name} already exists"):
            await storage.create_profile(W, NewProfile(name))
    with pytest.raises(ProfileExists):
        await storage.copy_profile(W, "default", "a")
    await storage.create_profile("other", NewProfile("a"))


@pytest.mark.parametrize("name", ["active", "x/activate", "x/copy"])
async def test_name_that_changes_the_path_is_refused(storage: Storage, name: str) -> None:
    with pytest.raises(ProfileNameReserved, match=name):
        await storage.create_profile(W, NewProfile(name))
    with pytest.raises(ProfileNameReserved):
        await storage.copy_profile(W, "default", name)


async def test_missing_record_is_not_found(storage: Storage) -> None:
    await storage.create_profile("other", NewProfile("a"))
    with pytest.raises(ProfileNotFound, match=r"^Profile a not found$"):
        await storage.get_profile(W, "a")
    with pytest.raises(ProfileNotFound):
        await storage.update_profile(W, "a", ProfilePatch())
    with pytest.raises(ProfileNotFound):
        await storage.delete_profile(W, "a")
    with pytest.raises(ProfileNotFound):
        await storage.activate_profile(W, "a")
    with pytest.raises(ProfileNotFound):
        await storage.copy_profile(W, "a", "b")
    with pytest.raises(SessionNotFound):
        await storage.session_profile(W, NOBODY)
    assert await names(storage) == ["default"]


async def test_built_in_profile_cannot_be_changed(storage: Storage) -> None:
    built_in = await storage.get_profile(W, "default")
    assert (built_in.created_at, built_in.is_active, built_in.providers) == (UNSET, False, [])
    with pytest.raises(ProfileReadOnly, match="Profile default is built in"):
        await storage.update_profile(W, "default", ProfilePatch(description=raw('"x"')))
    with pytest.raises(ProfileReadOnly):
        await storage.delete_profile(W, "default")
    assert (await storage.activate_profile(W, "default")).is_active
    assert (await storage.get_profile(W, "default")).is_active
    copied = await storage.copy_profile(W, "default", "mine")
    assert (copied.name, copied.description) == ("mine", built_in.description)


async def test_patch_is_merged(storage: Storage) -> None:
    created = await storage.create_profile(W, WHOLE)
    patch = ProfilePatch(
        description=raw('"New"'),
        session=raw('{"context_manager":null,"orchestrator":{"config":{"a":null,"n":1.50}}}'),
        providers=raw('[{"module":"other"}]'),
        agents=raw('{"zen":null,"bob":"bob.md"}'),
        instructions=raw("null"),
    )
    updated = await storage.update_profile(W, WHOLE.name, patch)
    assert updated == await storage.get_profile(W, WHOLE.name)
    orchestrator = ModuleConfig("loop", "git+x@y", raw('{"z":1.0,"n":1.50}'))
    assert updated.session == SessionConfig(orchestrator, injection_size_limit=10)
    assert (updated.providers, updated.tools) == ([ModuleConfig("other")], WHOLE.tools)
    assert (updated.agents, updated.instructions) == ({"ada": "ada.md", "bob": "bob.md"}, "")
    assert (updated.created_at, updated.version) == (created.created_at, "2.0")
    assert str(updated.updated_at) > str(created.updated_at)
    assert (await storage.update_profile(W, WHOLE.name, ProfilePatch(session=raw("null")))).session is UNSET


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ('{"context_manager":{"module":"x"}}', "missing required field `orchestrator`"),
        ('{"orchestrator":{"source":"x"}}', "missing required field `module`"),
    ],
)
async def test_profile_refuses_an_invalid_patch(storage: Storage, patch: str, reason: str) -> None:
    await storage.create_profile(W, NewProfile("a"))
    with pytest.raises(ProfileInvalid, match=f"Profile a would be invalid: .*{reason}"):
        await storage.update_profile(W, "a", ProfilePatch(session=raw(patch)))
    with pytest.raises(ProfileInvalid):
        await storage.create_session(W, NewSession(settings_overrides=ProfilePatch(session=raw(patch))))
    assert await storage.count_sessions(W) == 0


async def test_replaced_profile_has_nothing_of_the_previous_one(storage: Storage) -> None:
    created = await storage.create_profile(W, WHOLE)
    await storage.activate_profile(W, WHOLE.name)
    session = await storage.create_session(W, NewSession())
    new = NewProfile(WHOLE.name, instructions="New", tools=[ModuleConfig("other")])
    replaced = await storage.replace_profile(W, WHOLE.name, new)
    assert replaced == await storage.get_profile(W, WHOLE.name)
    assert (replaced.instructions, replaced.tools, replaced.agents) == ("New", [ModuleConfig("other")], {})
    assert (replaced.session, replaced.providers, replaced.description) == (UNSET, [], "")
    assert (replaced.is_active, replaced.created_at) == (True, created.created_at)
    assert str(replaced.updated_at) > str(created.updated_at)
    assert (await storage.session_profile(W, session.id)).instructions == WHOLE.instructions
    later = await storage.create_session(W, NewSession())
    assert (await storage.session_profile(W, later.id)).instructions == "New"


async def test_profile_is_not_replaced_by_one_of_another_name(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a"))
    with pytest.raises(ProfileInvalid, match="Profile a would be invalid: its name is b"):
        await storage.replace_profile(W, "a", NewProfile("b"))
    with pytest.raises(ProfileInvalid, match="the limit is 262144"):
        await storage.replace_profile(W, "a", NewProfile("a", instructions="é" * 131_072))
    with pytest.raises(ProfileNotFound):
        await storage.replace_profile(W, "b", NewProfile("b"))
    with pytest.raises(ProfileReadOnly):
        await storage.replace_profile(W, "default", NewProfile("default"))


async def test_profile_is_limited_to_256_kib(storage: Storage) -> None:
    with pytest.raises(ProfileInvalid, match="the limit is 262144"):
        await storage.create_profile(W, NewProfile("a", instructions="é" * 131_072))
    await storage.create_profile(W, NewProfile("a", instructions="x" * 200_000))
    with pytest.raises(ProfileInvalid):
        await storage.update_profile(W, "a", ProfilePatch(context=raw(f'{{"x":"{"x" * 100_000}"}}')))


async def test_only_one_profile_is_active(storage: Storage) -> None:
    for name in ("a", "b"):
        await storage.create_profile(W, NewProfile(name))
    with pytest.raises(NoActiveProfile, match="No profile is active"):
        await storage.get_active_profile(W)
    assert (await storage.activate_profile(W, "a")).is_active
    assert (await storage.activate_profile(W, "b")).is_active
    assert await storage.get_active_profile(W) == await storage.get_profile(W, "b")
    assert not (await storage.get_profile(W, "a")).is_active
    with pytest.raises(NoActiveProfile):
        await storage.get_active_profile("other")
    with pytest.raises(ProfileActive, match=r"^Cannot delete active profile: b$"):
        await storage.delete_profile(W, "b")
    for _ in range(2):
        await storage.deactivate_profile(W)
    await storage.delete_profile(W, "b")
    assert await names(storage) == ["a", "default"]


async def test_list_is_by_name_and_marks_the_active_profile(storage: Storage) -> None:
    for name in ("z", "e/b", "e", "a", "e-a"):
        await storage.create_profile(W, NewProfile(name, description='"é'))
    await storage.activate_profile(W, "e")
    listing = await storage.list_profiles(W)
    listed = msgspec.json.decode(b"[" + listing.first + b"]")
    assert [each["name"] for each in listed] == ["a", "default", "e", "e-a", "e/b", "z"]
    assert [each["name"] for each in listed if each["isActive"]] == ["e"]
    assert listed[2].keys() == {
        "name", "description", "version", "schemaVersion", "createdAt", "updatedAt", "isActive",
    }  # fmt: skip
    assert listed[1].keys() == listed[2].keys() - {"createdAt", "updatedAt"}


@pytest.mark.parametrize("limit", [1, 2, 3, 6])
async def test_pages_are_the_list(storage: Storage, limit: int) -> None:
    for name in ("z", "e/b", "e", "a", "x"):
        await storage.create_profile(W, NewProfile(name))
    whole, paged = await names(storage), list[str]()
    cursor: str | None = None
    while True:
        page = await storage.list_profiles(W, limit=limit, cursor=cursor)
        paged += [each["name"] for each in msgspec.json.decode(b"[" + page.first + b"]")]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged == whole


async def test_repeated_request_has_one_effect(storage: Storage) -> None:
    def once() -> IdempotentRequest:
        return IdempotentRequest("key", Digest())

    created = await storage.create_profile(W, WHOLE, once=once())
    assert await recorded(storage.create_profile(W, WHOLE, once=once())) == created


async def test_session_keeps_its_profile(storage: Storage) -> None:
    await storage.create_profile(W, WHOLE)
    session = await storage.create_session(W, NewSession(profile=WHOLE.name))
    before = await storage.session_profile(W, session.id)
    assert session.profile == WHOLE.name
    assert msgspec.structs.asdict(before).items() <= msgspec.structs.asdict(await get(storage, WHOLE.name)).items()
    await storage.update_profile(W, WHOLE.name, ProfilePatch(version=raw('"3.0"')))
    fork = await storage.fork_session(W, session.id, Fork())
    later = await storage.create_session(W, NewSession(profile=WHOLE.name))
    await storage.delete_profile(W, WHOLE.name)
    assert await storage.session_profile(W, session.id) == before
    assert await storage.session_profile(W, fork.id) == before
    assert (await storage.session_profile(W, later.id)).version == "3.0"
    assert (await storage.get_session(W, session.id)).profile == WHOLE.name


async def get(storage: Storage, name: str) -> Profile:
    return await storage.get_profile(W, name)


async def test_session_without_a_profile_gets_the_active_or_built_in_one(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a", version="7"))
    first = await storage.create_session(W, NewSession())
    await storage.activate_profile(W, "a")
    second = await storage.create_session(W, NewSession())
    third = await storage.create_session(W, NewSession(profile="default"))
    elsewhere = await storage.create_session("other", NewSession())
    assert [session.profile for session in (first, second, third, elsewhere)] == ["default", "a", "default", "default"]
    assert (await storage.session_profile(W, second.id)).version == "7"
    assert (await storage.session_profile(W, first.id)).name == "default"
    assert (await storage.session_profile("other", elsewhere.id)).name == "default"


async def test_session_with_an_unknown_profile_is_refused(storage: Storage) -> None:
    with pytest.raises(ProfileNotFound, match=r"^Profile a/b not found"):
        await storage.create_session(W, NewSession(profile="a/b"))
    session = await storage.create_session(W, NewSession())
    with pytest.raises(ProfileNotFound):
        await storage.update_session(W, session.id, SessionPatch(profile="a/b"))
    assert await storage.get_session(W, session.id) == session
    assert await storage.count_sessions(W) == 1


async def test_sessions_created_together_get_their_own_responses(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a"))
    requested = ["a", None, "b", "default", "b", "a"]
    results = await asyncio.gather(
        *(storage.create_session(W, NewSession(profile=profile)) for profile in requested), return_exceptions=True
    )
    profiles = [str(result) if isinstance(result, BaseException) else result.profile for result in results]
    missing = "Profile b not found"
    assert profiles == ["a", "default", missing, "default", missing, "a"]
    assert await storage.count_sessions(W) == 4


async def test_session_keeps_its_new_profile(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("a", version="7"))
    session = await storage.create_session(W, NewSession())
    patched = await storage.update_session(W, session.id, SessionPatch(profile="a"))
    assert patched.profile == "a"
    assert (await storage.session_profile(W, session.id)).version == "7"


async def test_overrides_are_merged_into_the_stored_profile(storage: Storage) -> None:
    await storage.create_profile(W, WHOLE)
    overrides = ProfilePatch(
        session=raw('{"orchestrator":{"config":{"a":null}}}'), tools=raw("[]"), instructions=raw('"Be brief."')
    )
    session = await storage.create_session(W, NewSession(profile=WHOLE.name, settings_overrides=overrides))
    stored = await storage.session_profile(W, session.id)
    assert (stored.tools, stored.instructions, stored.hooks) == ([], "Be brief.", WHOLE.hooks)
    assert isinstance(stored.session, SessionConfig)
    assert stored.session.orchestrator == ModuleConfig("loop", "git+x@y", raw('{"z":1.0}'))
    assert (await storage.get_profile(W, WHOLE.name)).tools == WHOLE.tools
    plain = await storage.create_session(W, NewSession(settings_overrides=ProfilePatch(version=raw('"9"'))))
    assert (await storage.session_profile(W, plain.id)).version == "9"


async def test_export_has_stored_profiles(storage: Storage) -> None:
    await storage.create_profile(W, WHOLE)
    await storage.create_directory(W, NewDirectory("d"))
    session = await storage.create_session(W, NewSession(profile=WHOLE.name, amplified_dir="d"))
    await storage.create_session(W, NewSession())
    stored = await storage.session_profile(W, session.id)
    lines = await exported(storage)
    assert [line.profile for line in lines if isinstance(line.profile, ProfileSettings)] == [stored]
    assert lines[2].profile == stored
    await storage.import_sessions("other", export_of(lines), "fail")
    assert await storage.session_profile("other", session.id) == stored
    assert (await storage.get_session("other", session.id)).amplified_dir == "d"
    without = [line for line in lines if line.profile is UNSET and line.plan is UNSET]
    await storage.import_sessions("third", export_of(without), "fail")
    with pytest.raises(SessionProfileUnknown, match="was imported without its profile foundation/base"):
        await storage.session_profile("third", session.id)
