"""Branches: forks, parents and children."""

import pytest
from msgspec import UNSET, Raw, structs

from amplifierd.storage.model.errors import SessionNotFound, TooFewMessages
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import Fork, NewMessage, NewSession, Session
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import create_session, read

W = "default"


async def talk(storage: Storage, messages: int) -> Session:
    new = NewSession(name="Talk", profile="p", context=Raw(b'{"b":1.0}'), amplified_dir="d")
    session = await create_session(storage, new)
    for number in range(1, messages + 1):
        await storage.append_message(W, session.id, NewMessage(content=str(number), token_count=number))
    return await storage.get_session(W, session.id)


@pytest.mark.parametrize(("at_sequence", "copied"), [(None, 4), (4, 4), (2, 2), (0, 0)])
async def test_fork_starts_as_a_copy(storage: Storage, at_sequence: int | None, copied: int) -> None:
    parent = await talk(storage, 4)
    fork = await storage.fork_session(W, parent.id, Fork(at_sequence))
    assert fork == await storage.get_session(W, fork.id)
    assert (fork.parent_session_id, fork.forked_at_sequence, fork.message_count) == (parent.id, copied, copied)
    assert fork.token_usage == sum(range(copied + 1))
    assert (fork.name, fork.profile, bytes(fork.context), fork.amplified_dir) == ("Talk", "p", b'{"b":1.0}', "d")
    assert (fork.status, fork.started_at is UNSET) == (("active", False) if copied else ("created", True))
    assert fork.version == 1
    assert await read(storage, fork.id) == (await read(storage, parent.id))[:copied]


async def test_fork_is_independent(storage: Storage) -> None:
    parent = await talk(storage, 2)
    fork = await storage.fork_session(W, parent.id, Fork(1, "Other"))
    assert fork.name == "Other"
    assert (await storage.append_message(W, fork.id, NewMessage(content="other"))).sequence == 2
    assert [message.content for message in await read(storage, parent.id)] == ["1", "2"]
    assert [message.content for message in await read(storage, fork.id)] == ["1", "other"]
    await storage.delete_session(W, parent.id)
    assert len(await read(storage, fork.id)) == 2


async def test_fork_of_an_ended_session_is_active(storage: Storage) -> None:
    parent = await talk(storage, 2)
    await storage.complete_session(W, parent.id)
    fork = await storage.fork_session(W, parent.id, Fork())
    assert (fork.status, fork.ended_at) == ("active", UNSET)
    await storage.append_message(W, fork.id, NewMessage(content="x"))


async def test_fork_needs_the_message(storage: Storage) -> None:
    parent = await talk(storage, 2)
    with pytest.raises(TooFewMessages, match=f"Cannot fork session {parent.id} at message 3: its last message is 2"):
        await storage.fork_session(W, parent.id, Fork(3))


async def test_long_session_is_forked_completely(storage: Storage) -> None:
    parent = await talk(storage, 300)
    fork = await storage.fork_session(W, parent.id, Fork(299))
    assert [message.sequence for message in await read(storage, fork.id)] == list(range(1, 300))


async def test_lineage_leads_up_and_one_step_down(storage: Storage) -> None:
    first = await talk(storage, 1)
    second = await storage.fork_session(W, first.id, Fork())
    third = await storage.fork_session(W, second.id, Fork())
    children = [await storage.fork_session(W, third.id, Fork(0)) for _ in range(3)]
    lineage = await storage.lineage(W, third.id)
    assert lineage.session_id == third.id
    assert [session.id for session in lineage.ancestors] == [second.id, first.id]
    assert [session.id for session in lineage.children] == [session.id for session in children]
    assert (await storage.lineage(W, first.id)).ancestors == []
    assert [session.id for session in (await storage.lineage(W, first.id)).children] == [second.id]


async def test_lineage_ends_at_a_missing_parent(storage: Storage) -> None:
    first = await talk(storage, 1)
    second = await storage.fork_session(W, first.id, Fork())
    third = await storage.fork_session(W, second.id, Fork())
    await storage.delete_session(W, first.id)
    assert [session.id for session in (await storage.lineage(W, third.id)).ancestors] == [second.id]
    await storage.delete_session(W, second.id)
    assert (await storage.lineage(W, third.id)).ancestors == []
    assert (await storage.get_session(W, third.id)).parent_session_id == second.id


async def test_lineage_ends_at_a_cycle_of_parents(storage: Storage) -> None:
    ids = [(await talk(storage, 0)).id for _ in range(3)]
    parents = dict(zip(ids, [ids[2], ids[0], ids[1]], strict=True))
    lines = [
        structs.replace(line, session=structs.replace(line.session, parent_session_id=parents[line.session.id]))
        if isinstance(line.session, Session)
        else line
        for line in await exported(storage)
    ]
    for session_id in ids:
        await storage.delete_session(W, session_id)
    await storage.import_sessions(W, export_of(lines), "fail")
    assert [session.id for session in (await storage.lineage(W, ids[0])).ancestors] == [ids[2], ids[1]]


async def test_unknown_sessions_have_no_branches(storage: Storage) -> None:
    with pytest.raises(SessionNotFound):
        await storage.fork_session(W, "x", Fork())
    with pytest.raises(SessionNotFound):
        await storage.lineage(W, "x")
