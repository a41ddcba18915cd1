"""Small samples of coding agents' logs in their own formats, with one line for each change."""

from typing import Any

Object = dict[str, Any]

GEMINI_ID = "0b7a5f5e-6666-4d0a-9d0c-2a6d1c3e5f70"
_GEMINI_TIME = "2026-05-01T10:00:0{}.000Z"


def gemini_message(key: str, kind: str, content: Any, second: int, **members: Any) -> Object:
    """A message of Gemini CLI."""
    return {"id": key, "timestamp": _GEMINI_TIME.format(second), "type": kind, "content": content, **members}


def gemini_call(status: str, result: Any = None) -> Object:
    """A tool call."""
    return {
        "id": "read-1",
        "name": "read_file",
        "args": {"path": "a.txt"},
        "status": status,
        "timestamp": _GEMINI_TIME.format(4),
        "displayName": "ReadFile",
        **({"result": result} if result is not None else {}),
    }


_ANSWERED = {"functionResponse": {"id": "read-1", "name": "read_file", "response": {"output": "one"}}}
_TOKENS = {"input": 200, "output": 10, "cached": 150, "thoughts": 30, "tool": 0, "total": 240}
_THOUGHT = {"subject": "Reading", "description": "Read the file.", "timestamp": _GEMINI_TIME.format(1)}
_READS = gemini_message("g2", "gemini", "I read it.", 2, thoughts=[_THOUGHT], tokens=None, model="gemini-3-pro")

GEMINI = [
    {
        "sessionId": GEMINI_ID,
        "projectHash": "4f2a",
        "startTime": "2026-05-01T09:59:59.000Z",
        "lastUpdated": "2026-05-01T09:59:59.000Z",
        "kind": "main",
        "directories": ["/home/ada/atlas"],
    },
    gemini_message("g1", "user", [{"text": "What is in a.txt?"}], 0),
    {"$set": {"lastUpdated": _GEMINI_TIME.format(0)}},
    _READS,
    _READS | {"tokens": _TOKENS},
    _READS | {"tokens": _TOKENS, "toolCalls": [gemini_call("executing")]},
    _READS | {"tokens": _TOKENS, "toolCalls": [gemini_call("success", [_ANSWERED])]},
    gemini_message("g3", "info", "Press Ctrl+C again.", 5),
    gemini_message("g4", "gemini", "One.", 6, thoughts=[], tokens=None, model="gemini-3-pro"),
    {"$rewindTo": "g4"},
    gemini_message("g5", "gemini", "It says one.", 7, thoughts=[], tokens=None, model="gemini-3-pro"),
    {"$set": {"summary": "A file"}},
]

GEMINI_OLD = {
    **GEMINI[0],
    "summary": "A file",
    "messages": [GEMINI[1], GEMINI[6], GEMINI[7], GEMINI[8]],
}
