"""Merge patches (RFC 7396)."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.directories import DirectoryPatch, NewDirectory
from amplifierd.storage.model.errors import (
    ContextTooLarge,
    DirectoryMetadataRefused,
    ProfileInvalid,
    SessionNotFound,
    VersionMismatch,
)
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile, ProfilePatch
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import Failure, Fork, NewSession, Session, SessionPatch, SessionSummary
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import create_session, records

W = "default"
LONG = 20_000


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value, separators=(",", ":")).encode())


async def test_update_leaves_other_fields(storage: Storage) -> None:
    await storage.create_profile(W, NewProfile("q"))
    session = await create_session(storage, NewSession(name="a", profile="p", context=raw({"k": 1})))
    patched = await storage.update_session(W, session.id, SessionPatch(profile="q"))
    assert (patched.name, patched.profile, bytes(patched.context)) == ("a", "q", b'{"k":1}')
    assert patched == await storage.get_session(W, session.id)
    assert patched.version == 2


async def test_name_is_set_and_removed(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    assert (await storage.update_session(W, session.id, SessionPatch(name="Straße"))).name == "Straße"
    assert [summary.name for summary in await listed(storage, name="STRASSE")] == ["Straße"]
    assert (await storage.update_session(W, session.id, SessionPatch(name=None))).name is UNSET
    assert await listed(storage, name="straße") == []


async def listed(storage: Storage, name: str) -> list[SessionSummary]:
    return await records(await storage.list_sessions(W, SessionQuery(name=name)), SessionSummary)


async def test_empty_patch_changes_nothing(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    assert await storage.update_session(W, session.id, SessionPatch()) == session


async def test_context_keeps_order_and_digits(storage: Storage) -> None:
    context = Raw(b'{"b":1.0,"a":123456789012345678901234567890,"c":"\\u0000","d":{"y":1,"x":2}}')
    session = await storage.create_session(W, NewSession(context=context))
    patch = SessionPatch(context=Raw(b'{"e":1E5,"a":null,"d":{"x":2.50,"z":[null]}}'))
    merged = await storage.update_session(W, session.id, patch)
    assert bytes(merged.context) == b'{"b":1.0,"c":"\\u0000","d":{"y":1,"x":2.50,"z":[null]},"e":1E5}'


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


NAMES = st.sampled_from(["a", "b", "", "é", 'q"', "a\\b", "\0", "n\n", "𝄞", "a b", "$", "a.b", "[0]"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)


@pytest.fixture
def merged_by_storage(database: str) -> Iterator[Callable[[Any, Any], Any]]:
    """Merge a patch into a context by a storage."""
    storage = open_storage(database)

    async def merged(context: Any, patch: Any) -> Any:
        session = await storage.create_session(W, NewSession(context=raw(context)))
        await storage.update_session(W, session.id, SessionPatch(context=raw(patch)))
        return json.loads(bytes((await storage.get_session(W, session.id)).context))

    with asyncio.Runner() as runner:
        runner.run(storage.open())
        yield lambda context, patch: runner.run(merged(context, patch))
        runner.run(storage.close())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(context=OBJECTS, patch=OBJECTS)
def test_contexts_are_merged_as_in_the_rfc(
    merged_by_storage: Callable[[Any, Any], Any], context: Any, patch: Any
) -> None:
    expected = merge(context, patch)
    merged = merged_by_storage(context, patch)
    assert merged == expected
    assert list(merged) == list(expected)


async def test_concurrent_patches_lose_no_key(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    await asyncio.gather(
        *(storage.update_session(W, session.id, SessionPatch(context=raw({f"k{n}": n}))) for n in range(50))
    )
    context = json.loads(bytes((await storage.get_session(W, session.id)).context))
    assert context == {f"k{n}": n for n in range(50)}


async def test_context_of_any_length_is_returned_unchanged(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"a": 1})))
    await storage.start_session(W, session.id)
    for length in (10, 300, 1, 1_000, 20):
        patched = await storage.update_session(W, session.id, SessionPatch(context=raw({"a": "x" * length})))
        assert json.loads(bytes(patched.context)) == {"a": "x" * length}
    failed = await storage.fail_session(W, session.id, Failure("It broke.", raw({"b": 1})))
    fork = await storage.fork_session(W, session.id, Fork())
    assert failed.context == fork.context == patched.context
    resumed = await storage.resume_session(W, session.id)
    assert (resumed.context, resumed.error_details) == (patched.context, UNSET)


@pytest.mark.parametrize("length", [1, 300])
async def test_context_is_beside_the_details_of_an_error(storage: Storage, length: int) -> None:
    context = raw({"a": "x" * length})
    session = await storage.create_session(W, NewSession(context=context))
    await storage.start_session(W, session.id)
    details = raw({"b": 1})
    failed = await storage.fail_session(W, session.id, Failure("It broke.", details))
    assert (failed.context, failed.error_details) == (context, details)
    patched = await storage.update_session(W, session.id, SessionPatch(context=raw({"c": 2})))
    assert (bytes(patched.context), patched.error_details) == (bytes(context)[:-1] + b',"c":2}', details)
    lines = await exported(storage)
    await storage.import_sessions(W, export_of(lines), "new_id")
    assert [line.session.context for line in await exported(storage) if isinstance(line.session, Session)] == [
        patched.context
    ] * 2


async def test_context_members_are_limited(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(context=raw({f"a{n}": n for n in range(1000)})))
    with pytest.raises(ContextTooLarge, match="would have 1025 members; the limit is 1024"):
        await storage.update_session(W, session.id, SessionPatch(context=raw({f"b{n}": n for n in range(25)})))
    assert await storage.get_session(W, session.id) == session
    await storage.update_session(W, session.id, SessionPatch(context=raw({f"b{n}": n for n in range(24)})))


async def test_context_values_are_limited(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"a": [0] * 60_000})))
    with pytest.raises(ContextTooLarge, match="would have more than 100000 values"):
        await storage.update_session(W, session.id, SessionPatch(context=raw({"b": [[]] * 40_000})))
    assert await storage.get_session(W, session.id) == session
    await storage.update_session(W, session.id, SessionPatch(context=raw({"b": ["[,]"] * 39_997})))


async def test_context_does_not_grow_without_bound(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"a": "x" * 5_000_000})))
    with pytest.raises(ContextTooLarge, match=r"would have 100000\d\d bytes"):
        await storage.update_session(W, session.id, SessionPatch(context=raw({"b": "x" * 5_000_000})))
    assert (await storage.get_session(W, session.id)).version == 1


async def test_concurrent_large_patches_lose_no_key(storage: Storage, other: Storage) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"text": "x" * LONG})))
    patches = [SessionPatch(context=raw({str(number): number})) for number in range(40)]
    nodes = (storage, other)
    await asyncio.gather(
        *(nodes[number % 2].update_session(W, session.id, patch) for number, patch in enumerate(patches))
    )
    merged = json.loads(bytes((await storage.get_session(W, session.id)).context))
    assert {name for name in merged if name != "text"} == {str(number) for number in range(40)}


async def test_failed_large_patch_changes_nothing(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"text": "x" * LONG})))
    too_many = SessionPatch(name="new", context=raw({str(number): number for number in range(99_000)}))
    with pytest.raises(ContextTooLarge, match="99000 members"):
        await storage.update_session(W, session.id, too_many)
    with pytest.raises(VersionMismatch):
        await storage.update_session(W, session.id, too_many, versions=(7,))
    with pytest.raises(SessionNotFound):
        await storage.update_session(W, "nobody", too_many)
    assert await storage.get_session(W, session.id) == session


async def test_patched_context_is_limited_in_growth(storage: Storage) -> None:
    names = raw({f"{'x' * 1_000}{number}": None for number in range(1_100)})
    await storage.create_directory(W, NewDirectory("a"))
    with pytest.raises(DirectoryMetadataRefused, match="a patch of"):
        await storage.update_directory(W, "a", DirectoryPatch(metadata=names))
    await storage.create_profile(W, NewProfile("q"))
    with pytest.raises(ProfileInvalid, match="the patch has"):
        await storage.update_profile(W, "q", ProfilePatch(context=names))
