"""Parts of messages over HTTP: returned as sent, validated with the place of a fault, rendered and searchable."""

import json
from typing import Any

import httpx
import pytest

from amplifierd.formats import FORMATS, Format
from samples.published_blocks import PUBLISHED

MEDIA = r"must match ^[^\x00-\x20/\x7f]+/[^\x00-\x20/\x7f]+$"
CALL = {"type": "tool_call", "call": "c1", "name": "weather", "input": '{ "city": "K\\u00f6ln" }'}


@pytest.fixture
def path(client: httpx.Client) -> str:
    return f"/sessions/{client.post('/sessions').json()['id']}"


def violations(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 422, response.text
    return [(error["pointer"], error["detail"]) for error in response.json()["errors"]]


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: str(each.name))
def test_formats_take_and_return_messages(client: httpx.Client, path: str, each: Format) -> None:
    sources = PUBLISHED[each.name]
    response = client.post(f"{path}/messages/batch", json={"messages": [each.read(source) for source in sources]})
    assert response.status_code == 201, response.text
    listed = client.get(f"{path}/messages").json()["messages"]
    assert [each.write(message) for message in listed] == sources


@pytest.mark.parametrize(
    ("part", "pointer", "detail"),
    [
        ({**CALL, "name": ""}, "/parts/1/name", "must not be empty"),
        ({**CALL, "inputs": "x"}, "/parts/1/inputs", "is unknown"),
        ({**CALL, "input": {}}, "/parts/1/input", "must be of type string"),
        ({**CALL, "call": "a\nb"}, "/parts/1/call", r"must match ^[^\x00-\x1f\x7f]+$"),
        ({"type": "tool_call", "call": "c"}, "/parts/1/name", "is required"),
        ({"type": "tool_call", "call": "c"}, "/parts/1/input", "is required"),
        (
            {"type": "image", "url": "x"},
            "/parts/1/type",
            "must be one of text, reasoning, tool_call, tool_result, file, source, data",
        ),
        ({"type": 1}, "/parts/1/type", "must be one of text, reasoning, tool_call, tool_result, file, source, data"),
        ({"text": "x"}, "/parts/1/type", "is required"),
        ("text", "/parts/1", "must be of type object"),
        (None, "/parts/1", "must be of type object"),
        ({"type": "text", "text": "x", "native": []}, "/parts/1/native", "must be of type object"),
        ({"type": "file", "media": "png", "url": "x"}, "/parts/1/media", MEDIA),
        ({"type": "data", "kind": "a b", "value": 1}, "/parts/1/kind", "must match ^[A-Za-z0-9._-]+$"),
    ],
)  # fmt: skip
def test_error_names_the_place_in_the_part(
    client: httpx.Client, path: str, part: Any, pointer: str, detail: str
) -> None:
    parts = [{"type": "text", "text": "x"}, part]
    assert (pointer, detail) in violations(client.post(f"{path}/messages", json={"parts": parts}))
    batch = {"messages": [{"content": "x"}, {"parts": parts}]}
    assert (f"/messages/1{pointer}", detail) in violations(client.post(f"{path}/messages/batch", json=batch))


def test_invalid_part_is_named(client: httpx.Client, path: str) -> None:
    parts = [{"type": "text"}, CALL, {"type": "reasoning", "text": 1}]
    assert violations(client.post(f"{path}/messages", json={"parts": parts})) == [
        ("/parts/0/text", "is required"),
        ("/parts/2/text", "must be of type string"),
    ]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "is required unless there are parts"),
        ({"content": "a", "parts": [CALL]}, "differs from the texts of the parts; leave it out"),
    ],
)
def test_content_is_required_without_parts(client: httpx.Client, path: str, body: dict[str, Any], detail: str) -> None:
    assert violations(client.post(f"{path}/messages", json=body)) == [("/content", detail)]
    batch = {"messages": [{"content": "a"}, body]}
    assert violations(client.post(f"{path}/messages/batch", json=batch)) == [("/messages/1/content", detail)]


def test_parts_keep_every_digit(client: httpx.Client, path: str) -> None:
    text = '[{"type":"data","kind":"x","value":[1.0,12345678901234567890,"\\u00e9",null],"native":{"b":1,"a":-0.0}}]'
    sent = client.post(f"{path}/messages", content=f'{{"parts": {text}}}', headers={"Content-Type": "application/json"})
    assert f'"parts":{text}' in sent.text
    assert f'"parts":{text}' in client.get(f"{path}/messages/1").text
    assert sent.json()["content"] == ""


@pytest.mark.parametrize("value", ["1e400", '"\\ud800"', '{"a":1,"a":2}', "NaN", "[" * 101 + "]" * 101])
def test_parts_other_than_i_json_are_refused(client: httpx.Client, path: str, value: str) -> None:
    body = f'{{"parts":[{{"type":"data","kind":"x","value":{value}}}]}}'
    sent = client.post(f"{path}/messages", content=body, headers={"Content-Type": "application/json"})
    assert sent.status_code == 400


def test_usage_is_summed(client: httpx.Client, path: str) -> None:
    usage = {"input_tokens": 120, "output_tokens": 12, "cached_tokens": 100, "reasoning_tokens": 4, "cost": "0.0042"}
    message = client.post(f"{path}/messages", json={"content": "x", "model": "m-1", "usage": usage}).json()
    assert message["model"] == "m-1"
    assert message["usage"] == {
        "inputTokens": 120,
        "outputTokens": 12,
        "cachedTokens": 100,
        "reasoningTokens": 4,
        "cost": "0.0042",
        "currency": "USD",
    }
    client.post(f"{path}/messages", json={"content": "x", "role": "developer", "usage": {"input_tokens": 1}})
    assert client.get(path).json()["usage"] == {**message["usage"], "inputTokens": 121}


def test_open_calls_are_listed(client: httpx.Client, path: str) -> None:
    for body in ({"content": "x"}, {"parts": [CALL]}, {"parts": [{**CALL, "call": "c2"}]}):
        client.post(f"{path}/messages", json=body)
    waiting = f"{path}/messages?open_calls=true"
    assert [message["sequence"] for message in client.get(waiting).json()["messages"]] == [2, 3]
    client.post(f"{path}/messages", json={"role": "tool", "parts": [{"type": "tool_result", "call": "c1"}]})
    assert [message["sequence"] for message in client.get(waiting).json()["messages"]] == [3]
    first = client.get(f"{path}/messages?open_calls=false&limit=1").json()["messages"]
    assert [message["sequence"] for message in first] == [1]


def test_search_has_a_scope(client: httpx.Client, path: str) -> None:
    client.post(f"{path}/messages", json={"parts": [{"type": "text", "text": "scopeword"}, CALL]})
    result = {"type": "tool_result", "call": "c1", "output": "scopeword"}
    client.post(f"{path}/messages", json={"role": "tool", "parts": [result]})
    session_id = path.removeprefix("/sessions/")
    query = f"/search?q=scopeword&session_id={session_id}"
    found = {scope: client.get(f"{query}&in={scope}").json() for scope in ("text", "tools", "all")}
    assert {scope: sorted(hit["sequence"] for hit in hits) for scope, hits in found.items()} == {
        "text": [1],
        "tools": [2],
        "all": [1, 2],
    }
    assert client.get(query).json() == found["all"]
    assert client.get(f"{query}&in=x").status_code == 400


def test_transcript_shows_parts(client: httpx.Client, path: str) -> None:
    parts = [
        {"type": "reasoning", "text": "Think.\n```"},
        {"type": "reasoning", "text": "", "signature": "x"},
        {"type": "text", "text": "Let me look."},
        {**CALL, "name": "a`b"},
        {"type": "file", "media": "image/png", "url": "https://example.com/a b>.png", "name": "a*.png"},
        {"type": "file", "media": "image/png", "url": "javascript:alert(1)", "name": "b.png"},
        {"type": "source", "url": "https://example.com", "title": "[Rain]"},
        {"type": "data", "kind": "x.y", "value": 1},
    ]
    client.post(f"{path}/messages", json={"role": "assistant", "parts": parts})
    long = "x" * 3000
    results = [
        {"type": "tool_result", "call": "c1", "output": "15"},
        {"type": "tool_result", "call": "c2", "output": long, "error": True},
    ]
    client.post(f"{path}/messages", json={"role": "tool", "parts": results})
    text = client.get(f"{path}/transcript", headers={"Accept": "text/markdown"}).text
    first, second = (part.split(" UTC\n\n", 1)[1] for part in text.split("## ")[1:])
    assert first == (
        "<details>\n<summary>Reasoning</summary>\n\nThink.\n```\n```\n\n</details>\n\n"
        "*Reasoning that the provider keeps*\n\nLet me look.\n\n"
        '**Call** of `` a`b `` (`c1`)\n\n```\n{ "city": "K\\u00f6ln" }\n```\n\n'
        "**File** [a\\*.png](<https://example.com/a%20b%3E.png>) (`image/png`)\n\n"
        "**File** b.png (`image/png`)\n\n"
        "**Source** [\\[Rain\\]](<https://example.com>)\n\n"
        "**Data** of the kind `x.y`\n\n"
    )
    assert second == (
        "**Result** of `c1`\n\n```\n15\n```\n\n"
        "**Result** of `c2`, an error\n\n<details>\n<summary>3000 characters</summary>\n\n"
        f"```\n{long}\n```\n\n</details>\n\n"
    )


def test_forks_and_exports_have_parts(client: httpx.Client, path: str) -> None:
    client.post(f"{path}/messages", json={"parts": [CALL], "usage": {"input_tokens": 3}})
    fork = client.post(f"{path}/fork", json={}).json()
    assert fork["usage"] == client.get(path).json()["usage"]
    assert client.get(f"/sessions/{fork['id']}/messages/1").json()["parts"] == [CALL]
    lines = [json.loads(line) for line in client.get("/export").text.splitlines()]
    assert [line for line in lines if line.get("message", {}).get("parts") == [CALL]]
