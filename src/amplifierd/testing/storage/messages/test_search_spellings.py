"""Search: times, and words that are spelled in another way than in the query."""

import pytest

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.testing.storage.steps import records

W = "default"
OF_DATE = ["2026-04-01", '"2026-04-01"', "1 April 2026", "Apr", "10:00", "2026-04-01*", "2026-04-01T1*"]


async def is_found(storage: Storage, session_id: str, text: str) -> bool:
    query = SearchQuery(text, session_id=session_id)
    return bool(await records(await storage.search_messages(W, query), SearchHit))


async def check(storage: Storage, message: str, found: list[str], missed: list[str]) -> None:
    """Check which queries find a message, and which do not."""
    session = await storage.create_session(W, NewSession())
    await storage.append_message(W, session.id, NewMessage(content=message))
    assert [text for text in found if not await is_found(storage, session.id, text)] == []
    assert [text for text in missed if await is_found(storage, session.id, text)] == []


@pytest.mark.parametrize(
    ("message", "found", "missed"),
    [
        (
            "started 2026-04-01T10:00:00Z",
            [*OF_DATE, "2026-04-01T10:00:00Z", "10:00:00", "00Z", '"2026-04-01 10:00"'],
            ["2026-04-02", "11:00", "1 May 2026"],
        ),
        ("started 2026-04-01t10:00:00z", [*OF_DATE, "2026-04-01T10:00:00Z"], ["2026-04-02"]),
        ("2026-04-01T10:00:00.123+02:00 INFO é", [*OF_DATE, "10:00:00.123", "02:00"], ["10:01"]),
        ('{"ts":"2026-04-01T10:00:00.123456Z","level":"info"}', [*OF_DATE, "10:00:00.123456", "info"], ["10:01"]),
        ("backup-2026-04-01T10-00.tar.gz", [*OF_DATE, "10-00", "backup"], ["2026-04-10"]),
        ("2026-04-01 10:00:00", [*OF_DATE, "2026-04-01T10:00:00"], ["2026-04-02"]),
        ("log_2026-04-01.txt", ["Apr", "1 April", "2026-04-01"], ["May"]),
        ("20260401T100000Z", ["2026-04-01"], []),
        ("It is 10:30am, or 4PM", ["10:30", "10:30am", "10:30 AM", "4pm", '"4 pm"'], ["10:30pm", "4am"]),
        # Neither a time nor a number with a unit.
        ("Gate 12-34-5Tx, node z10am", ["5tx", "z10am"], ["z10"]),
    ],
)
async def test_times_are_found_by_their_parts(
    storage: Storage, message: str, found: list[str], missed: list[str]
) -> None:
    await check(storage, message, found, missed)
