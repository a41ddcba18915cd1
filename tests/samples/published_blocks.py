"""Handwritten messages in the formats of providers and programs, with each kind of block and item in their SDKs."""

from typing import Any

Object = dict[str, Any]

PNG = "iVBORw0KGgo="

ANTHROPIC_BLOCKS: list[Object] = [
    {"type": "text", "text": "Let me look."},
    {
        "type": "text",
        "text": "It rained.",
        "citations": [{"type": "char_location", "cited_text": "rain", "document_index": 0, "start_char_index": 3}],
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    },
    {"type": "text", "text": "No citations.", "citations": None},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}, "cache_control": None},
    {"type": "image", "source": {"type": "file", "file_id": "file_011CNha8iCJcU1wXNR6q4V8w"}},
    {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        "title": "report.pdf",
        "context": "The report of May.",
        "citations": {"enabled": True},
    },
    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Plain."}, "title": None},
    {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "Part of it."}]}},
    {
        "type": "search_result",
        "source": "https://example.com/manual",
        "title": "Manual",
        "content": [{"type": "text", "text": "Press it."}],
        "citations": {"enabled": False},
    },
    {"type": "thinking", "thinking": "The user wants the weather.", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"},
    {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
    {"type": "tool_use", "id": "toolu_01A", "name": "weather", "input": {"city": "Köln", "days": 1.0, "deep": [{}]}},
    {"type": "tool_use", "id": "toolu_02", "name": "now", "input": {}, "caller": {"type": "direct"}},
    {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "15 degrees", "is_error": False},
    {
        "type": "tool_result",
        "tool_use_id": "toolu_01A",
        "content": [
            {"type": "text", "text": "15 degrees"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "tool_reference", "tool_name": "map"},
        ],
    },
    {"type": "tool_result", "tool_use_id": "toolu_02", "is_error": True},
    {"type": "tool_result", "tool_use_id": "toolu_02", "content": {"degrees": 15.0}},
    {"type": "tool_result", "tool_use_id": "toolu_02", "content": None},
    {"type": "tool_result", "tool_use_id": "toolu_03", "content": [], "cache_control": {"type": "ephemeral"}},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "type": "web_search_result",
                "url": "https://example.com/rain",
                "title": "Rain",
                "encrypted_content": "EqgfCioIARgB",
                "page_age": "2 days ago",
            }
        ],
    },
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_2",
        "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
    },
    {
        "type": "web_fetch_tool_result",
        "tool_use_id": "srvtoolu_3",
        "content": {"type": "web_fetch_result", "url": "https://example.com", "content": {"type": "document"}},
    },
    {
        "type": "code_execution_tool_result",
        "tool_use_id": "srvtoolu_4",
        "content": {"type": "code_execution_result", "stdout": "4\n", "stderr": "", "return_code": 0, "content": []},
    },
    {
        "type": "bash_code_execution_tool_result",
        "tool_use_id": "srvtoolu_5",
        "content": {"type": "bash_code_execution_result", "stdout": "", "stderr": "no", "return_code": 1},
    },
    {
        "type": "text_editor_code_execution_tool_result",
        "tool_use_id": "srvtoolu_6",
        "content": {
            "type": "text_editor_code_execution_view_result",
            "file_type": "text",
            "content": "a",
            "num_lines": 1,
        },
    },
    {
        "type": "tool_search_tool_result",
        "tool_use_id": "srvtoolu_7",
        "content": {"type": "tool_search_tool_search_result", "tool_references": []},
    },
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "demo", "input": {"text": "hi"}},
    {
        "type": "mcp_tool_result",
        "tool_use_id": "mcptoolu_1",
        "is_error": False,
        "content": [{"type": "text", "text": "hi"}],
    },
    {"type": "container_upload", "file_id": "file_1"},
    {"type": "compaction", "content": "What was said before."},
]

ANTHROPIC: list[Object] = [
    {"role": "user", "content": "Will it rain?"},
    {"role": "user", "content": ""},
    {"role": "user", "content": []},
    *({"role": "assistant", "content": [block]} for block in ANTHROPIC_BLOCKS),
    {"role": "user", "content": ANTHROPIC_BLOCKS},
    {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": ANTHROPIC_BLOCKS[:3],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 3, "cache_read_input_tokens": 5, "service_tier": "standard"},
    },
]

_FUNCTION_CALL: Object = {
    "id": "call_1",
    "type": "function",
    # As a model writes it: not as a program would.
    "function": {"name": "weather", "arguments": '{ "city":"K\\u00f6ln",\n "days": 1.0 }'},
}

OPENAI_CHAT: list[Object] = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": "Be brief.", "name": "rules"},
    {"role": "user", "content": "Hello!"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
            {"type": "file", "file": {"file_id": "file-abc"}},
        ],
    },
    {"role": "assistant", "content": "Hi.", "refusal": None, "annotations": []},
    {"role": "assistant", "content": None, "tool_calls": [_FUNCTION_CALL]},
    {"role": "assistant", "content": "One moment.", "tool_calls": [_FUNCTION_CALL, {**_FUNCTION_CALL, "id": "call_2"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_3", "type": "custom", "custom": {"name": "patch", "input": "*** Begin Patch"}}],
    },
    {"role": "assistant", "content": None, "tool_calls": []},
    {"role": "assistant", "content": None, "refusal": "I can't help with that."},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}, {"type": "text", "text": "Sorry."}]},
    {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
    {
        "role": "assistant",
        "content": "",
        "audio": {"id": "audio_1", "data": "AA==", "expires_at": 1, "transcript": "Hi"},
    },
    {
        "role": "assistant",
        "content": "It rained.",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "Rain"}}],
    },
    {"role": "assistant", "content": "4", "reasoning_content": "2 and 2."},
    {"role": "tool", "tool_call_id": "call_1", "content": "15 degrees"},
    {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": [{"type": "text", "text": "15"}, {"type": "text", "text": "°"}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": []},
    {"role": "tool", "tool_call_id": "call_1", "content": {"degrees": 15.0}},
    {"role": "tool", "tool_call_id": "call_1", "content": None},
    {"role": "tool", "tool_call_id": "call_1"},
    {"role": "tool", "tool_call_ids": ["call_1"], "content": "15 degrees", "agent": "main"},
    {"role": "tool", "tool_call_ids": ["call_1", "call_2"], "content": "15 degrees"},
    {"role": "tool", "tool_name": "weather", "content": "15 degrees"},
    {"role": "function", "name": "weather", "content": "15 degrees"},
    {"role": "function", "name": "weather", "content": None},
    {"role": "function", "content": "15 degrees"},
    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {"days": 1.0}}}]},
    {"role": "assistant", "content": "", "tool_calls": [{"id": "", "index": 0, "function": {"name": "now"}}]},
    {"role": "assistant", "content": None, "function_call": {"name": "now", "arguments": {}}, "tool_calls": None},
]

OPENAI_RESPONSES: list[Object] = [
    {"role": "user", "content": "Hello!"},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
            {"type": "input_image", "file_id": "file-1", "detail": "high", "image_url": None},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            {"type": "input_file", "file_url": "https://example.com/a.pdf"},
            {"type": "input_file", "file_id": "file-2"},
        ],
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "It rained.", "annotations": [{"type": "url_citation"}], "logprobs": []},
            {"type": "refusal", "refusal": "No more."},
        ],
    },
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
        "content": [{"type": "reasoning_text", "text": "All of it."}],
        "encrypted_content": "gAAAAABo",
        "status": "completed",
    },
    {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": None},
    {"type": "reasoning", "id": "rs_3", "summary": [], "encrypted_content": "gAAAAABp"},
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{ "city":"K\\u00f6ln" }',
        "status": "completed",
    },
    {"type": "function_call_output", "call_id": "call_1", "output": "15 degrees"},
    {
        "type": "function_call_output",
        "id": "fco_1",
        "call_id": "call_1",
        "output": [{"type": "input_text", "text": "15"}, {"type": "input_image", "image_url": "https://example.com/a"}],
    },
    {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "*** Begin Patch", "id": "ctc_1"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done."},
    {
        "type": "file_search_call",
        "id": "fs_1",
        "status": "completed",
        "queries": ["rain"],
        "results": [{"file_id": "file-1", "filename": "a.md", "score": 0.5, "text": "Rain."}],
    },
    {"type": "file_search_call", "id": "fs_2", "status": "searching", "queries": ["rain"], "results": None},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "rain"}},
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "rain"}},
    {"type": "web_search_call", "id": None, "status": "completed"},
    {"type": "mcp_call", "server_label": "demo", "name": "echo", "arguments": "{}", "output": "hi"},
    {"type": "tool_search_call", "call_id": "call_7", "execution": "client", "arguments": {"query": "map"}},
    {"type": "tool_search_output", "call_id": "call_7", "execution": "client", "tools": [{"name": "map"}]},
    {
        "type": "computer_call",
        "id": "cu_1",
        "call_id": "call_3",
        "status": "completed",
        "action": {"type": "click", "x": 1, "y": 2, "button": "left"},
        "pending_safety_checks": [],
    },
    {
        "type": "computer_call_output",
        "call_id": "call_3",
        "output": {"type": "computer_screenshot", "image_url": f"data:image/png;base64,{PNG}"},
    },
    {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "container_id": "cntr_1",
        "status": "completed",
        "code": "print(2 + 2)",
        "outputs": [{"type": "logs", "logs": "4"}],
    },
    {"type": "code_interpreter_call", "id": "ci_2", "container_id": "cntr_1", "status": "interpreting", "code": None},
    {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG},
    {"type": "image_generation_call", "id": "ig_2", "status": "generating", "result": None},
    {
        "type": "local_shell_call",
        "id": "lsh_1",
        "call_id": "call_4",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    },
    {"type": "local_shell_call_output", "id": "call_4", "output": "a b", "status": None},
    {
        "type": "shell_call",
        "call_id": "call_5",
        "action": {"commands": ["ls"], "timeout_ms": None},
        "status": "completed",
    },
    {"type": "shell_call_output", "call_id": "call_5", "output": [{"stdout": "a", "stderr": "", "outcome": {}}]},
    {
        "type": "apply_patch_call",
        "call_id": "call_6",
        "operation": {"type": "delete_file", "path": "a"},
        "status": "completed",
    },
    {"type": "apply_patch_call_output", "call_id": "call_6", "status": "completed", "output": "Done."},
    {
        "type": "mcp_call",
        "id": "mcp_1",
        "server_label": "demo",
        "name": "echo",
        "arguments": '{"text":"hi"}',
        "output": "hi",
        "error": None,
    },
    {
        "type": "mcp_call",
        "id": "mcp_2",
        "server_label": "demo",
        "name": "echo",
        "arguments": "{}",
        "error": "It is away.",
    },
    {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "demo", "tools": [{"name": "echo", "input_schema": {}}]},
    {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "demo", "name": "echo", "arguments": "{}"},
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    {"type": "item_reference", "id": "msg_1"},
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAABq"},
]

_TOOL: Object = {"type": "tool-weather", "toolCallId": "call_1", "input": {"city": "Köln", "days": 1.0}}

AI_SDK_PARTS: list[Object] = [
    {"type": "text", "text": "Hello!"},
    {"type": "text", "text": "Hel", "state": "streaming", "providerMetadata": {"openai": {"itemId": "msg_1"}}},
    {"type": "reasoning", "text": "The user wants the weather.", "state": "done"},
    {
        "type": "reasoning",
        "id": "rs_1",
        "text": "",
        "providerMetadata": {"openai": {"reasoningEncryptedContent": "gAAAAABo"}},
    },
    {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": f"data:image/png;base64,{PNG}"},
    {"type": "file", "mediaType": "image/png", "url": "https://example.com/a.png"},
    {"type": "source-url", "sourceId": "s1", "url": "https://example.com", "title": "Rain"},
    {
        "type": "source-document",
        "sourceId": "s2",
        "mediaType": "application/pdf",
        "title": "Report",
        "filename": "a.pdf",
    },
    {"type": "step-start"},
    {"type": "data-weather", "id": "d1", "data": {"degrees": 15}},
    {"type": "tool-weather", "toolCallId": "call_0", "state": "input-streaming"},
    {"type": "tool-weather", "toolCallId": "call_0", "state": "input-streaming", "input": {"ci": None}},
    {**_TOOL, "state": "input-available", "callProviderMetadata": {"openai": {"itemId": "fc_1"}}},
    {**_TOOL, "state": "approval-requested", "approval": {"id": "a1"}},
    {**_TOOL, "state": "approval-responded", "approval": {"id": "a1", "approved": True, "reason": "Yes."}},
    {**_TOOL, "state": "output-available", "output": {"degrees": 15}},
    {**_TOOL, "state": "output-available", "output": "15 degrees", "providerExecuted": True, "preliminary": True},
    {**_TOOL, "state": "output-available", "output": None},
    {**_TOOL, "state": "output-error", "errorText": "It is away.", "rawInput": "{"},
    {**_TOOL, "state": "output-denied", "approval": {"id": "a1", "approved": False}},
    {
        "type": "dynamic-tool",
        "toolName": "weather",
        "toolCallId": "call_2",
        "title": "Weather",
        "state": "output-available",
        "input": {},
        "output": [1, 2.5],
    },
    {
        "type": "dynamic-tool",
        "toolName": "weather",
        "toolCallId": "call_3",
        "state": "input-available",
        "input": "text",
    },
]

_INVOCATION: Object = {"toolCallId": "call_4", "toolName": "weather", "args": {"city": "Köln"}, "step": 0}
AI_SDK_PARTS += [
    {"type": "tool-invocation", "toolInvocation": {**_INVOCATION, "state": "result", "result": {"degrees": 15.0}}},
    {"type": "tool-invocation", "toolInvocation": {**_INVOCATION, "state": "result", "result": "15 degrees"}},
    {"type": "tool-invocation", "toolInvocation": {**_INVOCATION, "state": "call"}, "providerMetadata": {}},
    {"type": "tool-invocation", "toolInvocation": {"state": "partial-call", "toolName": "now", "toolCallId": "call_5"}},
    {"type": "tool-invocation", "toolInvocation": {"state": "call", "toolName": "now", "args": {}}},
    {"type": "reasoning", "reasoning": "The user wants the weather.", "details": [{"type": "text", "text": "The"}]},
]

AI_SDK: list[Object] = [
    *({"id": "m1", "role": "assistant", "parts": [part]} for part in AI_SDK_PARTS),
    {"id": "m2", "role": "user", "parts": AI_SDK_PARTS[:1], "metadata": {"createdAt": 1}},
    {"id": "m3", "role": "assistant", "parts": AI_SDK_PARTS},
    {"id": "m4", "role": "system", "parts": []},
]

PUBLISHED = {
    "anthropic": ANTHROPIC,
    "openai-chat": OPENAI_CHAT,
    "openai-responses": OPENAI_RESPONSES,
    "ai-sdk": AI_SDK,
}
