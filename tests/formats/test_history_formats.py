"""Files of other tools are read as sessions and messages; invalid content only leads to faults."""

import io
import json

import pytest

from amplifierd.formats.history import (
    Fault,
    NotRecognized,
    json_records,
    read_records,
)
from samples.histories import (
    CHATGPT,
    CLAUDE_CODE,
    SAMPLES,
    SESSION,
    code_line,
    gpt_node,
    gpt_text,
    lines,
    user,
)
from samples.history_reading import ROOT, Read, joined
from samples.llm_log import llm_threads
from samples.opencode_database import opencode_files


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_recognized_and_understood(name: str) -> None:
    read = Read(SAMPLES[name]())
    assert read.format.name == name
    assert read.faults == []
    assert {session["labels"]["source"] for session in read.sessions} == {name}


def test_documentation_has_the_report_of_each_sample() -> None:
    documented = (
        (ROOT / "docs" / "history.md").read_text().partition("| sample | sessions | branches | messages |\n")[2]
    )
    samples = {f"`{name}`": sample() for name, sample in SAMPLES.items()}
    samples |= {"`llm`, threads": llm_threads(), "`opencode`, files": joined(opencode_files())}
    rows = []
    for name, sample in sorted(samples.items()):
        read = Read(sample)
        assert read.faults == []
        branches = sum("forkedAtSequence" in session for session in read.sessions)
        rows.append(f"| {name} | {len(read.sessions)} | {branches} | {sum(map(len, read.messages.values()))} |")
    assert documented.split("\n\n")[0].splitlines()[1:] == rows, "\n".join(rows)


@pytest.mark.parametrize(
    ("source", "kind", "line"),
    [
        (lines(CLAUDE_CODE[1]) + b"{broken\n" + lines(CLAUDE_CODE[2]), "not JSON", 2),
        (lines(CLAUDE_CODE[1]) + b"[1]\n" + lines(CLAUDE_CODE[2]), "not an object", 2),
        (lines(CLAUDE_CODE[1], CLAUDE_CODE[4]), "missing parent", 2),
        (lines(code_line("u1", "u2", user("a")), code_line("u2", "u1", user("b"))), "cycle", 1),
        (lines(CLAUDE_CODE[1], code_line("u1", None, user("Else"))), "same id twice", 2),
        (lines(CLAUDE_CODE[1], {"what": 1}), "unknown record", 2),
        (lines(code_line("u1", None, user("half \ud83d emoji"))), "text replaced", 1),
        (b'\xff\xfe{"a":1}\n' + lines(*CLAUDE_CODE[:2]), "not JSON", 1),
        (lines(code_line("u1", None, user("a\xff"))).replace(b"\\u00ff", b"\xff"), "text replaced", 1),
        (lines({"type": "summary", "summary": "a"}), "no messages", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fault_has_its_line_and_the_rest_is_read(source: bytes, kind: str, line: int) -> None:
    read = Read(source, "claude-code")
    assert (kind, line) in read.faults
    assert len(read.sessions) == (kind != "no messages")


def test_long_line_of_any_length_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "MAX_BYTES", 100)
    monkeypatch.setattr(json_records, "CHUNK_BYTES", 50)
    for length in range(101, 260):
        source = b'{"a": 1}\n' + b"x" * length + b"\n" + b'{"a": 2}\n'
        [first, fault, last] = read_records(io.BytesIO(source))
        assert (fault.line, getattr(fault, "kind", None)) == (2, "too large"), length
        assert (first.line, last.line) == (1, 3)


def test_number_out_of_range_is_kept_as_text() -> None:
    source = lines(code_line("u1", None, user("Hello"), cost=0)).replace(b'"cost": 0', b'"cost": 1e999')
    read = Read(source)
    assert read.faults == []
    assert read.messages[SESSION][0]["metadata"]["claude-code"]["cost"] == "1e999"


def test_byte_order_mark_is_skipped() -> None:
    assert Read(b"\xef\xbb\xbf" + SAMPLES["claude-ai"]()).faults == []
    assert Read(b"\xef\xbb\xbf" + SAMPLES["codex"]()).faults == []


def test_record_that_violates_the_contract_is_kept_as_a_file() -> None:
    long = "x" * (8 * 1024 * 1024 + 1)
    read = Read(lines(code_line("u1", None, user(long)), CLAUDE_CODE[2]))
    assert read.faults == [("kept as a file", 1)]
    first, second = read.messages[SESSION]
    assert [part["type"] for part in first["parts"]] == ["file"]
    assert second["id"] == "a1"


def test_conversations_beside_a_broken_one_are_read() -> None:
    other = {**CHATGPT[0], "conversation_id": "other", "mapping": 5}
    read = Read(json.dumps([other, *CHATGPT, 7]).encode())
    assert read.faults == [("no conversation", 1), ("not an object", 1)]
    assert len(read.sessions) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, json_records.CHUNK_BYTES])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('[{"a":1}, 7, "x{y",\n [{"b":2}], {"c":3}\n, true]', [(1, "a"), (1, None), (2, "c"), (3, None)]),
        ('[\n\n"\\"]", {"a":1}]', [(3, None), (3, "a")]),
        ("[1, 2]", [(1, None)]),
        ('[{"a":1}]\nend', [(1, "a"), (2, None)]),
        ('\n{\n"a":1}\nend\n{"b":\n2}', [(2, "a"), (4, None), (5, "b")]),
        ('\ufeff[{"a":1},\n\t{"b":2}]\n', [(1, "a"), (2, "b")]),
        ("[]", []),
    ],
)
def test_values_that_are_not_objects_are_faults(
    monkeypatch: pytest.MonkeyPatch, size: int, source: str, expected: list[tuple[int, str | None]]
) -> None:
    monkeypatch.setattr(json_records, "CHUNK_BYTES", size)
    found = [*read_records(io.BytesIO(source.encode()))]
    assert [(each.line, None if isinstance(each, Fault) else next(iter(each.value))) for each in found] == expected
    assert {each.kind for each in found if isinstance(each, Fault)} <= {"not an object"}


def test_truncated_file_is_reported() -> None:
    whole = json.dumps([*CHATGPT, *CHATGPT], indent=1).encode()
    read = Read(whole[:-40])
    [(kind, line)] = read.faults
    assert kind == "not JSON"
    assert line == whole[: whole.rindex(b"\n {")].count(b"\n") + 2
    assert len(read.sessions) == 2


def test_branches_are_limited() -> None:
    nodes = [gpt_node("root", None), gpt_node("question", "root", "user", gpt_text("?"))]
    nodes += [gpt_node(f"answer-{number}", "question", "assistant", gpt_text("!")) for number in range(1_100)]
    chat = {**CHATGPT[0], "mapping": dict(nodes), "current_node": "answer-0"}
    read = Read(json.dumps([chat]).encode())
    assert read.faults == [("too many branches", 1)]
    assert len(read.sessions) == 1_001


def test_second_message_with_an_id_is_kept_with_the_next() -> None:
    other = code_line("u1", None, user("Else"), timestamp="2026-03-01T10:00:00.500Z")
    read = Read(lines(CLAUDE_CODE[1], other, CLAUDE_CODE[2]))
    assert read.faults == [("same id twice", 2)]
    assert "Else" in json.dumps(read.messages[SESSION][1]["metadata"]["claude-code"]["before"])


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\n\n",
        b"{}",
        b'{"file": "a.json"}',
        b'{"file": null}',
        b'{"a": 1}\n{"b": 2}',
        b"hello",
        b"\x89PNG\r\n",
        b"[[[[",
        b"[1, 2]",
    ],
)
def test_unknown_source_is_not_recognized(source: bytes) -> None:
    with pytest.raises(NotRecognized, match="known are"):
        Read(source)
