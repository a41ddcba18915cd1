"""Blocks in the contents that Open WebUI stores as HTML."""

import html
import json
from typing import Any

import pytest

from samples.histories import WEBUI_ID, webui_message
from samples.history_reading import Read, without_native


def webui_parts(content: str, role: str = "assistant") -> list[dict[str, Any]]:
    """The parts of a message of Open WebUI."""
    history = {"currentId": "w1", "messages": dict([webui_message("w1", None, role, content)])}
    read = Read(json.dumps([{"id": WEBUI_ID, "chat": {"history": history}}]).encode())
    assert read.faults == []
    found: list[dict[str, Any]] = read.messages[WEBUI_ID][0]["parts"]
    return found


def webui_call(name: str, *, arguments: Any, result: Any = None, **attributes: str) -> str:
    """A block of Open WebUI for a call, as it stores it."""
    written = {**attributes, "name": name, "arguments": html.escape(json.dumps(arguments))}
    if result is None:
        summary = "Executing..."
    else:
        written["result"] = html.escape(json.dumps(result, ensure_ascii=False))
        summary = "Tool Executed"
    done = "false" if result is None else "true"
    text = "".join(f' {key}="{value}"' for key, value in {"done": done, **written}.items())
    return f'<details type="tool_calls"{text}>\n<summary>{summary}</summary>\n</details>\n'


def test_open_webui_s_stored_blocks_are_parts() -> None:
    thought = '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>\n'
    called = webui_call("weather", arguments='{"city": "<Köln>"}', result='15 "degrees"', id="call_1", files="")
    parts = webui_parts(f"{thought}> Ask & see.\n> \n> Now\n</details>\nI ask.\n\n{called}\n**15** degrees.\n")
    assert [without_native(part) for part in parts] == [
        {"type": "reasoning", "text": "Ask & see.\n\nNow"},
        {"type": "text", "text": "I ask."},
        {"type": "tool_call", "call": "call_1", "name": "weather", "input": '{"city": "<Köln>"}'},
        {"type": "tool_result", "call": "call_1", "output": '15 "degrees"'},
        {"type": "text", "text": "**15** degrees.\n"},
    ]
    assert parts[0]["native"]["open-webui"] == {"done": "true", "duration": "3", "summary": "Thought for 3 seconds"}


def test_open_webui_s_blocks_of_other_versions_are_parts() -> None:
    values = webui_call("now", arguments={"zone": 1}, result={"hour": [12]}) + webui_call("now", arguments="")
    escaped = '<details type="reasoning" done="false">\n<summary>Thinking…</summary>\n&gt; a &lt; b\n&gt;c\n</details>'
    code = (
        '<details type="code_interpreter" done="true" output="{&quot;stdout&quot;: &quot;4&quot;}">\n'
        "<summary>Analyzed</summary>\n```python\nprint(4)\n```\n</details>"
    )
    body = (
        '<details type="tool_calls" done="true" id="c" name="f" arguments="{}">\n<summary>Tool Executed</summary>\n'
        "&quot;done&quot;\n</details>"
    )
    assert [without_native(part) for part in webui_parts(values + escaped + code + body)] == [
        {"type": "tool_call", "call": "w1/1", "name": "now", "input": '{"zone": 1}'},
        {"type": "tool_result", "call": "w1/1", "output": '{"hour": [12]}'},
        {"type": "tool_call", "call": "w1/3", "name": "now", "input": ""},
        {"type": "reasoning", "text": "a < b\n>c"},
        {"type": "tool_call", "call": "w1/5", "name": "code_interpreter", "input": "print(4)"},
        {"type": "tool_result", "call": "w1/5", "output": '{"stdout": "4"}'},
        {"type": "tool_call", "call": "c", "name": "f", "input": "{}"},
        {"type": "tool_result", "call": "c", "output": "done"},
    ]


@pytest.mark.parametrize(
    "content",
    [
        "<details>\n<summary>More</summary>\nText\n</details>\n",
        '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> Not closed\n',
        '<details type="reasoning" done="true">\n<summary>Thought</summary>\nNot quoted\n</details>\n',
        '<details type="reasoning">\n<summary>a</summary>\n> <details></details>\n</details>\n',
        '<details type="tool_calls" done="true" name="f" arguments="{not JSON">\n<summary>a</summary>\n</details>\n',
        '<details type="tool_calls" done="true" name="f" arguments="&nbsp;">\n<summary>a</summary>\n</details>\n',
        '<details type="tool_calls" done="true" arguments="{}">\n<summary>a</summary>\n</details>\n',
        '<details type="code_interpreter" done="true">\n<summary>a</summary>\nNo code\n</details>\n',
        '<details type="tool_calls" done="true" name="f" arguments="{}" open><summary>a</summary></details>',
    ],
)
def test_open_webui_s_other_html_stays_byte_for_byte(content: str) -> None:
    text = f"\n Before\n{content}\n\nAfter \n"
    assert webui_parts(text) == [{"type": "text", "text": text}]
    # A block beside it is a part nevertheless.
    beside = webui_parts(webui_call("f", arguments="{}", result="") + text)
    assert [part["type"] for part in beside] == ["tool_call", "tool_result", "text"]
    assert beside[2]["text"] == text.removeprefix("\n")


def test_open_webui_s_blocks_of_a_user_are_text() -> None:
    called = webui_call("f", arguments="{}", result="")
    assert webui_parts(called, "user") == [{"type": "text", "text": called}]


def test_open_webui_s_unclosed_blocks_are_read_in_linear_time() -> None:
    """A quadratic search would take hours."""
    opened = '<details type="reasoning" done="true">\n<summary>a</summary>\n> b\n'
    for text in (opened * 50_000, opened * 50_000 + "</details>", '<details type="tool_calls"' + ' a="' * 500_000):
        assert len(webui_parts(text)) <= 2
