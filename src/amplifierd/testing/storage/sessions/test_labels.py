"""Labels, archived and pinned sessions, lists filtered by them, and the last message in a summary."""

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from amplifierd.storage.model.errors import ImportInvalid, LabelsInvalid
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchHit, SearchQuery, SessionQuery
from amplifierd.storage.model.records import (
    BatchMessage,
    ExportLine,
    Fork,
    LastMessage,
    NewMessage,
    NewMessages,
    NewSession,
    Session,
    SessionPatch,
    SessionSummary,
)
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import records

W = "default"


async def listed(storage: Storage, **query: Any) -> list[SessionSummary]:
    return await records(await storage.list_sessions(W, SessionQuery(**query)), SessionSummary)


async def ids(storage: Storage, **query: Any) -> list[str]:
    """The ids of a list, read at once and in pages of one, which must be equal."""
    whole = [each.id for each in await listed(storage, **query)]
    paged: list[str] = []
    cursor: str | None = None
    while True:
        page = await storage.list_sessions(W, SessionQuery(**query, limit=1, cursor=cursor, total=True))
        assert page.total == len(whole)
        paged += [each.id for each in await records(page, SessionSummary)]
        cursor = page.next_cursor
        if cursor is None:
            assert paged == whole
            return whole


async def test_labels_are_merged(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(labels={"project": "atlas", "topic": "a:b"}))
    assert session.labels == {"project": "atlas", "topic": "a:b"}
    patch = SessionPatch(labels={"topic": None, "é 😀": "x", "project": "borea", "unknown": None})
    patched = await storage.update_session(W, session.id, patch)
    assert (patched.labels, patched.version) == ({"project": "borea", "é 😀": "x"}, 2)
    assert await storage.get_session(W, session.id) == patched
    assert [each.labels for each in await listed(storage)] == [patched.labels]
    patched = await storage.update_session(W, session.id, SessionPatch(labels={"project": None, "é 😀": None}))
    assert patched.labels is UNSET
    assert await ids(storage, labels=("project",)) == []


async def test_session_is_archived_and_pinned(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(pinned=True))
    assert (session.archived, session.pinned) == (UNSET, True)
    session = await storage.update_session(W, session.id, SessionPatch(archived=True, pinned=False))
    assert (session.archived, session.pinned) == (True, UNSET)
    assert [(each.archived, each.pinned) for each in await listed(storage)] == [(True, UNSET)]


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [
        ({"": "x"}, "/labels/"),
        ({"x" * 201: "x"}, f"/labels/{'x' * 201}"),
        ({"a/b~c:d": "x"}, "/labels/a~1b~0c:d"),
        ({"a\nb": "x"}, "/labels/a\nb"),
        ({str(number): "x" for number in range(65)}, "/labels"),
    ],
)
async def test_invalid_labels_are_refused(storage: Storage, labels: dict[str, str], pointer: str) -> None:
    with pytest.raises(LabelsInvalid) as refused:
        await storage.create_session(W, NewSession(labels=labels))
    assert refused.value.pointer == pointer
    session = await storage.create_session(W, NewSession())
    with pytest.raises(LabelsInvalid) as refused:
        await storage.update_session(W, session.id, SessionPatch(labels={**labels}))
    assert refused.value.pointer == pointer
    assert await storage.get_session(W, session.id) == session


async def test_labels_are_limited_to_64(storage: Storage) -> None:
    labels = {f"{number:0200}": "v" * 200 for number in range(64)}
    session = await storage.create_session(W, NewSession(labels=labels))
    with pytest.raises(LabelsInvalid, match="would be 65; the limit is 64"):
        await storage.update_session(W, session.id, SessionPatch(labels={"new": "x"}))
    patch: dict[str, str | None] = {"new": "x", f"{0:0200}": None}
    assert len((await storage.update_session(W, session.id, SessionPatch(labels=patch))).labels or {}) == 64


@pytest.mark.parametrize("sort", ["-updated_at", "updated_at", "-created_at", "name"])
async def test_sessions_are_filtered_by_labels_and_marks(storage: Storage, sort: Any) -> None:
    new = [
        NewSession(name="A", labels={"p": "1"}),
        NewSession(name="b", labels={"p": "1", "q": "x:y"}, archived=True),
        NewSession(name="C", labels={"p": "2"}, pinned=True),
        NewSession(name="d"),
        NewSession(),
    ]
    sessions = [(await storage.create_session(W, each)).id for each in new]
    sessions.append((await storage.fork_session(W, sessions[2], Fork(name="E"))).id)
    await storage.start_session(W, sessions[3])
    await storage.complete_session(W, sessions[3])
    await storage.append_message(W, sessions[0], NewMessage("x"))
    in_order = await ids(storage, sort=sort)
    cases: list[tuple[dict[str, Any], set[int]]] = [
        ({"labels": ("p",)}, {0, 1, 2, 5}),
        ({"labels": ("p:1",)}, {0, 1}),
        ({"labels": ("p:1", "q")}, {1}),
        ({"labels": ("q:x:y",)}, {1}),
        ({"labels": ("p:",)}, set()),
        ({"labels": ("p:1",), "archived": False}, {0}),
        ({"labels": ("p",), "roots": True}, {0, 1, 2}),
        ({"labels": ("p",), "name": "E"}, {5}),
        ({"archived": True}, {1}),
        ({"archived": False}, {0, 2, 3, 4, 5}),
        ({"pinned": True}, {2}),
        ({"pinned": False, "archived": False}, {0, 3, 4, 5}),
        ({"status": ("completed",)}, {3}),
        ({"status": ("completed", "active")}, {0, 3}),
        ({"status": ("created",), "labels": ("p",)}, {1, 2, 5}),
        ({"roots": True}, {0, 1, 2, 3, 4}),
        ({"ids": (sessions[0].upper(), sessions[4], sessions[4])}, {0, 4}),
        ({"ids": (sessions[0], sessions[1]), "labels": ("q",)}, {1}),
    ]
    for query, found in cases:
        expected = [each for each in in_order if sessions.index(each) in found]
        assert await ids(storage, sort=sort, **query) == expected, query


async def test_sessions_are_sorted_by_name_without_case(storage: Storage) -> None:
    names = ["b", "A", None, "Ä", "a", "B", None, "Straße", "STRASSE 2", "x" * 200, "😀"]
    names_by_id = {(await storage.create_session(W, NewSession(name=name))).id: name for name in names}
    ascending = await ids(storage, sort="name")
    expected = sorted(
        names_by_id,
        key=lambda session_id: (
            names_by_id[session_id] is None,
            (names_by_id[session_id] or "").casefold(),
            session_id,
        ),
    )
    assert ascending == expected
    assert await ids(storage, sort="-name") == expected[::-1]
    page = await storage.list_sessions(W, SessionQuery(sort="name", limit=2))
    await storage.delete_session(W, ascending[1])
    rest = await storage.list_sessions(W, SessionQuery(sort="name", cursor=page.next_cursor))
    assert [each.id for each in await records(rest, SessionSummary)] == ascending[2:]


@pytest.mark.parametrize("cursor", ["A" * 32, "_" * 32, "-" * 33, "AAAA" * 512, "_" * 2_047])
async def test_any_text_is_a_position_among_names(storage: Storage, cursor: str) -> None:
    session = await storage.create_session(W, NewSession(name="a"))
    for sort in ("name", "-name", "-updated_at"):
        page = await storage.list_sessions(W, SessionQuery(sort=sort, cursor=cursor, limit=1))
        assert {each.id for each in await records(page, SessionSummary)} <= {session.id}


async def test_summary_has_the_last_message(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(labels={"p": "1"}))
    assert (await listed(storage))[0].last_message is UNSET
    text = '"\\\0é😀' * 100
    sent = await storage.append_message(W, session.id, NewMessage(text, role="tool"))
    expected = LastMessage("tool", sent.timestamp, text[:200])
    assert (await listed(storage))[0].last_message == expected
    # Later changes of the session do not affect it.
    resumed = await storage.resume_session(W, session.id)
    [after] = await listed(storage, labels=("p",))
    assert (after.last_message, after.updated_at) == (expected, resumed.updated_at)
    own = [BatchMessage("a"), BatchMessage("b", role="assistant", timestamp="2023-03-01T10:00:00+01:00")]
    await storage.append_messages(W, session.id, NewMessages(own))
    last = LastMessage("assistant", "2023-03-01T09:00:00.000000Z", "b")
    assert (await listed(storage))[0].last_message == last
    fork = await storage.fork_session(W, session.id, Fork(at_sequence=1))
    assert [each.last_message for each in await listed(storage, ids=(fork.id,))] == [expected]
    empty = await storage.fork_session(W, session.id, Fork(at_sequence=0))
    assert [each.last_message for each in await listed(storage, ids=(empty.id,))] == [UNSET]


async def test_fork_has_the_labels_and_is_not_pinned(storage: Storage) -> None:
    session = await storage.create_session(W, NewSession(labels={"p": "1"}, pinned=True, archived=True))
    fork = await storage.fork_session(W, session.id, Fork())
    assert (fork.labels, fork.pinned, fork.archived) == ({"p": "1"}, UNSET, UNSET)
    assert await ids(storage, labels=("p:1",)) == [fork.id, session.id]
    await storage.delete_session(W, session.id)
    assert await ids(storage, labels=("p:1",)) == [fork.id]


async def test_labels_and_last_messages_are_imported(storage: Storage) -> None:
    session = await storage.create_session("elsewhere", NewSession(labels={"p": "1"}, pinned=True, archived=True))
    await storage.append_messages("elsewhere", session.id, NewMessages([BatchMessage("a"), BatchMessage("b")]))
    lines = await exported(storage, "elsewhere")
    await storage.import_sessions(W, export_of(lines), "fail")
    assert await exported(storage) == lines
    [summary] = await listed(storage, labels=("p:1",), archived=True, pinned=True)
    assert isinstance(summary.last_message, LastMessage)
    assert summary.last_message.content == "b"
    wrong = [
        ExportLine(session=replace(line.session, labels={"a:b": "x"})) if isinstance(line.session, Session) else line
        for line in lines
    ]
    with pytest.raises(ImportInvalid, match="line 2: The labels are invalid: /labels/a:b has a key with a colon"):
        await storage.import_sessions("third", export_of(wrong), "fail")


async def test_search_is_filtered_by_labels_and_marks(storage: Storage) -> None:
    first = await storage.create_session(W, NewSession(labels={"p": "1"}, created_at="2023-03-01T10:00:00Z"))
    second = await storage.create_session(W, NewSession(labels={"p": "2", "q": "x"}))
    for session in (first, second):
        await storage.append_message(W, session.id, NewMessage("hare"))
    updated = (await storage.get_session(W, first.id)).updated_at
    cases: list[tuple[dict[str, Any], list[Session]]] = [
        ({"labels": ("p",)}, [second, first]),
        ({"labels": ("p:1",)}, [first]),
        ({"labels": ("p", "q:x")}, [second]),
        ({"created_after": "2024-01-01T00:00:00Z"}, [second]),
        ({"created_before": "2024-01-01T00:00:00+05:00"}, [first]),
        ({"updated_after": updated}, [second]),
        ({"updated_before": updated}, []),
    ]
    for filters, found in cases:
        for text in ("hare", "ha*"):
            hits = await storage.search_messages(W, SearchQuery(text, **filters))
            assert [hit.session_id for hit in await records(hits, SearchHit)] == [each.id for each in found], filters
