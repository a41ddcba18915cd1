"""Search: times, and words that are spelled in another way than in the query."""

import pytest

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery
from amplifierd.storage.model.records import BatchMessage, NewMessage, NewMessages, NewSession
from amplifierd.testing.storage.steps import records

W = "default"
OF_DATE = ["2026-04-01", '"2026-04-01"', "1 April 2026", "Apr", "10:00", "2026-04-01*", "2026-04-01T1*"]


async def is_found(storage: Storage, session_id: str, text: str) -> bool:
    query = SearchQuery(text, session_id=session_id)
    return bool(await records(await storage.search_messages(W, query), SearchHit))


async def missed_pairs(storage: Storage, pairs: list[tuple[str, str]]) -> list[str]:
    """The pairs of which one word does not find the other."""
    session = await storage.create_session(W, NewSession())
    words = list(dict.fromkeys(word for pair in pairs for word in pair))
    messages = [BatchMessage(content=f"The word {word}.") for word in words]
    await storage.append_messages(W, session.id, NewMessages(messages))
    found = {}
    for word in words:
        query = SearchQuery(word, session_id=session.id, limit=1_000)
        hits = await records(await storage.search_messages(W, query), SearchHit)
        found[word] = {words[hit.sequence - 1] for hit in hits}
    both = [(query, word) for one, other in pairs for query, word in ((one, other), (other, one))]
    return [f"{query} -> {word}" for query, word in both if word not in found[query]]


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


FORMS = [
    "leaf leaves, thief thieves, wolf wolves, wife wives, bus buses, quiz quizzes, status statuses, goose geese",
    "panic panicked, panic panicking, panics panicked, mimic mimicked, drive drove, drive driven, driving drove",
    "go gone, go went, go goes, going went, do done, do did, do does, undo undone, shake shaken, shake shook",
    "override overrode, rebuild rebuilt, stick stuck, ride ridden, stand stood, forbid forbidden, sink sunk",
    "happy happier, happy happily, happier happiest, happiness happier, easy easily, easy easiest, early earlier",
    "big biggest, big bigger, lazy laziest, fast faster, slow slowly, slow slower, large largest, new newly, bad worst",
    "алексей Алексея",
    "алексею Алексея",
    "музей музея, музеем музей",
]


@pytest.mark.parametrize("forms", FORMS)
async def test_forms_of_a_word_find_each_other(storage: Storage, forms: str) -> None:
    pairs = [(one, other) for one, other in map(str.split, forms.split(", "))]
    assert await missed_pairs(storage, pairs) == []


async def test_other_words_do_not_find_each_other(storage: Storage) -> None:
    others = "leaf leave, late latest, good best, rise rose, bite bit, carry carrier"
    others += ", wolf wolverine, easy ease, busy business, do doe, go goal, bus business, big bigot, goose good"
    pairs = [(one, other) for one, other in map(str.split, others.split(", "))]
    assert len(await missed_pairs(storage, pairs)) == 2 * len(pairs)
