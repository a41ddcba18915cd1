"""Files of other tools are read as sessions and messages; whatever they hold, nothing but faults comes out."""

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path as FilePath
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_histories import GEMINI, GEMINI_ID, GEMINI_OLD
from amplifierd.contract import line_reader, load_document
from amplifierd.formats.history import (
    Branch,
    Collection,
    Layout,
    MessageFile,
    NotRecognized,
    connect,
    history_formats,
    json_records,
    read_head,
    read_records,
    recognize,
    time_of,
)
from amplifierd.formats.history.opencode import OpenCode
from amplifierd.formats.history.sqlite import rows
from amplifierd.formats.imports import Records
from amplifierd.settings import CONTRACT
from amplifierd.storage.model.records import ExportLine
from amplifierd.storage.sql.temporary_files import Unlimited
from histories import (
    CHATGPT,
    CHATGPT_ID,
    CLAUDE_AI_ID,
    CLAUDE_CODE,
    CODEX_ID,
    LIBRECHAT,
    LIBRECHAT_ID,
    SAMPLES,
    SESSION,
    WEBUI_ID,
    answer,
    code_line,
    gpt_node,
    gpt_text,
    lines,
    text,
    user,
)
from llm_log import fill_threads, llm_log, llm_threads
from opencode_database import ANSWER, READ, TIME, add_message, fill_opencode, opencode_database, opencode_files

Object = dict[str, Any]

ROOT = FilePath(__file__).parents[2]
FORMATS = history_formats()
READER = line_reader(load_document(CONTRACT), 2**30)


class Read:
    """What a source is: its sessions with their messages, and its faults by kind and line."""

    def __init__(self, source: bytes, name: str | None = None, stored_last: str | None = None) -> None:
        file = io.BytesIO(source)
        self.format = FORMATS[name] if name else recognize(FORMATS, read_head(file))
        self.sessions: list[Object] = []
        self.messages: dict[str, list[Object]] = {}
        space = Unlimited()
        with closing(Records(READER, space)) as records, closing(MessageFile(space)) as messages:
            collection = Collection(self.format.name, records.accept, messages)
            faults = [*collection.collect(self.format.read(file))]
            for conversation in collection.conversations.values():
                faults += connect(conversation)
                for each in Layout(collection, conversation).branches(stored_last):
                    if isinstance(each, Branch):
                        self._add(each)
                    else:
                        faults.append(each)
        self.faults = [(fault.kind, fault.line) for fault in faults]

    def _add(self, branch: Branch) -> None:
        """The contract takes each line."""
        found = [*branch.messages()]
        for line in (ExportLine(session=branch.session), *(ExportLine(message=each) for each in found)):
            READER.read_line(msgspec.json.encode(line), "The line")
        assert branch.session.message_count == len(found)
        self.sessions.append(json.loads(msgspec.json.encode(branch.session)))
        self.messages[branch.session.id] = [json.loads(msgspec.json.encode(message)) for message in found]

    def ids(self, place: int = 0) -> list[str]:
        """The ids of a session's messages."""
        return [message["id"] for message in self.messages[self.sessions[place]["id"]]]


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


def test_claude_code_is_one_path_with_forks() -> None:
    read = Read(lines(*CLAUDE_CODE))
    main, fork, agent = read.sessions
    assert read.ids(0) == ["u1", "a1", "a2", "a3", "r1", "r2", "a4", "u2", "a5"]
    assert read.ids(1) == ["u1", "a1", "a2", "a3", "r1", "r2", "a4", "u3", "a6"]
    assert read.ids(2) == ["x1", "x2"]
    assert (main["id"], main["name"]) == (SESSION, "Files of Ada")
    assert (fork["parentSessionId"], fork["forkedAtSequence"], fork["name"]) == (SESSION, 7, "Another file")
    assert agent["parentSessionId"] == SESSION
    assert agent["labels"]["sidechain"] == "ab12"
    assert main["labels"] == {"source": "claude-code", "directory": "/home/ada/atlas", "git-branch": "main"}


def test_claude_code_keeps_thinking_results_and_usage() -> None:
    messages = Read(lines(*CLAUDE_CODE)).messages[SESSION]
    thought = {"type": "reasoning", "text": "Two files.", "signature": "c2ln"}
    assert messages[1]["parts"] == [thought]
    assert messages[4]["parts"] == [{"type": "tool_result", "call": "c1", "output": "one"}]
    assert messages[4]["metadata"]["claude-code"]["toolUseResult"] == {"file": {"content": "one"}}
    # Three lines of one response say its usage so far.
    usage = [message.get("usage", {}) for message in messages[1:4]]
    assert [each["inputTokens"] for each in usage] == [113, 0, 0]
    assert [each["outputTokens"] for each in usage] == [1, 19, 10]
    assert messages[1]["model"] == "claude-sonnet-4-5"
    assert messages[1]["timestamp"] == "2026-03-01T10:00:00.123000Z"


def test_claude_code_keeps_other_records_with_the_next_message() -> None:
    messages = Read(lines(*CLAUDE_CODE)).messages[SESSION]
    assert messages[0]["metadata"]["claude-code"]["before"] == [CLAUDE_CODE[0]]
    assert messages[6]["metadata"]["claude-code"]["before"] == [CLAUDE_CODE[7]]


def test_codex_keeps_items_with_model_and_usage() -> None:
    read = Read(SAMPLES["codex"]())
    [session] = read.sessions
    messages = read.messages[CODEX_ID]
    assert session["labels"]["git-branch"] == "topic"
    assert [message["role"] for message in messages] == ["user", "assistant", "assistant", "tool", "assistant"]
    assert messages[1]["parts"][0]["signature"] == "gAAAA"
    usage = {"inputTokens": 200, "outputTokens": 40, "cachedTokens": 150, "reasoningTokens": 30}
    assert (messages[2]["model"], messages[2]["usage"]) == ("gpt-5-codex", usage)
    assert session["context"]["after"][0]["payload"]["type"] == "agent_message"


def test_chatgpt_follows_the_current_node() -> None:
    read = Read(SAMPLES["chatgpt"]())
    main, fork = read.sessions
    assert (main["id"], main["name"], main["archived"]) == (CHATGPT_ID, "Rolling back", True)
    assert main["createdAt"] == "2025-08-24T01:46:40.250000Z"
    assert read.ids(0) == ["question-1", "thoughts-second", "answer---second-x", "question-2-with-image"]
    assert read.ids(1) == ["question-1", "answer---first"]
    assert (fork["parentSessionId"], fork["forkedAtSequence"]) == (CHATGPT_ID, 1)
    image = read.messages[CHATGPT_ID][3]["parts"][0]
    assert (image["type"], image["url"]) == ("file", "file-service://file-1")
    assert read.messages[CHATGPT_ID][1]["parts"][0]["text"] == "Use helm."
    assert read.messages[CHATGPT_ID][2]["model"] == "o4"


def test_chatgpt_keeps_the_path_that_was_stored() -> None:
    """Another branch is current by now: the session still has its messages, and the new ones are the fork's."""
    read = Read(SAMPLES["chatgpt"](), stored_last="answer---first")
    assert read.ids(0) == ["question-1", "answer---first"]
    assert read.ids(1) == ["question-1", "thoughts-second", "answer---second-x", "question-2-with-image"]


def test_claude_ai_keeps_attachments_and_thoughts() -> None:
    read = Read(SAMPLES["claude-ai"]())
    [session] = read.sessions
    first, second = read.messages[CLAUDE_AI_ID]
    assert (session["id"], session["name"]) == (CLAUDE_AI_ID, "Rain")
    assert [part["text"] for part in first["parts"]] == ["Why does it rain?", "Wet."]
    assert first["metadata"]["claude-ai"]["files"] == [{"file_name": "cloud.png"}]
    assert [part["type"] for part in second["parts"]] == ["reasoning", "text"]


def test_gemini_cli_keeps_calls_results_and_rewinds() -> None:
    read = Read(SAMPLES["gemini-cli"]())
    main, fork = read.sessions
    assert read.ids(0) == ["g1", "g2", "g2/read-1", "g2/read-1/result", "g4"]
    assert read.ids(1) == ["g1", "g2", "g2/read-1", "g2/read-1/result", "g5"]
    assert (main["id"], main["name"], fork["forkedAtSequence"]) == (GEMINI_ID, "A file", 4)
    labels = {"source": "gemini-cli", "directory": "/home/ada/atlas", "project": "4f2a", "kind": "main"}
    assert main["labels"] == labels
    messages = read.messages[GEMINI_ID]
    assert [part["type"] for part in messages[1]["parts"]] == ["reasoning", "text"]
    usage = {"inputTokens": 200, "outputTokens": 40, "cachedTokens": 150, "reasoningTokens": 30}
    assert (messages[1]["model"], messages[1]["usage"]) == ("gemini-3-pro", usage)
    assert messages[2]["parts"][0]["input"] == '{"path":"a.txt"}'
    assert messages[3]["parts"] == [{"type": "tool_result", "call": "read-1", "output": "one"}]
    assert messages[3]["metadata"]["gemini-cli"]["displayName"] == "ReadFile"
    assert messages[4]["metadata"]["gemini-cli"]["before"] == [GEMINI[7]]


def test_gemini_cli_reads_recordings_of_one_object() -> None:
    read = Read(json.dumps(GEMINI_OLD, indent=2).encode())
    assert (read.format.name, read.faults) == ("gemini-cli", [])
    assert (read.ids(), read.sessions[0]["name"]) == (
        ["g1", "g2", "g2/read-1", "g2/read-1/result", "g4"],
        "A file",
    )


def test_gemini_cli_goes_on_after_its_history_was_shortened() -> None:
    shortened = {"$set": {"messages": [{**GEMINI[1], "id": "g9", "content": "Summary"}, GEMINI[8]]}}
    after = {**GEMINI[1], "id": "g10"}
    read = Read(lines(*GEMINI[:9], shortened, after))
    assert len(read.sessions) == 1
    assert read.ids()[-3:] == ["g4", "g9", "g10"]


@pytest.mark.parametrize("name", ["claude-code", "codex", "gemini-cli"])
def test_source_that_grows_keeps_what_it_had(name: str) -> None:
    whole = SAMPLES[name]().splitlines(keepends=True)
    sessions: dict[str, list[str]] = {}
    for count in range(1, len(whole) + 1):
        read = Read(b"".join(whole[:count]), name)
        for session_id, before in sessions.items():
            assert [message["id"] for message in read.messages[session_id]][: len(before)] == before
        sessions = {key: [message["id"] for message in found] for key, found in read.messages.items()}


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
def test_fault_is_told_with_its_line_and_the_rest_is_read(source: bytes, kind: str, line: int) -> None:
    read = Read(source, "claude-code")
    assert (kind, line) in read.faults
    assert len(read.sessions) == (kind != "no messages")


def test_long_line_is_a_fault_whatever_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "MAX_BYTES", 100)
    monkeypatch.setattr(json_records, "CHUNK_BYTES", 50)
    for length in range(101, 260):
        source = b'{"a": 1}\n' + b"x" * length + b"\n" + b'{"a": 2}\n'
        [first, fault, last] = read_records(io.BytesIO(source))
        assert (fault.line, getattr(fault, "kind", None)) == (2, "too large"), length
        assert (first.line, last.line) == (1, 3)


def test_number_out_of_range_is_kept_as_a_text() -> None:
    source = lines(code_line("u1", None, user("Hello"), cost=0)).replace(b'"cost": 0', b'"cost": 1e999')
    read = Read(source)
    assert read.faults == []
    assert read.messages[SESSION][0]["metadata"]["claude-code"]["cost"] == "1e999"


def test_byte_order_mark_is_skipped() -> None:
    assert Read(b"\xef\xbb\xbf" + SAMPLES["claude-ai"]()).faults == []
    assert Read(b"\xef\xbb\xbf" + SAMPLES["codex"]()).faults == []


def test_record_against_the_contract_is_kept_as_a_file() -> None:
    long = "x" * (8 * 1024 * 1024 + 1)
    read = Read(lines(code_line("u1", None, user(long)), CLAUDE_CODE[2]))
    assert read.faults == [("kept as a file", 1)]
    first, second = read.messages[SESSION]
    assert [part["type"] for part in first["parts"]] == ["file"]
    assert second["id"] == "a1"


def test_conversations_beside_a_broken_one_are_read() -> None:
    other = {**CHATGPT[0], "conversation_id": "other", "mapping": 5}
    read = Read(json.dumps([other, *CHATGPT, 7]).encode())
    assert read.faults == [("no conversation", 1)]
    assert len(read.sessions) == 2


def test_file_that_ends_early_is_told() -> None:
    whole = json.dumps([*CHATGPT, *CHATGPT], indent=1).encode()
    read = Read(whole[:-40])
    [(kind, line)] = read.faults
    assert kind == "not JSON"
    assert line == whole[: whole.rindex(b"\n {")].count(b"\n") + 2
    assert len(read.sessions) == 2


def test_many_branches_are_bounded() -> None:
    nodes = [gpt_node("root", None), gpt_node("question", "root", "user", gpt_text("?"))]
    nodes += [gpt_node(f"answer-{number}", "question", "assistant", gpt_text("!")) for number in range(1_100)]
    chat = {**CHATGPT[0], "mapping": dict(nodes), "current_node": "answer-0"}
    read = Read(json.dumps([chat]).encode())
    assert read.faults == [("too many branches", 1)]
    assert len(read.sessions) == 1_001


def test_late_result_of_a_tool_is_no_branch() -> None:
    late = code_line("r9", "a3", {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c2"}]})
    read = Read(lines(*CLAUDE_CODE[:11], late))
    assert len(read.sessions) == 1
    assert read.ids()[-1] == "r9"


def test_second_message_with_an_id_is_kept_beside_the_next() -> None:
    other = code_line("u1", None, user("Else"), timestamp="2026-03-01T10:00:00.500Z")
    read = Read(lines(CLAUDE_CODE[1], other, CLAUDE_CODE[2]))
    assert read.faults == [("same id twice", 2)]
    assert "Else" in json.dumps(read.messages[SESSION][1]["metadata"]["claude-code"]["before"])


def test_conversation_goes_on_after_it_was_compacted() -> None:
    boundary = code_line("b1", None, subtype="compact_boundary", logicalParentUuid="a5")
    after = [
        code_line("u9", "b1", user("Summary"), isCompactSummary=True),
        code_line("a9", "u9", answer("m9", text("!"))),
    ]
    read = Read(lines(*CLAUDE_CODE[:11], boundary, *after))
    assert len(read.sessions) == 1
    assert read.ids()[-2:] == ["u9", "a9"]


def test_openai_messages_keep_calls_and_results() -> None:
    read = Read(SAMPLES["openai-messages"]())
    first, second = read.sessions
    messages = read.messages[first["id"]]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert [part["type"] for message in messages[2:4] for part in message["parts"]] == ["tool_call", "tool_result"]
    assert first["context"] == {"openai-messages": {"tools": []}}
    assert len(read.messages[second["id"]]) == 1


def test_anthropic_messages_begin_with_the_system_s() -> None:
    read = Read(SAMPLES["anthropic-messages"]())
    [session] = read.sessions
    messages = read.messages[session["id"]]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["parts"][0]["signature"] == "c2ln"
    assert session["context"] == {"anthropic-messages": {"max_tokens": 100}}


def test_edited_messages_count_in_an_export() -> None:
    kept = {"session": {"id": SESSION}, "messages": [{"timestamp": "2026-01-01T00:00:00Z", "agent": "Ada"}]}
    edited = {"role": "user", "content": "Edited"}
    record = {"messages": [edited], "amplifierd": kept}
    [message] = Read(lines(record)).messages[SESSION]
    assert (message["content"], message["agent"]) == ("Edited", "Ada")
    # Of another number of messages nothing is known.
    read = Read(lines({**record, "messages": [edited, edited]}))
    assert [message.get("agent") for message in read.messages[SESSION]] == [None, None]
    assert read.faults == [("other messages", 1)]


def test_sharegpt_names_its_speakers() -> None:
    read = Read(SAMPLES["sharegpt"]())
    [session] = read.sessions
    messages = read.messages[session["id"]]
    assert session["labels"]["source-id"] == "identity_0"
    assert [(message["role"], message["content"]) for message in messages] == [
        ("user", "Who are you?"),
        ("assistant", "A model."),
    ]


def test_open_webui_reads_the_items_of_a_response() -> None:
    read = Read(SAMPLES["open-webui"]())
    assert (read.ids(0), read.ids(1)) == (["w1", "w3"], ["w1", "w2"])
    said = read.messages[WEBUI_ID][1]
    assert ([part["type"] for part in said["parts"]], said["content"]) == (["reasoning", "text"], "255")
    assert (said["model"], said["usage"]) == ("deepseek-r1", {"inputTokens": 7, "outputTokens": 9})
    assert read.sessions[0]["pinned"] is True


def test_librechat_is_a_tree() -> None:
    read = Read(SAMPLES["librechat"]())
    assert (read.ids(0), read.ids(1)) == (["l1", "l2"], ["l1", "l3"])
    question, said = read.messages[LIBRECHAT_ID]
    assert (question["role"], question["content"]) == ("user", "How much fuel?")
    assert [part["type"] for part in said["parts"]] == ["reasoning", "tool_call", "tool_result", "text"]


def test_librechat_nests_messages_or_names_their_parents() -> None:
    tree = Read(SAMPLES["librechat"]())
    exported = {name: value for name, value in LIBRECHAT.items() if name != "messagesTree"}
    nested = exported | {"messages": LIBRECHAT["messagesTree"]}
    [root] = LIBRECHAT["messagesTree"]
    below = [{**each, "parentMessageId": "l1"} for each in root["children"]]
    flat = exported | {"recursive": False, "messages": [{**each, "children": None} for each in (root, *below)]}
    for other in (nested, flat):
        read = Read(json.dumps(other).encode())
        assert (read.format.name, read.faults) == ("librechat", [])
        assert [read.ids(0), read.ids(1)] == [tree.ids(0), tree.ids(1)]
        contents = [message["content"] for message in read.messages[LIBRECHAT_ID]]
        assert contents == [message["content"] for message in tree.messages[LIBRECHAT_ID]]


@pytest.mark.parametrize("is_old", [False, True])
def test_llm_s_log_is_read_in_both_schemas(*, is_old: bool) -> None:
    read = Read(llm_log(is_old=is_old))
    assert (read.format.name, read.faults) == ("llm", [])
    [session] = read.sessions
    messages = read.messages[session["id"]]
    assert [message["content"] for message in messages][:3] == ["Be short.", "Ten names?", "Ada."]
    assert len(messages) == (5 if is_old else 8)
    if not is_old:
        assert session["name"] == "Names"
        assert messages[2]["usage"] == {"inputTokens": 12, "outputTokens": 3}
        assert messages[2]["metadata"]["llm"]["options_json"] == {"temperature": 1}


def test_llm_s_fragments_attachments_and_tools_are_read() -> None:
    read = Read(llm_log())
    messages = read.messages[read.sessions[0]["id"]][3:]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    system, prompt, calls, results, last = messages
    assert (system["content"], prompt["content"]) == ("Count letters.", "Ada\n\nHow long is it?")
    assert prompt["parts"][0]["native"]["llm"]["fragment"] == {"id": 1, "hash": "aa", "source": "name.txt"}
    assert prompt["parts"][2]["url"] == "data:image/png;base64,iVBORw=="
    assert [(part["type"], part["call"]) for part in calls["parts"]] == [("tool_call", "c1")]
    assert [tool["name"] for tool in calls["metadata"]["llm"]["tools"]] == ["count"]
    assert results["parts"][0]["output"] == "3"
    assert results["parts"][1]["url"] == "file:///tmp/%C3%A9"
    assert last["content"] == "Three."


def test_llm_s_threads_and_their_forks_are_read() -> None:
    read = Read(llm_threads())
    assert (read.format.name, read.faults) == ("llm", [])
    main, fork = read.sessions
    assert (main["name"], fork["name"], fork["parentSessionId"]) == ("Letters", "Shorter", main["id"])
    assert (read.ids(), fork["forkedAtSequence"]) == (["b2:1", "b2:2", "b2:3", "b2:4", "b2:5"], 3)
    assert read.ids(1) == ["b2:1", "b2:2", "b2:3", "b2:6", "b2:7"]
    system, prompt, called, results, last = read.messages[main["id"]]
    assert [message["role"] for message in (system, prompt, called, results)] == ["system", "user", "assistant", "tool"]
    assert (prompt["content"], prompt["parts"][1]["media"]) == ("How long is Ada?", "image/png")
    assert [part["type"] for part in called["parts"]] == ["reasoning", "tool_call"]
    assert (called["model"], called["usage"]) == ("gpt-5", {"inputTokens": 20, "outputTokens": 5})
    about = called["metadata"]["llm"]
    assert (about["provider_metadata"], about["turn"]["options_json"]) == ({"id": "m1"}, {"seed": 1})
    assert (about["turn"]["tools"][0]["name"], about["turn"]["fragments"][0]["source"]) == ("count", "name.txt")
    assert [part["type"] for part in results["parts"]] == ["tool_result", "file"]
    assert (last["content"], last["timestamp"]) == ("Three.", "2026-08-10T09:00:02.000000Z")
    assert main["createdAt"] == "2026-08-10T09:00:00.500000Z"


def test_llm_s_threads_may_be_damaged(tmp_path: FilePath) -> None:
    path = tmp_path / "logs.db"
    with closing(fill_threads(path)) as database:
        database.execute("DELETE FROM messages WHERE hash = 'b2:1'")
        database.execute("INSERT INTO threads VALUES ('01k3', NULL, 'b2:9', '01k3', NULL)")
        database.execute("INSERT INTO messages VALUES ('b2:8', 'b2:9', 'user', NULL), ('b2:9', 'b2:8', 'robot', '{')")
        for number, value in enumerate(OTHER_VALUES, 20):
            row = (number, "b2:5", number, "tool_result", None, None, json.dumps({"output": value, "text_ref": value}))
            database.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    read = Read(path.read_bytes())
    assert {kind for kind, _ in read.faults} == {"missing message", "cycle"}
    assert len(read.sessions) == 3


def test_llm_s_tables_of_two_generations_are_both_read(tmp_path: FilePath) -> None:
    path = tmp_path / "logs.db"
    path.write_bytes(llm_log())
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE fragments")
        database.execute("DROP TABLE attachments")
        database.execute("DROP TABLE tools")
        with closing(sqlite3.connect(":memory:")) as newer:
            newer.deserialize(llm_threads())
            database.executescript("\n".join(newer.iterdump()).replace("COMMIT;", "").replace("BEGIN TRANSACTION;", ""))
    read = Read(path.read_bytes())
    assert {session.get("name") for session in read.sessions} == {"Names", "Letters", "Shorter"}


def test_opencode_keeps_parts_results_and_usage() -> None:
    read = Read(opencode_database())
    main, agent = read.sessions
    assert (main["name"], main["labels"]["source-id"], agent["parentSessionId"]) == (
        "Files of ses_1",
        "ses_1",
        main["id"],
    )
    assert (main["labels"]["directory"], agent["archived"]) == ("/home/ada/atlas", True)
    question, answered, results = read.messages[main["id"]]
    assert (question["role"], question["content"], question["id"]) == ("user", "What is in a.txt?", "msg_1")
    assert [part["type"] for part in answered["parts"]] == ["data", "reasoning", "tool_call", "text"]
    assert answered["parts"][3]["native"]["opencode"] == {"id": "prt_2_3"}
    usage = {"inputTokens": 150, "outputTokens": 10, "cachedTokens": 100, "reasoningTokens": 4}
    assert (answered["model"], answered["usage"]) == ("claude-sonnet-4-5", usage)
    assert (results["role"], results["id"]) == ("tool", "msg_2/results")
    result, image = results["parts"]
    assert (result["call"], result["output"], image["media"]) == ("call_1", "one", "image/png")
    assert result["native"]["opencode"]["state"]["metadata"] == {"lines": 1}


def joined(files: dict[str, Any]) -> bytes:
    """Files of a folder as the source that opencode's format reads."""
    order = OpenCode().in_order(files)
    return lines(*({"file": path, "record": files[path]} for path in order))


def test_files_of_opencode_are_read_like_its_database() -> None:
    files, database = Read(joined(opencode_files())), Read(opencode_database())
    assert files.faults == []
    assert [each["id"] for each in files.sessions] == [each["id"] for each in database.sessions]
    for session_id, messages in database.messages.items():
        for one, other in zip(files.messages[session_id], messages, strict=True):
            assert {**one, "metadata": {}} == {**other, "metadata": {}}


def test_files_of_opencode_hold_whatever_they_hold() -> None:
    files = opencode_files()
    for place in [*paths_in(files)][1:]:
        for value in OTHER_VALUES:
            read = Read(joined(with_other(files, {place: value})), "opencode")
            assert {kind for kind, _ in read.faults} <= {
                "missing session",
                "no message",
                "no session",
                "not complete",
                "kept as a file",
            }, place


def test_opencode_waits_for_an_answer_to_be_complete(tmp_path: FilePath) -> None:
    path = tmp_path / "opencode.db"
    with closing(fill_opencode(path)) as database:
        add_message(database, 4, {**ANSWER, "time": {"created": TIME}}, {"type": "text", "text": "I"})
    read = Read(path.read_bytes())
    assert (read.faults, len(read.messages[read.sessions[0]["id"]])) == ([("not complete", 1)], 3)
    assert read.sessions[0]["context"]["after"][0]["parts"][0]["data"]["text"] == "I"


def test_opencode_waits_for_the_parts_of_a_question(tmp_path: FilePath) -> None:
    path = tmp_path / "opencode.db"
    with closing(fill_opencode(path)) as database:
        add_message(database, 4, {"role": "user", "time": {"created": TIME}})
        read = Read(path.read_bytes())
        assert (read.faults, len(read.messages[read.sessions[0]["id"]])) == ([("not complete", 1)], 3)
        add_message(database, 5, {"role": "user"}, {"type": "text", "text": "Next"})
    assert Read(path.read_bytes()).faults == []


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


OTHER_VALUES = [None, True, 5, -1e300, "", "u1", [], {}, [None], {"type": "text"}, "\x00\x1f", "9" * 300, "root"]
Path = tuple[str | int, ...]


def paths_in(value: Any, path: Path = ()) -> Iterator[Path]:
    """The places of all values in a value."""
    yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in below:
        yield from paths_in(each, (*path, step))


def with_other(value: Any, changes: dict[Path, Any], path: Path = ()) -> Any:
    """A value with other values at some places."""
    if path in changes:
        return changes[path]
    if isinstance(value, dict):
        return {step: with_other(each, changes, (*path, step)) for step, each in value.items()}
    if isinstance(value, list):
        return [with_other(each, changes, (*path, step)) for step, each in enumerate(value)]
    return value


def mutated(name: str) -> st.SearchStrategy[bytes]:
    """A sample with some of its bytes replaced, or some of its values."""
    sample = SAMPLES[name]()
    place = st.integers(0, len(sample))
    cut = st.builds(
        lambda a, b, new: sample[: min(a, b)] + new + sample[max(a, b) :], place, place, st.binary(max_size=9)
    )
    if sample[:1] not in b"[{":
        return cut
    records, is_lines = records_in(sample)
    changes = st.dictionaries(st.sampled_from([*paths_in(records)][1:]), st.sampled_from(OTHER_VALUES), max_size=4)
    return cut | changes.map(lambda each: lines_or_array(with_other(records, each), is_lines=is_lines))


def lines_or_array(found: Any, *, is_lines: bool) -> bytes:
    """Records as a sample has them."""
    return lines(*found) if is_lines else json.dumps(found).encode()


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40)
@given(data=st.data())
def test_reader_reads_or_reports_a_fault(name: str, data: st.DataObject) -> None:
    read = Read(data.draw(st.binary(max_size=200) | mutated(name)), name)
    assert all(line >= 1 for _, line in read.faults)


JSON_SAMPLES = [name for name, sample in SAMPLES.items() if sample()[:1] in b"[{"]
# Types of records and blocks that have other names here, a root that is no message, and a state that another followed.
OTHER_WORDS = {"summary", "thinking", "think", "tool_use", "function", "response_item", "session_meta", "summary_text"}
OTHER_WORDS |= {"00000000-0000-0000-0000-000000000000", "executing"}


def records_in(sample: bytes) -> tuple[list[Any] | Object, bool]:
    """The records of a sample, and whether each is a line."""
    is_lines = sample[:2] == b'{"'
    return [json.loads(line) for line in sample.splitlines()] if is_lines else json.loads(sample), is_lines


def texts_in(value: Any) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in below:
        yield from texts_in(each)


@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_every_text_of_a_sample_is_kept(name: str) -> None:
    records, _ = records_in(SAMPLES[name]())
    read = Read(SAMPLES[name](), name)
    kept = json.dumps([read.sessions, read.messages])
    missing = {each for each in texts_in(records) if json.dumps(time_of(each) or each)[1:-1] not in kept}
    assert {each for each in missing if json.dumps(each)[1:-1] not in kept} <= OTHER_WORDS


@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_array_in_any_place_is_read_or_a_fault(name: str) -> None:
    records, is_lines = records_in(SAMPLES[name]())
    # What follows has the same shapes.
    records = records[:8] if isinstance(records, list) else records
    for place in [*paths_in(records)][1:]:
        Read(lines_or_array(with_other(records, {place: []}), is_lines=is_lines), name)


def test_long_value_of_a_database_is_a_fault(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_BYTES", 10_000)
    path = tmp_path / "opencode.db"
    with closing(fill_opencode(path)) as database:
        add_message(database, 4, {"role": "user"}, {"type": "text", "text": "x" * 10_001})
    read = Read(path.read_bytes())
    assert read.faults == [("not SQLite", 1)]
    assert len(read.messages[read.sessions[0]["id"]]) == 3


def test_nothing_of_a_database_is_computed(tmp_path: FilePath) -> None:
    path = tmp_path / "logs.db"
    path.write_bytes(llm_log())
    with closing(sqlite3.connect(path)) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for name in {"fragments", "attachments", "tools"} & {*names}:
            database.executescript(
                f"""
                DROP TABLE {name};
                CREATE VIEW {name} AS
                    WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
                    SELECT id, id AS content FROM n;
                """  # noqa: S608  # the names are our own
            )
        database.execute("ALTER TABLE conversations ADD COLUMN long TEXT AS (hex(zeroblob(30000000)))")
    read = Read(path.read_bytes())
    assert (read.faults, len(read.sessions)) == ([], 1)
    assert "name" not in read.sessions[0]


def with_endless_rows(path: FilePath) -> bytes:
    """A database with a table whose first page leads to itself."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """
            CREATE TABLE conversations (id, name, model);
            CREATE TABLE responses (id TEXT, conversation_id TEXT, datetime_utc TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000)
            INSERT INTO responses SELECT i, 'c', 't' FROM n;
            """
        )
        root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'responses'").fetchone()[0]
    content = bytearray(path.read_bytes())
    page = (root - 1) * 4096
    cells = int.from_bytes(content[page + 3 : page + 5])
    places = [int.from_bytes(content[page + 12 + 2 * cell :][:2]) for cell in range(cells)]
    assert (content[page], cells > 100) == (5, True)
    # All children of the root are the first one, which itself is given as many as there are in a page.
    first = content[page + places[0] : page + places[0] + 4]
    for place in places[1:]:
        content[page + place : page + place + 4] = first
    leaf = (int.from_bytes(first) - 1) * 4096
    copied = content[page : page + 4096]
    assert content[leaf] == 13
    content += copied
    for place in places:
        content[page + place : page + place + 4] = (len(content) // 4096).to_bytes(4)
    content[28:32] = (len(content) // 4096).to_bytes(4)
    return bytes(content)


def test_rows_without_end_are_a_fault(tmp_path: FilePath) -> None:
    read = Read(with_endless_rows(tmp_path / "a.db"), "llm")
    assert ("not SQLite", 1) in read.faults
    assert len(read.sessions) == 0


def test_opencode_reads_whatever_its_columns_hold(tmp_path: FilePath) -> None:
    path = tmp_path / "opencode.db"
    places = [place for place in paths_in([ANSWER, READ]) if place]
    with closing(fill_opencode(path)) as database:
        database.execute("BEGIN")
        for number, (place, value) in enumerate(product(places, OTHER_VALUES), 10):
            message, part = with_other([ANSWER, READ], {place: value})
            add_message(database, number, message, part)
        database.execute("INSERT INTO message VALUES ('odd', 'ses_1', 'x', x'00', x'ff')")
        database.execute("INSERT INTO part VALUES (x'ff', 'msg_1', 'ses_1', 'x', x'00', '{broken')")
        database.execute("INSERT INTO session VALUES ('ses_3', x'ff', 5, x'00', '', '', '', '[]', 'x', -1, x'00')")
        database.execute("COMMIT")
    read = Read(path.read_bytes())
    assert {kind for kind, _ in read.faults} <= {"no message", "kept as a file"}
    assert len(read.messages[read.sessions[0]["id"]]) > len(places)
