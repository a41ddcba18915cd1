"""Sessions round-trip through other programs' records, which keep what the format cannot express next to messages."""

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from amplifierd.formats import FORMATS
from amplifierd.formats.export_member import digest_of
from amplifierd.formats.exports import Losses, export_formats
from amplifierd.formats.history import Branch
from amplifierd.storage.model.records import Message, Session
from samples.history_reading import FORMATS as HISTORIES
from samples.history_reading import read_branches
from samples.published_blocks import OPENAI_CHAT, PUBLISHED

Object = dict[str, Any]

EXPORTS = export_formats()
READ_AS = {"openai": "openai-messages", "anthropic": "anthropic-messages", "sharegpt": "sharegpt"}
SESSION_ID = "2489e9ad-2ee2-4e00-8ec9-32d5f69181c0"
TIME = "2026-03-01T10:00:00.000000Z"


def imported(source: bytes, name: str) -> tuple[list[tuple[Session, list[Message]]], list[str]]:
    """Import a source. Returns its sessions with their messages, and the kinds of its faults."""
    found: list[tuple[Session, list[Message]]] = []
    faults: list[str] = []
    for each in read_branches(HISTORIES[name], io.BytesIO(source)):
        if isinstance(each, Branch):
            found.append((each.session, [*each.messages()]))
        else:
            faults.append(each.kind)
    return found, faults


def exported(session: Session, messages: list[Message], name: str, losses: Losses | None = None) -> bytes:
    """A session in a format."""
    writer = EXPORTS[name].writer(losses or Losses(), digest_of)
    written = [writer.begin(session), *map(writer.add, messages), writer.turn()]
    if writer.is_read_twice:
        written += map(writer.add_again, messages)
    text = b"".join(written)
    return text + writer.end(len(text))


def session_of(count: int, **members: Any) -> Session:
    """A session with that many messages."""
    fixed: Object = {
        "id": SESSION_ID,
        "status": "active",
        "profile": "default",
        "context": Raw(b"{}"),
        "amplified_dir": ".",
        "created_at": TIME,
        "updated_at": TIME,
        "message_count": count,
        "token_usage": 0,
        "version": count + 1,
    }
    return Session(**{**fixed, **members})


def message_of(sequence: int, role: str, parts: list[Object] | None, **members: Any) -> Message:
    """A message, with a text or with parts."""
    texts = [part["text"] for part in parts or [] if part["type"] == "text" and "call" not in part]
    content = members.pop("content", "\n\n".join(texts))
    fixed: Object = {"metadata": Raw(b"{}"), "parts": UNSET if parts is None else Raw(json.dumps(parts).encode())}
    return Message(role=role, content=content, timestamp=TIME, sequence=sequence, **{**fixed, **members})  # type: ignore[arg-type]  # a role is one of the contract's


def without_member(record: Object) -> Object:
    """A record without the extra member `amplifierd`."""
    assert set(record["amplifierd"]) == {"session", "messages"}
    return {name: value for name, value in record.items() if name != "amplifierd"}


def plain(message: Message) -> Object:
    """A message as JSON, with a text in the form of a part."""
    found: Object = msgspec.json.decode(msgspec.json.encode(message))
    if found.get("parts") == [{"type": "text", "text": message.content}]:
        del found["parts"]
    for name in ("openai-chat", "anthropic", "sharegpt"):
        found["metadata"].pop(name, None)
    return found


ANTHROPIC_RECORDS: list[Object] = [
    {"system": "Be brief.", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 5, "title": None},
    {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}], "messages": []},
    {"system": "", "messages": PUBLISHED["anthropic"]},
    {"id": "abc", "title": " Tides ", "messages": [{"role": "system", "content": "Odd."}], "system": None},
    {"messages": [{"role": "system", "content": [{"type": "text", "text": "Odd."}]}], "system": [5]},
]
OPENAI_RECORDS: list[Object] = [
    {"messages": OPENAI_CHAT, "tools": [], "id": "conv-1", "model": "gpt-5"},
    {"messages": [{"role": "user", "content": "Hello!", "created_at": 1_700_000_000}], "title": "Tides"},
    {"messages": [{"role": "user", "content": []}], "created_at": "2024-01-01T00:00:00Z", "title": ""},
]
RECORDS = {"openai": OPENAI_RECORDS, "anthropic": ANTHROPIC_RECORDS}


@pytest.mark.parametrize(
    ("name", "record"),
    [(name, each) for name, found in RECORDS.items() for each in found],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_record_round_trips(name: str, record: Object) -> None:
    found, faults = imported(json.dumps(record).encode(), READ_AS[name])
    assert faults == []
    for session, messages in found:
        assert without_member(json.loads(exported(session, messages, name))) == record
    assert len(found) == bool(record["messages"] or record.get("system"))


@pytest.mark.parametrize("name", READ_AS)
def test_published_messages_round_trip(name: str) -> None:
    for each in FORMATS:
        sources = [each.read(source) for source in PUBLISHED[each.name]]
        accepted = [
            message_of(place, read["role"], read["parts"], metadata=Raw(json.dumps(read.get("metadata", {})).encode()))
            for place, read in enumerate(sources, 1)
        ]
        check_comes_back(name, accepted)


def check_comes_back(name: str, messages: list[Message]) -> None:
    """Check that an import of an export has the same session and messages."""
    session = session_of(len(messages), name="Tides", labels={"topic": "sea"}, context=Raw(b'{"task":"docs"}'))
    text = exported(session, messages, name)
    assert text.endswith(b"}\n")
    assert text.count(b"\n") == 1
    [(back, found)], faults = imported(text, READ_AS[name])
    assert faults == []
    assert (back.id, back.name, back.created_at) == (SESSION_ID, "Tides", TIME)
    assert json.loads(bytes(back.context)) == {"task": "docs"}
    assert back.labels == {"topic": "sea", "source": READ_AS[name]}
    assert [plain(message) for message in found] == [plain(message) for message in messages]


@pytest.mark.parametrize("name", READ_AS)
def test_messages_of_a_client_round_trip(name: str) -> None:
    call = {"type": "tool_call", "call": "c1", "name": "weather", "input": "not JSON"}
    result = {"type": "tool_result", "call": "c1", "output": "15"}
    image = {"type": "file", "media": "image/png", "url": "data:image/png;base64,AA=="}
    check_comes_back(
        name,
        [
            message_of(1, "system", None, content="Be brief."),
            message_of(2, "developer", None, content="Be brief.", id="m-2"),
            message_of(3, "user", [{"type": "text", "text": "Rain?"}, image], agent="Ada", token_count=5),
            message_of(4, "assistant", [{"type": "reasoning", "text": "Hm", "signature": "x"}, call], model="m-1"),
            message_of(5, "user", [result, {**result, "call": "c2"}, {"type": "text", "text": "And?"}]),
            message_of(6, "assistant", [call, result, {"type": "text", "text": "15 degrees", "call": "c1"}, call]),
            message_of(7, "tool", None, content="No call."),
            message_of(8, "system", None, content="Late."),
            message_of(9, "assistant", [{"type": "data", "kind": "a.b", "value": {"x": 1.0}}]),
            message_of(10, "assistant", [{"type": "source", "url": "https://example.com"}]),
            message_of(11, "user", [], content="", metadata=Raw(b'{"x":1.0}')),
        ],
    )


@pytest.mark.parametrize("name", READ_AS)
def test_deleted_message_is_left_out(name: str) -> None:
    deleted = message_of(1, "system", None, content="", deleted_at=TIME)
    messages = [
        deleted,
        message_of(2, "user", None, content="Rain?", edited_at=TIME),
        msgspec.structs.replace(deleted, sequence=3, role="assistant"),
    ]
    losses = Losses()
    text = exported(session_of(3), messages, name, losses)
    assert dict(losses.left_out) == {"deleted messages": 2}
    record = json.loads(text)
    assert len(record.get("messages", record.get("conversations"))) == 1
    assert "system" not in record
    [(_, found)], faults = imported(text, READ_AS[name])
    assert (faults, [message.content for message in found]) == ([], ["Rain?"])


@pytest.mark.parametrize("name", READ_AS)
def test_fork_stays_a_fork_of_its_messages(name: str) -> None:
    messages = [
        message_of(1, "user", None, content="", deleted_at=TIME),
        message_of(2, "user", None, content="Rain?"),
        message_of(3, "assistant", [{"type": "data", "kind": "a.b", "value": 1}]),
        message_of(4, "user", None, content="Snow?"),
    ]
    parent = "2489e9ad-2ee2-4e00-8ec9-32d5f69181c1"
    for at, expected in ((0, 0), (1, 0), (2, 1), (3, 2), (4, 3)):
        fork = session_of(4, parent_session_id=parent, forked_at_sequence=at)
        [(session, found)], faults = imported(exported(fork, messages, name), READ_AS[name])
        assert (faults, session.parent_session_id, len(found)) == ([], parent, 3)
        assert session.forked_at_sequence == expected
    # The session of an agent has a parent, but is not a fork.
    text = exported(session_of(4, parent_session_id=parent), messages, name)
    for wrong in ("", '"forkedAtSequence":true,', '"forkedAtSequence":"1",', '"forkedAtSequence":-1,'):
        changed = text.replace(b'"parentSessionId"', wrong.encode() + b'"parentSessionId"')
        [(session, _)], _ = imported(changed, READ_AS[name])
        assert (session.parent_session_id, session.forked_at_sequence) == (parent, UNSET)


OTHER = [None, 5, "", "text", "none", [], {}, ["x"], {"type": 5}, {"type": "custom"}, {"content": "text"}]
VALUES = st.sampled_from(OTHER) | st.dictionaries(
    st.sampled_from(["type", "fields", "content", "role", "rest", "own", "url", "source"]), st.sampled_from(OTHER)
)
NATIVE = st.dictionaries(st.sampled_from(["openai-chat", "anthropic", "openai-messages", "anthropic-messages"]), VALUES)
CALLS = st.sampled_from(["c1", "c2"])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(['{"a": 1.0}', "[", "\0"])
PARTS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}, optional={"call": CALLS}),
    st.fixed_dictionaries({"type": st.just("reasoning"), "text": TEXTS}, optional={"signature": TEXTS}),
    st.fixed_dictionaries({"type": st.just("tool_call"), "call": CALLS, "name": CALLS, "input": TEXTS}),
    st.fixed_dictionaries({"type": st.just("tool_result"), "call": CALLS}, optional={"output": TEXTS}),
    st.fixed_dictionaries(
        {
            "type": st.just("file"),
            "media": st.sampled_from(["image/png", "text/plain"]),
            "url": st.sampled_from(["data:image/png;base64,AA==", "https://example.com/a", "urn:x:y"]),
        },
        optional={"name": CALLS},
    ),
    st.fixed_dictionaries({"type": st.just("source"), "url": st.just("https://example.com")}),
    st.fixed_dictionaries(
        {"type": st.just("data"), "kind": st.sampled_from(["anthropic.x", "sharegpt.value"]), "value": VALUES}
    ),
)
# A text next to a result is a separate message; a client's own `native` names no type.
BESIDE_A_RESULT: list[Object] = [
    {"type": "text", "text": "a", "native": {"openai-chat": {"type": None}}},
    {"type": "tool_result", "call": "c1", "output": "b"},
    {"type": "text", "text": "c", "native": {"openai-chat": {"type": 5}}},
]
MESSAGES = st.builds(
    lambda role, parts, natives, metadata, own: message_of(
        1,
        role,
        [{**part, "native": native} if native else part for part, native in zip(parts, natives, strict=False)],
        metadata=Raw(json.dumps(metadata).encode()),
        **own,
    ),
    st.sampled_from(["user", "assistant", "system", "developer", "tool"]),
    st.lists(PARTS, max_size=4),
    st.lists(st.just({}) | NATIVE, min_size=4, max_size=4),
    st.just({}) | NATIVE,
    st.sampled_from([{}, {"id": "m-1"}, {"model": "m"}, {"agent": "a"}]),
)


@pytest.mark.parametrize("name", READ_AS)
@settings(max_examples=60)
@given(messages=st.lists(MESSAGES, min_size=1, max_size=4))
@example(messages=[message_of(1, "user", BESIDE_A_RESULT)])
def test_message_returns_what_the_client_sent(name: str, messages: list[Message]) -> None:
    session = session_of(len(messages))
    numbered = [
        msgspec.structs.replace(message, sequence=place, id=message.id if message.id is UNSET else f"m-{place}")
        for place, message in enumerate(messages, 1)
    ]
    [(_, found)], faults = imported(exported(session, numbered, name), READ_AS[name])
    assert faults == []
    assert [without_form(message, name) for message in found] == [without_form(each, name) for each in numbered]


def without_form(message: Message, name: str) -> Object:
    """A message without the format's metadata, if that only says how it was written."""
    found: Object = msgspec.json.decode(msgspec.json.encode(message))
    own = {"openai": "openai-chat", "anthropic": "anthropic", "sharegpt": "sharegpt"}[name]
    if found.get("parts") == []:
        del found["parts"]
    if found["metadata"].get(own) in [{"content": form} for form in ("text", "list", "none")]:
        del found["metadata"][own]
    if name == "sharegpt":
        found["metadata"].pop("sharegpt", None)
    return found
