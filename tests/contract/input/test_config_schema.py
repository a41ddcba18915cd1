"""Third-party JSON Schemas are applied, but cannot take long, fetch anything or end the process."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from amplifierd.contract import ConfigSchema, SchemaRefused, Steps, TooManySteps

# In seconds of CPU time: without limits, the hostile schemas would take forever.
ENOUGH = 20


def errors(schema: Any, value: Any) -> list[tuple[str, str]]:
    found = ConfigSchema(json.dumps(schema).encode()).violations(value, Steps())
    return [(error.pointer, error.detail) for error in found]


def test_places_are_named() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/a",
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"$ref": "#/$defs/small"}, "b": {"prefixItems": [{"const": 1}], "items": False}},
        "additionalProperties": False,
        "$defs": {"small": {"type": "integer", "maximum": 3}},
    }
    assert errors(schema, {"a": 3}) == []
    assert errors(schema, {}) == [("/a", "is required")]
    assert errors(schema, {"a": 4}) == [("/a", "must be at most 3")]
    assert errors(schema, {"a": 1, "x/y": 2}) == [("/x~1y", "is unknown")]
    assert [place for place, _ in errors(schema, {"a": "x", "b": [1, 2]})] == ["/a", "/b/1"]


def test_reference_matches_any_type() -> None:
    schema = {"properties": {"port": {"type": "integer"}, "key": {"writeOnly": True, "type": "string"}}}
    assert errors(schema, {"port": "${env:PORT}", "key": "${env:KEY}"}) == []
    assert errors(schema, {"port": "${env:}"}) == [("/port", "must be of type integer")]
    [(place, detail)] = errors(schema, {"key": "sk-1"})
    assert (place, "${env:NAME}" in detail, "sk-1" in detail) == ("/key", True, False)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ([], "a schema is a mapping"),
        ({"type": "nothing"}, "it is not a JSON Schema"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "is supported"),
        ({"$ref": "https://example.com/schema"}, "leads out of the schema"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "leads out of the schema"),
        ({"$ref": "#/$defs/none"}, "leads nowhere"),
        ({"$ref": 1}, "leads out of the schema"),
        ({"properties": {"a": {"$id": "https://example.com/b"}}}, "$id is supported at the root only"),
        ({"$dynamicRef": "#x"}, "$dynamicRef is not supported"),
        ({"pattern": "(?=a)"}, "it is not a JSON Schema"),
        ({"pattern": "((a{1000}){1000}){1000}"}, "it is not a JSON Schema"),
        ({"properties": {str(n): {"pattern": f"a{n}"} for n in range(100)}}, "more than 64 patterns"),
        ({"description": "x" * 70_000}, "more than 65536 bytes"),
    ],
)
def test_unusable_schema_is_refused(schema: Any, reason: str) -> None:
    with pytest.raises(SchemaRefused) as refused:
        ConfigSchema(json.dumps(schema).encode())
    assert reason in str(refused.value)


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def branching(keyword: str, levels: int = 40) -> dict[str, Any]:
    definitions = {str(n): {keyword: [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/0", "$defs": definitions | {str(levels): {"type": "integer"}}}


TREE: dict[str, Any] = {"x": {}}
for _ in range(50):
    TREE = {"x": TREE}

# Each with a value.
HOSTILE: dict[str, tuple[Any, Any]] = {
    "itself": ({"$ref": "#"}, 1),
    "each other": ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, 1),
    "itself in allOf": ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, 1),
    "two to the forty allOf": (branching("allOf"), 1),
    "two to the forty oneOf": (branching("oneOf"), "x"),
    "two for each level of the value": (
        {"allOf": [{"properties": {"x": {"$ref": "#"}}}, {"properties": {"x": {"$ref": "#"}}}]},
        TREE,
    ),
    "unevaluated for each level of the value": (
        {"properties": {"x": {"$ref": "#"}}, "unevaluatedProperties": {"$ref": "#"}},
        TREE,
    ),
    "deep": (deep(400), 1),
    "catastrophic pattern": ({"pattern": "^(a+)+$"}, "a" * 100_000 + "b"),
    "catastrophic names": ({"patternProperties": {"^(a|a)*$": {}}}, {"a" * 100_000 + "b": 1}),
    "many patterns": ({"patternProperties": {f"^.*{n}.*x$": {} for n in range(60)}}, {"a" * 50_000: 1}),
    "unique items": ({"uniqueItems": True}, [{"a": number} for number in range(60_000)]),
    "many members": ({"additionalProperties": {"anyOf": [{"type": "null"}] * 300}}, {str(n): n for n in range(9_000)}),
    "many errors": ({"additionalProperties": {"type": "null"}}, {str(n): "x" * 500 for n in range(9_000)}),
    "counted words": ({"pattern": r"^(\w{1,200}){1,200}$"}, "a" * 100_000),
}

APPLY = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
from amplifierd.contract import ConfigSchema, SchemaRefused, Steps, TooManySteps
schema, value = json.load(sys.stdin)
try:
    print("applied", len(ConfigSchema(json.dumps(schema).encode()).violations(value, Steps())))
except (SchemaRefused, TooManySteps) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schema_is_stopped_early(name: str) -> None:
    # In a separate process, because Python cannot limit the stack of a native library.
    ended = subprocess.run(
        [sys.executable, "-c", APPLY, str(ENOUGH)],
        input=json.dumps(HOSTILE[name]),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


@pytest.fixture
def fetched() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that were fetched from it."""
    paths: list[str] = []

    class Schemas(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

    server = HTTPServer(("127.0.0.1", 0), Schemas)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("keyword", ["$ref", "$schema", "$id", "$dynamicRef"])
def test_page_fetches_nothing(fetched: tuple[str, list[str]], keyword: str) -> None:
    address, paths = fetched
    for schema in (
        {keyword: f"{address}/a"},
        {"properties": {"a": {keyword: f"{address}/a"}}},
        {"$id": f"{address}/b/", "properties": {"a": {keyword: "c"}}},
        # A place that is not a schema, but to which a reference leads.
        {"x": {keyword: f"{address}/a", "$ref": "d"}, "$ref": "#/x"},
    ):
        try:
            ConfigSchema(json.dumps(schema).encode()).violations({"a": 1}, Steps())
        except (SchemaRefused, TooManySteps):
            continue
    assert paths == []


def test_steps_are_counted_over_all_checks() -> None:
    schema, steps = ConfigSchema(b'{"items": {"type": "integer"}}'), Steps(100)
    assert schema.violations([1] * 60, steps) == []
    with pytest.raises(TooManySteps):
        schema.violations([1] * 60, steps)
