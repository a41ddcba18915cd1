"""Exports of chat services, and messages in the formats of their APIs."""

import json

from histories import (
    CHATGPT_ID,
    CLAUDE_AI_ID,
    LIBRECHAT,
    LIBRECHAT_ID,
    SAMPLES,
    SESSION,
    WEBUI_ID,
    lines,
)
from history_reading import Read


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


def test_claude_ai_keeps_attachments_and_thoughts() -> None:
    read = Read(SAMPLES["claude-ai"]())
    [session] = read.sessions
    first, second = read.messages[CLAUDE_AI_ID]
    assert (session["id"], session["name"]) == (CLAUDE_AI_ID, "Rain")
    assert [part["text"] for part in first["parts"]] == ["Why does it rain?", "Wet."]
    assert first["metadata"]["claude-ai"]["files"] == [{"file_name": "cloud.png"}]
    assert [part["type"] for part in second["parts"]] == ["reasoning", "text"]


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
