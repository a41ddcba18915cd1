"""Histories of coding agents: Claude Code, Codex, Gemini CLI and opencode."""

import json
from contextlib import closing
from pathlib import Path as FilePath

import pytest

from samples.agent_histories import GEMINI, GEMINI_ID, GEMINI_OLD
from samples.histories import (
    CLAUDE_CODE,
    CODEX,
    CODEX_ID,
    SAMPLES,
    SESSION,
    code_line,
    codex_line,
    lines,
    reply,
    text,
    user,
)
from samples.history_reading import Read, joined
from samples.opencode_database import ANSWER, TIME, add_message, fill_opencode, opencode_database, opencode_files


def test_claude_code_is_one_path_with_forks() -> None:
    read = Read(lines(*CLAUDE_CODE))
    main, fork, agent = read.sessions
    assert read.ids(0) == ["u1", "a1", "a2", "a3", "r1", "r2", "a4", "u2", "a5"]
    assert read.ids(1) == ["u1", "a1", "a2", "a3", "r1", "r2", "a4", "u3", "a6"]
    assert read.ids(2) == ["x1", "x2"]
    assert (main["id"], main["name"]) == (SESSION, "Files of Ada")
    assert (fork["parentSessionId"], fork["forkedAtSequence"], fork["name"]) == (SESSION, 7, "Another file")
    assert agent["parentSessionId"] == SESSION
    assert (agent["name"], agent["labels"]["sidechain"]) == ("Look for /e.", "ab12")
    assert main["labels"] == {"source": "claude-code", "directory": "/home/ada/atlas", "git-branch": "main"}


def test_claude_code_keeps_thinking_results_and_usage() -> None:
    messages = Read(lines(*CLAUDE_CODE)).messages[SESSION]
    thought = {"type": "reasoning", "text": "Two files.", "signature": "c2ln"}
    assert messages[1]["parts"] == [thought]
    assert messages[4]["parts"] == [{"type": "tool_result", "call": "c1", "output": "one"}]
    assert messages[4]["metadata"]["claude-code"]["toolUseResult"] == {"file": {"content": "one"}}
    # Three lines of one response have its usage so far.
    usage = [message.get("usage", {}) for message in messages[1:4]]
    assert [each["inputTokens"] for each in usage] == [113, 0, 0]
    assert [each["outputTokens"] for each in usage] == [1, 19, 10]
    assert messages[1]["model"] == "claude-sonnet-4-5"
    assert messages[1]["timestamp"] == "2026-03-01T10:00:00.123000Z"


def test_claude_code_has_no_usage_for_a_line_that_adds_none() -> None:
    same = [code_line(f"b{n}", f"b{n - 1}" if n else None, reply("m9", text(f"{n}"), output=7)) for n in range(3)]
    read = Read(lines(*same))
    messages = read.messages[SESSION]
    assert [message.get("usage", {}).get("outputTokens") for message in messages] == [7, None, None]
    assert read.sessions[0]["usage"] == {**messages[0]["usage"], "reasoningTokens": 0}
    # What the source says stays with each message.
    sources = [message["metadata"]["anthropic"]["fields"]["usage"] for message in messages]
    assert sources == [line["message"]["usage"] for line in same]
    # A response that says zero has that usage.
    zero = reply("m9", text("0")) | {"usage": {"input_tokens": 0, "output_tokens": 0}}
    assert Read(lines(code_line("b0", None, zero))).messages[SESSION][0]["usage"]["outputTokens"] == 0


def test_claude_code_names_the_whole_conversation_as_the_user_did() -> None:
    titles = [
        {"type": "custom-title", "customTitle": "My files", "sessionId": SESSION},
        {"type": "ai-title", "aiTitle": "Files", "sessionId": SESSION},
    ]
    shared = {"type": "summary", "summary": "One and two", "leafUuid": "a4"}
    read = Read(lines(*CLAUDE_CODE, *titles, shared))
    assert [session.get("name") for session in read.sessions] == ["My files", "My files", "Look for /e."]
    assert read.sessions[0]["context"]["after"] == [titles[1], *CLAUDE_CODE[-2:], shared]
    # A name by the program is replaced by a later one.
    assert Read(lines(*CLAUDE_CODE[:11], titles[1])).sessions[0]["name"] == "Files"


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


def codex_prompt(*texts: str) -> dict[str, object]:
    """A message of the user in Codex."""
    content = [{"type": "input_text", "text": each} for each in texts]
    return codex_line("response_item", {"type": "message", "role": "user", "content": content})


def test_codex_prompt_of_an_open_element_names_the_session_in_linear_time() -> None:
    # A quadratic pattern would take hours.
    for prompt in ("<" + "a" * 1_000_000, "<a" + " b" * 500_000, "<a>" * 300_000):
        read = Read(lines(CODEX[0], codex_prompt(prompt)))
        assert read.sessions[0]["name"] == prompt[:200]


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["Fix the <b>bold</b> text.\nAll of it."], "Fix the <b>bold</b> text."),
        (["\n\n  Second line  \nThird"], "Second line"),
        (["<environment_context>\n<cwd>/a</cwd>\n</environment_context>\n"], None),
        (["<user_instructions>\nBe brief.\n</user_instructions>"], None),
        (["# AGENTS.md instructions for /a\n\n<INSTRUCTIONS>\n</INSTRUCTIONS>", "<a>1</a>", "List."], "List."),
        (["# Context from my IDE setup:\n\n## My request for Codex:\nList files.\n"], "List files."),
        (["<div> is not closed"], "<div> is not closed"),
        (["x" * 300], "x" * 200),
        ([" \n "], None),
    ],
)
def test_codex_names_a_session_after_the_first_prompt(texts: list[str], name: str | None) -> None:
    first = CODEX[0]
    assert Read(lines(first, codex_prompt(*texts))).sessions[0].get("name") == name
    # The next prompts name only a session without a name.
    later = [codex_prompt("Later."), codex_prompt("Last.")]
    assert Read(lines(first, codex_prompt(*texts), *later)).sessions[0]["name"] == (name or "Later.")


def test_codex_searches_without_an_id_are_calls() -> None:
    search = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "rain"}}
    read = Read(lines(CODEX[0], codex_line("response_item", search), codex_line("response_item", search)))
    for message in read.messages[CODEX_ID]:
        call, result = message["parts"]
        assert (call["type"], call["name"], call["input"]) == (
            "tool_call",
            "web_search",
            json.dumps(search["action"], separators=(",", ":")),
        )
        assert (result["type"], result["call"]) == ("tool_result", call["call"])


def codex_answer(answer: str) -> dict[str, object]:
    """A message of the model in Codex."""
    content = [{"type": "output_text", "text": answer}]
    return codex_line("response_item", {"type": "message", "role": "assistant", "content": content})


def codex_turn(name: str) -> list[dict[str, object]]:
    """The lines of a turn in Codex: the prompt, and an answer."""
    return [codex_prompt(name), codex_answer(f"Answer of {name}")]


def rolled_back(count: object) -> dict[str, object]:
    """The line that Codex writes for turns that were rolled back."""
    return codex_line("event_msg", {"type": "thread_rolled_back", "num_turns": count})


CODEX_CONTEXT = [
    codex_line("response_item", {"type": "message", "role": "developer", "content": []}),
    codex_prompt(
        "# AGENTS.md instructions for /a\n\n<INSTRUCTIONS>\n</INSTRUCTIONS>",
        "<environment_context>\n</environment_context>",
    ),
]


def test_codex_turns_that_were_rolled_back_are_a_branch() -> None:
    begin = [CODEX[0], *CODEX_CONTEXT, *codex_turn("One")]
    change = codex_prompt("<environment_context>\n<cwd>/b</cwd>\n</environment_context>")
    source = [*begin, change, *codex_turn("Two"), *codex_turn("Three"), rolled_back(2), *codex_turn("Four")]
    read = Read(lines(*source))
    main, fork = read.sessions
    assert (read.ids(0), read.ids(1)) == (
        ["1", "2", "3", "4", "10", "11"],
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"],
    )
    assert (main["id"], fork["parentSessionId"], fork["forkedAtSequence"], read.faults) == (CODEX_ID, CODEX_ID, 4, [])
    assert read.messages[CODEX_ID][4]["metadata"]["codex"]["before"] == [source[10]]
    # A session that was imported before keeps its messages.
    again = Read(lines(*source), stored_last="9")
    assert (again.ids(0), again.ids(1)) == (read.ids(1), read.ids(0))


def test_codex_conversation_can_end_with_a_roll_back() -> None:
    source = [CODEX[0], *CODEX_CONTEXT, *codex_turn("One"), *codex_turn("Two"), rolled_back(1)]
    read = Read(lines(*source))
    assert (read.ids(0), read.ids(1)) == (["1", "2", "3", "4"], ["1", "2", "3", "4", "5", "6"])
    assert read.sessions[0]["context"]["after"] == [source[-1]]
    grown = Read(lines(*source, *codex_turn("Three")), stored_last="4")
    assert (grown.ids(0), grown.ids(1)) == (["1", "2", "3", "4", "7", "8"], read.ids(1))
    assert [each["id"] for each in grown.sessions] == [each["id"] for each in read.sessions]


@pytest.mark.parametrize(
    ("count", "ids"),
    [(0, ["1", "2", "3", "4", "5", "6", "7"]), (9, ["1", "2", "7"]), (None, ["1", "2", "3", "4", "5", "6", "7"])],
)
def test_codex_rolls_back_turns_of_the_user_only(count: object, ids: list[str]) -> None:
    source = [
        CODEX[0],
        *CODEX_CONTEXT,
        *codex_turn("One"),
        *codex_turn("Two"),
        rolled_back(count),
        codex_prompt("Last"),
    ]
    read = Read(lines(*source))
    assert read.ids(0) == ids
    assert read.sessions[0]["name"] == ("Last" if count == 9 else "One")


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


def test_gemini_cli_continues_after_a_shortened_history() -> None:
    shortened = {"$set": {"messages": [{**GEMINI[1], "id": "g9", "content": "Summary"}, GEMINI[8]]}}
    after = {**GEMINI[1], "id": "g10"}
    read = Read(lines(*GEMINI[:9], shortened, after))
    assert len(read.sessions) == 1
    assert read.ids()[-3:] == ["g4", "g9", "g10"]


@pytest.mark.parametrize("name", ["claude-code", "codex", "gemini-cli"])
def test_growing_source_keeps_its_messages(name: str) -> None:
    whole = SAMPLES[name]().splitlines(keepends=True)
    sessions: dict[str, list[str]] = {}
    for count in range(1, len(whole) + 1):
        read = Read(b"".join(whole[:count]), name)
        for session_id, before in sessions.items():
            assert [message["id"] for message in read.messages[session_id]][: len(before)] == before
        sessions = {key: [message["id"] for message in found] for key, found in read.messages.items()}


def test_late_tool_result_is_not_a_branch() -> None:
    late = code_line("r9", "a3", {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c2"}]})
    read = Read(lines(*CLAUDE_CODE[:11], late))
    assert len(read.sessions) == 1
    assert read.ids()[-1] == "r9"


def test_conversation_continues_after_compaction() -> None:
    boundary = code_line("b1", None, subtype="compact_boundary", logicalParentUuid="a5")
    after = [
        code_line("u9", "b1", user("Summary"), isCompactSummary=True),
        code_line("a9", "u9", reply("m9", text("!"))),
    ]
    read = Read(lines(*CLAUDE_CODE[:11], boundary, *after))
    assert len(read.sessions) == 1
    assert read.ids()[-2:] == ["u9", "a9"]


def test_opencode_keeps_parts_results_and_usage() -> None:
    read = Read(opencode_database())
    main, agent = read.sessions
    assert (main["name"], main["labels"]["source-id"], agent["parentSessionId"]) == (
        "Files of ses_1",
        "ses_1",
        main["id"],
    )
    assert (main["labels"]["directory"], agent["archived"]) == ("/home/ada/atlas", True)
    question, response, results = read.messages[main["id"]]
    assert (question["role"], question["content"], question["id"]) == ("user", "What is in a.txt?", "msg_1")
    assert [part["type"] for part in response["parts"]] == ["data", "reasoning", "tool_call", "text"]
    assert response["parts"][3]["native"]["opencode"] == {"id": "prt_2_3"}
    usage = {"inputTokens": 150, "outputTokens": 10, "cachedTokens": 100, "reasoningTokens": 4}
    assert (response["model"], response["usage"]) == ("claude-sonnet-4-5", usage)
    assert (results["role"], results["id"]) == ("tool", "msg_2/results")
    result, image = results["parts"]
    assert (result["call"], result["output"], image["media"]) == ("call_1", "one", "image/png")
    assert result["native"]["opencode"]["state"]["metadata"] == {"lines": 1}


def test_files_of_opencode_are_read_like_its_database() -> None:
    files, database = Read(joined(opencode_files())), Read(opencode_database())
    assert files.faults == []
    assert [each["id"] for each in files.sessions] == [each["id"] for each in database.sessions]
    for session_id, messages in database.messages.items():
        for one, other in zip(files.messages[session_id], messages, strict=True):
            assert {**one, "metadata": {}} == {**other, "metadata": {}}


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
