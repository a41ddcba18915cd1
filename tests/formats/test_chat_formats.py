"""Exports of chat services, and messages in the formats of their APIs."""

import json
from typing import Any

import pytest

from samples.histories import (
    CHATGPT,
    CHATGPT_ID,
    CLAUDE_AI_ID,
    LIBRECHAT,
    LIBRECHAT_ID,
    SAMPLES,
    SESSION,
    WEBUI_ID,
    claude_answer,
    claude_block,
    gpt_node,
    gpt_text,
    lines,
)
from samples.history_reading import Read, without_native
from samples.message_lists import AI_SDK


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


def test_chatgpt_keeps_the_stored_path() -> None:
    """Although another branch is now current, the session keeps its messages, and the fork has the new ones."""
    read = Read(SAMPLES["chatgpt"](), stored_last="answer---first")
    assert read.ids(0) == ["question-1", "answer---first"]
    assert read.ids(1) == ["question-1", "thoughts-second", "answer---second-x", "question-2-with-image"]


def gpt_chat(*nodes: tuple[str, dict[str, Any]]) -> bytes:
    """An export of ChatGPT with one conversation; each node follows the one before it."""
    linked = {
        key: {**node, "parent": nodes[place - 1][0] if place else None} for place, (key, node) in enumerate(nodes)
    }
    return json.dumps([{**CHATGPT[0], "mapping": linked, "current_node": nodes[-1][0]}]).encode()


def gpt_sent(
    key: str, role: str, content: dict[str, Any], recipient: str = "all", name: str | None = None
) -> tuple[str, dict[str, Any]]:
    """A node of ChatGPT: a message to a recipient, or one of a tool."""
    _, node = gpt_node(key, None, role, content)
    author: dict[str, Any] = {"role": role, "name": name, "metadata": {}}
    return key, {**node, "message": {**node["message"], "author": author, "recipient": recipient}}


def test_chatgpt_s_code_is_a_call_and_its_output_a_result() -> None:
    image = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-2"}
    read = Read(
        gpt_chat(
            gpt_sent("n1", "user", gpt_text("Add 2 and 2.")),
            gpt_sent(
                "n02", "assistant", {"content_type": "code", "language": "unknown", "text": "print(2 + 2)"}, "python"
            ),
            gpt_sent("n003", "tool", {"content_type": "execution_output", "text": "4\n"}, name="python"),
            gpt_sent("n0004", "tool", {"content_type": "multimodal_text", "parts": [image]}, name="python"),
            gpt_sent("n00005", "assistant", gpt_text('{"query": "rain"}'), "browser.search"),
            gpt_sent("n000006", "tool", {"content_type": "system_error", "name": "E", "text": "No."}, name="browser"),
            gpt_sent("n0000007", "assistant", gpt_text("It is 4.")),
            gpt_sent("n00000008", "tool", gpt_text("A file."), name="file_search"),
        )
    )
    messages = read.messages[CHATGPT_ID]
    assert read.faults == []
    assert [without_native(part) for message in messages[1:4] for part in message["parts"]] == [
        {"type": "tool_call", "call": "n02", "name": "python", "input": "print(2 + 2)"},
        {"type": "tool_result", "call": "n02", "output": "4\n"},
        {"type": "tool_result", "call": "n02"},
        {"type": "file", "media": "image/*", "url": "file-service://file-2", "call": "n02"},
    ]
    assert [message["parts"] for message in messages[4:]] == [
        [{"type": "tool_call", "call": "n00005", "name": "browser.search", "input": '{"query": "rain"}'}],
        [{"type": "tool_result", "call": "n00005", "output": "No.", "error": True}],
        [{"type": "text", "text": "It is 4."}],
        # A result without a call has the name of the tool.
        [{"type": "tool_result", "call": "file_search", "output": "A file."}],
    ]
    # What the code was written in stays.
    assert messages[1]["metadata"]["chatgpt"]["content"] == {"content_type": "code", "language": "unknown"}


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"content_type": "code", "language": "python", "text": "print(1)"}, "```python\nprint(1)\n```"),
        ({"content_type": "code", "language": "unknown", "text": "a\n```\nb"}, "````\na\n```\nb\n````"),
        ({"content_type": "code", "language": "a b", "text": ""}, "```\n\n```"),
        ({"content_type": "execution_output", "text": "4"}, "```\n4\n```"),
    ],
)
def test_chatgpt_s_code_for_the_user_is_fenced(content: dict[str, Any], shown: str) -> None:
    [message] = Read(gpt_chat(gpt_sent("n1", "assistant", content))).messages[CHATGPT_ID]
    assert message["content"] == shown


def test_claude_ai_keeps_attachments_and_thoughts() -> None:
    read = Read(SAMPLES["claude-ai"]())
    [session] = read.sessions
    first, second = read.messages[CLAUDE_AI_ID]
    assert (session["id"], session["name"]) == (CLAUDE_AI_ID, "Rain")
    assert [part["text"] for part in first["parts"]] == ["Why does it rain?", "Wet."]
    assert first["metadata"]["claude-ai"]["files"] == [{"file_name": "cloud.png"}]
    assert [part["type"] for part in second["parts"]] == ["reasoning", "text"]


def test_claude_ai_pairs_calls_and_results_without_ids() -> None:
    result = [{"type": "text", "text": "Wet.", "uuid": "t1"}]
    source = claude_answer(
        claude_block("tool_use", name="search", input={"query": "rain"}, message="Searching"),
        claude_block("tool_use", name="search", input={"query": "snow"}),
        claude_block("tool_use", name="chats", input={}),
        claude_block("tool_result", name="chats", content=[], is_error=False),
        claude_block("tool_result", name="search", content=result, is_error=False),
        claude_block("token_budget"),
        claude_block("tool_result", name="search", content="Cold.", is_error=True),
        claude_block("tool_result", name="search", content=None, tool_use_id=None),
    )
    read = Read(source)
    [message] = read.messages[CLAUDE_AI_ID]
    calls = [(part["call"], part["name"], part["input"]) for part in message["parts"] if part["type"] == "tool_call"]
    assert calls == [
        ("h1/1", "search", '{"query":"rain"}'),
        ("h1/2", "search", '{"query":"snow"}'),
        ("h1/3", "chats", "{}"),
    ]
    results = [part["call"] for part in message["parts"] if part["type"] == "tool_result"]
    # The last one answers no call.
    assert results == ["h1/3", "h1/1", "h1/2", "h1/8"]
    texts = [(part["call"], part["text"]) for part in message["parts"] if part["type"] == "text"]
    assert texts == [("h1/1", "Wet.")]
    snow = next(part for part in message["parts"] if part.get("output") == "Cold.")
    assert (snow["call"], snow["error"]) == ("h1/2", True)
    # Nothing else becomes data, and a second import has the same ids.
    assert [part["kind"] for part in message["parts"] if part["type"] == "data"] == ["anthropic.token_budget"]
    assert Read(source).messages == read.messages


def test_claude_ai_keeps_the_ids_of_calls() -> None:
    source = claude_answer(
        claude_block("tool_use", id="toolu_1", name="search", input={}),
        claude_block("tool_use", name="search", input={}),
        claude_block("tool_result", name="search", content="Second."),
        claude_block("tool_result", tool_use_id="toolu_1", name="search", content="First."),
    )
    [message] = Read(source).messages[CLAUDE_AI_ID]
    found = [(part["type"], part["call"]) for part in message["parts"]]
    assert found[:2] == [("tool_call", "toolu_1"), ("tool_call", "h1/2")]
    assert found[2:] == [("tool_result", "h1/2"), ("tool_result", "toolu_1")]


def test_claude_ai_pairs_a_result_without_a_name() -> None:
    source = claude_answer(claude_block("tool_use", name="search", input={}), claude_block("tool_result", content=""))
    [message] = Read(source).messages[CLAUDE_AI_ID]
    assert [part["call"] for part in message["parts"]] == ["h1/1", "h1/1"]


def test_openai_messages_keep_calls_and_results() -> None:
    read = Read(SAMPLES["openai-messages"]())
    first, second = read.sessions
    messages = read.messages[first["id"]]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert [part["type"] for message in messages[2:4] for part in message["parts"]] == ["tool_call", "tool_result"]
    assert first["context"] == {"openai-messages": {"tools": []}}
    assert len(read.messages[second["id"]]) == 1


def test_openai_messages_have_functions_without_ids() -> None:
    called = {"name": "weather", "arguments": '{"city": "Paris"}'}
    record = {
        "messages": [
            {"role": "user", "content": "What is the weather?"},
            {"role": "assistant", "content": None, "function_call": called},
            {"role": "function", "name": "weather", "content": "15 degrees"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "now", "arguments": {"zone": 1}}}],
            },
            {"role": "tool", "tool_name": "now", "content": {"hour": 12}},
            {"role": "tool", "tool_call_ids": ["call_1"], "content": "a.py"},
        ]
    }
    read = Read(lines(record))
    [session] = read.sessions
    messages = read.messages[session["id"]]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "tool", "tool"]
    parts = [without_native(message["parts"][-1]) for message in messages[1:]]
    assert parts == [
        {"type": "tool_call", "call": "weather", "name": "weather", "input": '{"city": "Paris"}'},
        {"type": "tool_result", "call": "weather", "output": "15 degrees"},
        {"type": "tool_call", "call": "now", "name": "now", "input": '{"zone":1}'},
        {"type": "tool_result", "call": "now", "output": '{"hour":12}'},
        {"type": "tool_result", "call": "call_1", "output": "a.py"},
    ]


def test_ai_sdk_messages_have_their_parts() -> None:
    read = Read(SAMPLES["ai-sdk"]())
    [session] = read.sessions
    assert (session["name"], session["labels"]["source-id"], read.ids()) == ("Weather", "chat-1", ["m1", "m2"])
    question, response = read.messages[session["id"]]
    assert (question["content"], question["timestamp"]) == ("What is the weather?", "2025-08-24T01:46:40.000000Z")
    assert [part["type"] for part in response["parts"]] == ["data", "reasoning", "tool_call", "tool_result", "text"]
    assert (response["content"], response["model"]) == ("15 degrees.", "gpt-5")
    assert (response["parts"][2]["input"], response["parts"][3]["output"]) == ('{"city":"Paris"}', '{"degrees":15}')


def test_ai_sdk_messages_can_be_a_whole_file() -> None:
    """Programs save the messages of a chat as an array, or the messages of all chats as rows."""
    messages = AI_SDK["messages"]
    read = Read(json.dumps(messages, indent=2).encode())
    [session] = read.sessions
    assert (read.format.name, read.ids(), read.faults) == ("ai-sdk", ["m1", "m2"], [])
    grown = Read(json.dumps([*messages, {**messages[0], "id": "m3"}]).encode())
    assert (grown.sessions[0]["id"], grown.ids()) == (session["id"], ["m1", "m2", "m3"])
    rows = Read(lines(*({**each, "chatId": f"c{place}"} for place, each in enumerate([*messages, messages[0]]))))
    assert [each["labels"]["source-id"] for each in rows.sessions] == ["c0", "c1", "c2"]


def test_ai_sdk_messages_without_an_id_are_numbered() -> None:
    message = {"role": "user", "parts": [{"type": "text", "text": "Hello"}], "createdAt": "2026-01-01T00:00:00Z"}
    read = Read(lines({"messages": [message, message]}))
    assert (read.format.name, read.ids()) == ("ai-sdk", ["1", "2"])
    assert read.messages[read.sessions[0]["id"]][1]["timestamp"] == "2026-01-01T00:00:00.000000Z"


def test_chat_completions_with_parts_of_others_are_not_of_the_ai_sdk() -> None:
    gemini = {"role": "user", "content": "Hello", "parts": [{"text": "Hello"}]}
    other = {"role": "user", "content": "Hello", "parts": [{"type": "text", "content": "Hello"}]}
    for message in (gemini, other, {"role": "user", "content": "Hello"}):
        assert Read(lines({"messages": [message]})).format.name == "openai-messages"


def test_anthropic_messages_begin_with_the_system_s() -> None:
    read = Read(SAMPLES["anthropic-messages"]())
    [session] = read.sessions
    messages = read.messages[session["id"]]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["parts"][0]["signature"] == "c2ln"
    assert session["context"] == {"anthropic-messages": {"max_tokens": 100}}


def test_edited_messages_count_in_an_export() -> None:
    member = {"session": {"id": SESSION}, "messages": [{"timestamp": "2026-01-01T00:00:00Z", "agent": "Ada"}]}
    edited = {"role": "user", "content": "Edited"}
    record = {"messages": [edited], "amplifierd": member}
    [message] = Read(lines(record)).messages[SESSION]
    assert (message["content"], message["agent"]) == ("Edited", "Ada")
    # If the number of messages differs, the stored record is ignored.
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
    message = read.messages[WEBUI_ID][1]
    assert ([part["type"] for part in message["parts"]], message["content"]) == (["reasoning", "text"], "255")
    assert (message["model"], message["usage"]) == ("deepseek-r1", {"inputTokens": 7, "outputTokens": 9})
    assert read.sessions[0]["pinned"] is True


def test_librechat_is_a_tree() -> None:
    read = Read(SAMPLES["librechat"]())
    assert (read.ids(0), read.ids(1)) == (["l1", "l2"], ["l1", "l3"])
    question, response = read.messages[LIBRECHAT_ID]
    assert (question["role"], question["content"]) == ("user", "How much fuel?")
    assert [part["type"] for part in response["parts"]] == ["reasoning", "tool_call", "tool_result", "text"]


def test_librechat_keeps_arguments_and_outputs_that_are_json() -> None:
    call = {"id": "c", "name": "calc", "args": {"x": [1, "é"]}, "output": {"sum": 1}}
    message = {"messageId": "l1", "content": [{"type": "tool_call", "tool_call": call}]}
    read = Read(json.dumps({"conversationId": LIBRECHAT_ID, "messages": [message]}).encode())
    called, result = read.messages[LIBRECHAT_ID][0]["parts"]
    assert (called["name"], called["input"], result["output"]) == ("calc", '{"x":[1,"é"]}', '{"sum":1}')


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


def test_message_with_a_content_and_no_parts_keeps_its_text() -> None:
    told: list[dict[str, Any]] = [
        {"role": "user", "content": "Hi", "parts": []},
        {"role": "assistant", "content": "Hello"},
    ]
    assert Read(json.dumps([{"id": "c", "messages": told}]).encode()).format.name == "openai-messages"
    mixed = [{"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}, {"id": "2", **told[1]}]
    read = Read(json.dumps([{"id": "c", "messages": mixed}]).encode(), "ai-sdk")
    assert [message["content"] for message in read.messages[read.sessions[0]["id"]]] == ["Hi", "Hello"]
