"""Small samples of conversations as lists of messages: of APIs, of the AI SDK, and of ShareGPT."""

from typing import Any

Object = dict[str, Any]

OPENAI: list[Object] = [
    {
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "What is the weather?"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "15 degrees"},
            {"role": "assistant", "content": "15 degrees."},
        ],
        "tools": [],
    },
    {"messages": [{"role": "user", "content": "Hello"}]},
]
SHAREGPT = [
    {
        "id": "identity_0",
        "conversations": [
            {"from": "human", "value": "Who are you?"},
            {"from": "gpt", "value": "A model.", "weight": 1},
        ],
    }
]

ANTHROPIC: list[Object] = [
    {
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "What is in a.txt?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Read it.", "signature": "c2ln"},
                    {"type": "tool_use", "id": "c1", "name": "read", "input": {"file": "a.txt"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "one"}]},
        ],
        "max_tokens": 100,
    }
]

AI_SDK: Object = {
    "id": "chat-1",
    "title": "Weather",
    "messages": [
        {
            "id": "m1",
            "role": "user",
            "parts": [{"type": "text", "text": "What is the weather?"}],
            "metadata": {"createdAt": 1_756_000_000_000},
        },
        {
            "id": "m2",
            "role": "assistant",
            "metadata": {"model": "gpt-5"},
            "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "text": "Ask the tool.", "state": "done"},
                {
                    "type": "tool-weather",
                    "toolCallId": "call_1",
                    "state": "output-available",
                    "input": {"city": "Paris"},
                    "output": {"degrees": 15},
                },
                {"type": "text", "text": "15 degrees.", "state": "done"},
            ],
        },
    ],
}
