"""Large patches and appends: other writes do not wait for all of them."""

import asyncio
import json

import msgspec
import pytest
from msgspec import Raw

from amplifierd.storage.backend import concurrency_limit
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    BatchMessage,
    NewMessages,
    NewSession,
    SessionPatch,
)
from amplifierd.storage.operations.patches import object_patch
from amplifierd.storage.operations.patches.object_patch import MAX_UNPREPARED_BYTES, patch_object
from amplifierd.storage.values.merge_patch import merge_patch
from amplifierd.testing.storage.messages.test_messages import opened
from amplifierd.testing.storage.sessions.test_patches import raw

W = "default"


@pytest.mark.parametrize("depth", [3, 4, 5, 90])
def test_depth_is_merged_like_the_rest(depth: int) -> None:
    def around(inner: str) -> str:
        return '{"a":' * depth + inner + "}" * depth

    target = around('{"keep":[1.0,{"x":null}],"go":1,"as_text":1,"-":-0}')
    patch = around('{"go":null,"as_text":{"new":1E5,"gone":null},"list":[null,12345678901234567890123]}')
    expected = around('{"keep":[1.0,{"x":null}],"as_text":{"new":1E5},"-":-0,"list":[null,12345678901234567890123]}')
    assert merge_patch(target, patch) == expected


async def test_large_patches_are_merged_before_their_transactions(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await storage.create_session(W, NewSession(context=raw({"text": "x" * MAX_UNPREPARED_BYTES})))
    sizes: list[int] = []

    def measured(too_large: object_patch.TooLarge, before: str, patch: Raw) -> object_patch.PatchedObject:
        sizes.append(len(before) + len(bytes(patch)))
        return patch_object(too_large, before, patch)

    # This name is the one that a transaction calls.
    monkeypatch.setattr(object_patch, "patch_object", measured)
    for number in range(3):
        await storage.update_session(W, session.id, SessionPatch(context=raw({str(number): number})))
    small = await storage.update_session(W, session.id, SessionPatch(context=raw({"text": None})))
    assert sizes == []
    assert json.loads(bytes(small.context)) == {"0": 0, "1": 1, "2": 2}
    await storage.update_session(W, session.id, SessionPatch(context=raw({"3": 3})))
    assert len(sizes) == 1


async def test_short_append_waits_for_one_large_append_at_most(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Eight large ones may take longer than one waits for its turn.
    monkeypatch.setattr(concurrency_limit, "WAIT_SECONDS", 120)
    session_id, other_id = await opened(storage), await opened(storage)
    ended: list[str] = []

    async def append(name: str, session_id: str, new: NewMessages) -> None:
        await storage.append_messages(W, session_id, new)
        ended.append(name)

    calls = [{"type": "tool_call", "call": str(number), "name": "x", "input": ""} for number in range(900)]
    message = BatchMessage(role="assistant", parts=Raw(msgspec.json.encode(calls)))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(append("large", session_id, NewMessages([message] * 8)))
        # The first of them is running, the others wait.
        await asyncio.sleep(0)
        tasks.create_task(append("short", other_id, NewMessages([BatchMessage("hello")])))
    assert ended.index("short") <= 2
