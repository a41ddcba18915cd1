"""The most expensive corrections and deletions that a client can request."""

from dataclasses import replace
from uuid import UUID

from worst_requests.clients import MIB, Ask
from worst_requests.data import Data


def long_corrections(data: Data) -> list[Ask]:
    content = "longword " * ((8 * MIB - 1_000) // 9)
    ids = [data.of_one_text("x") for _ in range(8)]
    return [Ask.of_json("PATCH", f"/sessions/{session_id}/messages/1", {"content": content}) for session_id in ids]


def corrections_of_calls(data: Data) -> list[Ask]:
    session_id = data.session()
    data.append_batch(session_id, [{"content": "x"}, *[{"parts": [_result(number)]} for number in range(999)]])
    calls = [{"type": "tool_call", "call": f"c{number}", "name": "n", "input": ""} for number in range(999)]
    return [
        Ask.of_json("PATCH", f"/sessions/{session_id}/messages/1", {"parts": calls[place % 2 :]}) for place in range(8)
    ]


def _result(number: int) -> dict[str, str]:
    return {"type": "tool_result", "call": f"c{number}", "output": ""}


def deletions_of_results(data: Data) -> list[Ask]:
    session_id = data.session()
    calls = [{"type": "tool_call", "call": f"c{number}", "name": "n", "input": ""} for number in range(999)]
    data.append_parts(session_id, calls)
    data.append_batch(session_id, [{"parts": list(map(_result, range(999)))} for _ in range(24)])
    return [Ask("DELETE", f"/sessions/{session_id}/messages/{sequence}") for sequence in range(2, 26)]


def deletions(data: Data) -> list[Ask]:
    ids = data.imported([round(125_000 * data.scale)] * 8)
    return [Ask("DELETE", f"/sessions/{session_id}", repeats=False) for session_id in ids]


def cleanups(data: Data) -> Ask:
    data.imported([round(125_000 * data.scale)] * 8)
    return Ask.of_json("POST", "/sessions/cleanup", {"older_than_days": 0, "status": ["active"], "dry_run": True})


def deletions_by_filter(data: Data) -> Ask:
    data.many_sessions()
    return Ask.of_json("POST", "/sessions/delete", {"filter": {"name": "nobody", "roots": True}, "dry_run": False})


def deletions_of_messages_by_filter(data: Data) -> list[Ask]:
    ids = data.imported([round(125_000 * data.scale)] * 8)
    bodies = [{"filter": {"ids": [session_id]}, "dry_run": False} for session_id in ids]
    return [replace(Ask.of_json("POST", "/sessions/delete", body), repeats=False) for body in bodies]


def deletions_by_ids(_data: Data) -> Ask:
    ids = [str(UUID(int=number)) for number in range(1_000)]
    return Ask.of_json("POST", "/sessions/delete", {"filter": {"ids": ids}, "dry_run": False})
