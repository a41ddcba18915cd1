"""Small samples of other tools' histories, in the formats that these tools write."""

import json
from collections.abc import Callable
from typing import Any

from samples.agent_histories import GEMINI
from samples.llm_log import llm_log
from samples.message_lists import AI_SDK, ANTHROPIC, OPENAI, SHAREGPT
from samples.opencode_database import opencode_database

SESSION = "5c2f6a54-7b0e-4d55-9f6e-0d7a3a4f1c11"

Object = dict[str, Any]


def lines(*records: Object) -> bytes:
    """The records as JSON, one per line."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def code_line(uuid: str, parent: str | None, message: Object | None = None, **members: Any) -> Object:
    """A line of Claude Code."""
    kind = message["role"] if message else "system"
    optional = {"message": message} if message else {}
    return {
        "parentUuid": parent,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/ada/atlas",
        "sessionId": SESSION,
        "version": "2.0.61",
        "gitBranch": "main",
        "type": kind,
        **optional,
        "uuid": uuid,
        "timestamp": "2026-03-01T10:00:00.123Z",
        **members,
    }


def user(text: str) -> Object:
    """A prompt."""
    return {"role": "user", "content": text}


def reply(message_id: str, *blocks: Object, output: int = 5) -> Object:
    """A response of the model, or some blocks of it."""
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100}
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [*blocks],
        "usage": usage | {"output_tokens": output},
    }


def text(words: str) -> Object:
    """A block of text."""
    return {"type": "text", "text": words}


def call(call_id: str) -> Object:
    """A block that calls a tool."""
    return {"type": "tool_use", "id": call_id, "name": "Read", "input": {"file_path": "/a"}}


def result(call_id: str, output: str) -> Object:
    """The result of a call."""
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": output}]}


CLAUDE_CODE = [
    {"type": "file-history-snapshot", "messageId": "u1", "snapshot": {"trackedFileBackups": {}}},
    code_line("u1", None, user("What is in /a and /b?")),
    code_line("a1", "u1", reply("m1", {"type": "thinking", "thinking": "Two files.", "signature": "c2ln"}, output=1)),
    code_line("a2", "a1", reply("m1", call("c1"), output=20)),
    code_line("a3", "a2", reply("m1", call("c2"), output=30)),
    code_line("r1", "a2", result("c1", "one"), toolUseResult={"file": {"content": "one"}}),
    code_line("r2", "a3", result("c2", "two")),
    code_line("s1", "r2", subtype="turn_duration", content="12 s"),
    code_line("a4", "s1", reply("m2", text("One and two."))),
    code_line("u2", "a4", user("And /c?")),
    code_line("a5", "u2", reply("m3", text("Nothing."))),
    code_line("u3", "a4", user("And /d?")),
    code_line("a6", "u3", reply("m4", text("Three."))),
    code_line("x1", None, user("Look for /e."), isSidechain=True, agentId="ab12"),
    code_line("x2", "x1", reply("m5", text("Found.")), isSidechain=True, agentId="ab12"),
    {"type": "summary", "summary": "Files of Ada", "leafUuid": "a5"},
    {"type": "summary", "summary": "Another file", "leafUuid": "a6"},
]

CODEX_ID = "019b3c5e-1f6a-7d41-8a53-4b6c1e9d2f10"


def codex_line(kind: str, payload: Object) -> Object:
    """A line of Codex."""
    return {"timestamp": "2026-03-02T09:00:00.000Z", "type": kind, "payload": payload}


CODEX = [
    codex_line(
        "session_meta",
        {
            "id": CODEX_ID,
            "timestamp": "2026-03-02T08:59:59.000Z",
            "cwd": "/home/ada/atlas",
            "originator": "codex_cli_rs",
            "cli_version": "0.64.0",
            "git": {"branch": "topic", "commit_hash": "0a1b"},
        },
    ),
    codex_line("world_state", {"full": True, "state": {"apps_instructions": False}}),
    codex_line("turn_context", {"cwd": "/home/ada/atlas", "model": "gpt-5-codex"}),
    codex_line(
        "response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "List files."}]}
    ),
    codex_line("event_msg", {"type": "user_message", "message": "List files."}),
    codex_line(
        "response_item",
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Use ls."}],
            "encrypted_content": "gAAAA",
        },
    ),
    codex_line(
        "response_item", {"type": "function_call", "name": "shell", "arguments": '{"cmd":"ls"}', "call_id": "call_1"}
    ),
    codex_line(
        "event_msg",
        {
            "type": "token_count",
            "info": {
                "last_token_usage": {
                    "input_tokens": 200,
                    "cached_input_tokens": 150,
                    "output_tokens": 40,
                    "reasoning_output_tokens": 30,
                    "total_tokens": 240,
                }
            },
        },
    ),
    codex_line("response_item", {"type": "function_call_output", "call_id": "call_1", "output": "a.py"}),
    codex_line(
        "response_item",
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a.py"}]},
    ),
    codex_line("event_msg", {"type": "agent_message", "message": "a.py"}),
]


def gpt_node(
    key: str, parent: str | None, role: str = "", content: Object | None = None, **metadata: Any
) -> tuple[str, Object]:
    """A node of ChatGPT's tree; without a role, it has no message."""
    message = {
        "id": key,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": 1_756_000_000 + len(key) / 8,
        "content": content,
        "status": "finished_successfully",
        "weight": 1.0,
        "metadata": metadata,
        "recipient": "all",
    }
    return key, {"id": key, "message": message if role else None, "parent": parent, "children": []}


def gpt_text(words: str) -> Object:
    """The content of a text message."""
    return {"content_type": "text", "parts": [words]}


CHATGPT_ID = "6b0f0d9c-1111-4000-8000-000000000001"
CHATGPT = [
    {
        "title": "Rolling back",
        "create_time": 1_756_000_000.25,
        "update_time": 1_756_000_400.5,
        "mapping": dict(
            [
                gpt_node("root", None),
                gpt_node("system", "root", "system", gpt_text("")),
                gpt_node("question-1", "system", "user", gpt_text("How do I roll back?")),
                gpt_node("answer---first", "question-1", "assistant", gpt_text("By hand."), model_slug="gpt-5"),
                gpt_node(
                    "thoughts-second",
                    "question-1",
                    "assistant",
                    {
                        "content_type": "thoughts",
                        "thoughts": [{"summary": "Helm", "content": "Use helm."}],
                    },
                ),
                gpt_node("answer---second-x", "thoughts-second", "assistant", gpt_text("With helm."), model_slug="o4"),
                gpt_node(
                    "question-2-with-image",
                    "answer---second-x",
                    "user",
                    {
                        "content_type": "multimodal_text",
                        "parts": [
                            {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"},
                            "So?",
                        ],
                    },
                ),
            ]
        ),
        "current_node": "question-2-with-image",
        "conversation_id": CHATGPT_ID,
        "id": CHATGPT_ID,
        "is_archived": True,
    }
]

CLAUDE_AI_ID = "0f4ee8f0-2222-4b11-8a1f-3f6f6d0b5a77"
CLAUDE_AI = [
    {
        "uuid": CLAUDE_AI_ID,
        "name": "Rain",
        "created_at": "2026-01-02T03:04:05.678901Z",
        "updated_at": "2026-01-02T03:05:05.678901Z",
        "account": {"uuid": "11111111-2222-4333-8444-555555555555"},
        "chat_messages": [
            {
                "uuid": "h1",
                "text": "Why does it rain?",
                "content": [{"type": "text", "text": "Why does it rain?", "citations": []}],
                "sender": "human",
                "created_at": "2026-01-02T03:04:06.000000Z",
                "attachments": [{"file_name": "rain.txt", "file_size": 4, "extracted_content": "Wet."}],
                "files": [{"file_name": "cloud.png"}],
            },
            {
                "uuid": "h2",
                "text": "Vapour.",
                "content": [{"type": "thinking", "thinking": "Water."}, {"type": "text", "text": "Vapour."}],
                "sender": "assistant",
                "created_at": "2026-01-02T03:04:09.000000Z",
                "attachments": [],
                "files": [],
            },
        ],
    }
]

WEBUI_ID = "3d1c8a5e-4444-4c1e-9a52-8f1b7c6d5e4f"


def webui_message(key: str, parent: str | None, role: str, content: str, **members: Any) -> tuple[str, Object]:
    """A message of Open WebUI."""
    own: Object = {"id": key, "parentId": parent, "childrenIds": [], "role": role, "content": content}
    return key, {**own, "timestamp": 1_700_000_000, **members}


OPEN_WEBUI = [
    {
        "id": WEBUI_ID,
        "user_id": "u1",
        "title": "Multiplying",
        "chat": {
            "title": "Multiplying",
            "models": ["deepseek-r1"],
            "history": {
                "currentId": "w3",
                "messages": dict(
                    [
                        webui_message("w1", None, "user", "15 times 17?"),
                        webui_message("w2", "w1", "assistant", "256", model="llama3"),
                        webui_message(
                            "w3",
                            "w1",
                            "assistant",
                            "<details></details>255",
                            model="deepseek-r1",
                            output=[
                                {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "150 + 105"}]},
                                {
                                    "type": "message",
                                    "role": "assistant",
                                    "content": [{"type": "output_text", "text": "255"}],
                                },
                            ],
                            usage={"prompt_tokens": 7, "completion_tokens": 9},
                        ),
                    ]
                ),
            },
        },
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_010,
        "archived": False,
        "pinned": True,
        "meta": {},
    }
]


def libre_message(key: str, *children: Object, **members: Any) -> Object:
    """A message of LibreChat."""
    return {"messageId": key, "createdAt": "2026-04-09T14:32:05.230Z", **members, "children": [*children]}


def claude_block(kind: str, **members: Any) -> Object:
    """A block of Claude.ai, which has no id."""
    return {"start_timestamp": None, "stop_timestamp": None, "flags": None, "type": kind, **members}


def claude_answer(*blocks: Object) -> bytes:
    """An export of Claude.ai with one answer."""
    answer = {"uuid": "h1", "text": "", "content": [*blocks], "sender": "assistant"}
    return json.dumps([{"uuid": CLAUDE_AI_ID, "name": "Rain", "chat_messages": [answer]}]).encode()


LIBRECHAT_ID = "af1ea676-5555-444f-a9ed-7c8dbf062733"
LIBRECHAT: Object = {
    "conversationId": LIBRECHAT_ID,
    "endpoint": "openAI",
    "title": "Fuel",
    "branches": True,
    "recursive": True,
    "options": {"model": "gpt-4o"},
    "messagesTree": [
        libre_message(
            "l1",
            libre_message(
                "l2",
                sender="GPT-4o",
                model="gpt-4o",
                text="",
                content=[
                    {"type": "think", "think": "Look it up."},
                    {"type": "tool_call", "tool_call": {"id": "c1", "name": "find", "args": "{}", "output": "8"}},
                    {"type": "text", "text": "8 litres."},
                ],
            ),
            libre_message("l3", sender="GPT-4o", model="gpt-4o", text="9 litres."),
            sender="User",
            isCreatedByUser=True,
            parentMessageId="00000000-0000-0000-0000-000000000000",
            text="How much fuel?",
        )
    ],
}


SAMPLES: dict[str, Callable[[], bytes]] = {
    "claude-code": lambda: lines(*CLAUDE_CODE),
    "codex": lambda: lines(*CODEX),
    "chatgpt": lambda: json.dumps(CHATGPT, indent=1).encode(),
    "claude-ai": lambda: json.dumps(CLAUDE_AI).encode(),
    "ai-sdk": lambda: json.dumps(AI_SDK).encode(),
    "anthropic-messages": lambda: lines(*ANTHROPIC),
    "openai-messages": lambda: lines(*OPENAI),
    "sharegpt": lambda: json.dumps(SHAREGPT).encode(),
    "open-webui": lambda: json.dumps(OPEN_WEBUI, indent=2).encode(),
    "librechat": lambda: json.dumps(LIBRECHAT, indent=2).encode(),
    "llm": llm_log,
    "gemini-cli": lambda: lines(*GEMINI),
    "opencode": opencode_database,
}
