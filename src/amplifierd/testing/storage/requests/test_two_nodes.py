"""Two storages on one database, as in two processes or on two machines."""

import asyncio

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.testing.storage.steps import read

W = "default"


async def test_nodes_read_each_other_s_writes(storage: Storage, other: Storage) -> None:
    session = await storage.create_session(W, NewSession())
    assert (await other.get_session(W, session.id)).id == session.id
    await other.append_message(W, session.id, NewMessage(content="x"))
    assert len(await read(storage, session.id)) == 1


async def test_nodes_append_to_one_session_without_gaps(storage: Storage, other: Storage) -> None:
    session = await storage.create_session(W, NewSession())

    async def write(node: Storage) -> None:
        for _ in range(50):
            await node.append_message(W, session.id, NewMessage(content="x"))
            await node.resume_session(W, session.id)

    await asyncio.gather(*(write(node) for node in (storage, other) for _ in range(4)))
    assert [message.sequence for message in await read(other, session.id)] == list(range(1, 401))
    assert (await storage.get_session(W, session.id)).message_count == 400
