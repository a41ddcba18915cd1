"""A clock that is set back, while a storage is open or between two openings, does not change any order."""

from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace

from amplifierd.storage import open_storage
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SessionQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    CleanUp,
    Export,
    ExportHeader,
    ExportLine,
    Failure,
    Fork,
    Listing,
    NewMessage,
    NewMessages,
    NewSession,
    SessionSummary,
)
from amplifierd.storage.values.clock import LAST_MOMENT, Clock, text_at
from amplifierd.testing.storage.steps import read, records

W = "default"
HOUR = 3_600_000_000
NOON = 1_763_726_400_000_000


class Machine:
    """The system clock: it advances by a millisecond at each reading, and can be set."""

    def __init__(self, microseconds: int = NOON) -> None:
        self.microseconds = microseconds

    def __call__(self) -> int:
        self.microseconds += 1_000
        return self.microseconds * 1_000


def opened(database: str, machine: Machine) -> Storage:
    return open_storage(database, clock=Clock(machine))


async def ids(storage: Storage, query: SessionQuery) -> list[str]:
    listing: Listing = await storage.list_sessions(W, query)
    return [session.id for session in await records(listing, SessionSummary)]


@pytest.mark.parametrize("restarted", [False, True])
async def test_sessions_keep_their_order_if_the_clock_is_set_back(database: str, *, restarted: bool) -> None:
    machine = Machine()
    storage = opened(database, machine)
    await storage.open()
    first = [(await storage.create_session(W, NewSession())).id for _ in range(3)]
    await storage.append_message(W, first[0], NewMessage(content="before"))
    machine.microseconds -= HOUR
    if restarted:
        await storage.close()
        storage = opened(database, machine)
        await storage.open()
    second = [(await storage.create_session(W, NewSession())).id for _ in range(3)]
    assert await ids(storage, SessionQuery(sort="created_at")) == [*first, *second]
    assert await ids(storage, SessionQuery(sort="updated_at")) == [first[1], first[2], first[0], *second]
    await storage.append_message(W, first[1], NewMessage(content="after"))
    await storage.fork_session(W, first[0], Fork())
    await storage.fail_session(W, first[0], Failure("x"))
    await storage.resume_session(W, first[2])
    *others, forked = await ids(storage, SessionQuery(sort="created_at"))
    assert others == [*first, *second]
    assert await ids(storage, SessionQuery()) == [first[2], first[0], forked, first[1], *reversed(second)]
    await storage.close()


async def test_times_of_a_transcript_do_not_go_back(database: str) -> None:
    machine = Machine()
    async with opened(database, machine) as storage:
        session = await storage.create_session(W, NewSession())
        for _ in range(3):
            await storage.append_message(W, session.id, NewMessage(content="x"))
            machine.microseconds -= HOUR
        times = [message.timestamp for message in await read(storage, session.id)]
    assert times == sorted(set(times))
    assert session.created_at < times[0]


async def test_storages_on_one_database_share_the_time(database: str) -> None:
    ahead, behind = Machine(NOON + HOUR), Machine(NOON)
    async with opened(database, ahead) as first:
        before = await first.create_session(W, NewSession())
        async with opened(database, behind) as second:
            after = await second.create_session(W, NewSession())
    assert before.id < after.id
    assert before.updated_at < after.updated_at


async def test_clock_ignores_times_imported_from_the_future(database: str) -> None:
    machine = Machine(NOON + 400 * 24 * HOUR)
    async with opened(database, machine) as storage:
        await storage.create_session(W, NewSession())
    machine.microseconds = NOON
    async with opened(database, machine) as storage:
        session = await storage.create_session(W, NewSession())
    assert session.created_at < text_at(NOON + HOUR)


async def completed_session(storage: Storage) -> str:
    session = await storage.create_session(W, NewSession())
    await storage.append_messages(W, session.id, NewMessages([BatchMessage(content="x")]))
    await storage.complete_session(W, session.id)
    return session.id


async def test_cleanup_counts_days_by_the_system_clock(database: str) -> None:
    machine = Machine()
    async with opened(database, machine) as storage:
        old = await completed_session(storage)
        machine.microseconds += 400 * 24 * HOUR
        ahead = await completed_session(storage)
        machine.microseconds -= 400 * 24 * HOUR
        young = await completed_session(storage)
        assert (await storage.clean_up_sessions(W, CleanUp(older_than_days=1))).sessions == 0
        machine.microseconds += 30 * 24 * HOUR
        month = await storage.clean_up_sessions(W, CleanUp(older_than_days=1))
        assert set(month.session_ids) == {old, young}
        everything = await storage.clean_up_sessions(W, CleanUp(older_than_days=0, dry_run=False))
        assert set(everything.session_ids) == {old, young, ahead}


async def test_cleanup_of_0_days_includes_the_last_moment(storage: Storage) -> None:
    session = await storage.create_session("elsewhere", NewSession())
    session = replace(session, status="completed", updated_at=LAST_MOMENT)

    async def batches() -> AsyncGenerator[list[ExportLine], None]:
        yield [ExportLine(header=ExportHeader(version=1)), ExportLine(session=session)]

    await storage.import_sessions(W, Export(batches()), "fail")
    assert (await storage.clean_up_sessions(W, CleanUp(older_than_days=0))).session_ids == (session.id,)


async def test_session_of_the_latest_time_can_be_resumed(storage: Storage) -> None:
    session = replace(await storage.create_session("elsewhere", NewSession()), updated_at=LAST_MOMENT)

    async def batches() -> AsyncGenerator[list[ExportLine], None]:
        yield [ExportLine(header=ExportHeader(version=1)), ExportLine(session=session)]

    await storage.import_sessions(W, Export(batches()), "fail")
    resumed = await storage.resume_session(W, session.id)
    assert (resumed.status, resumed.updated_at) == ("active", LAST_MOMENT)
    message = await storage.append_message(W, session.id, NewMessage(content="x"))
    assert message.timestamp == LAST_MOMENT
    assert (await storage.create_session(W, NewSession())).created_at < LAST_MOMENT
