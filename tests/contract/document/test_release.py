"""The contract is compatible with its releases, passes the linter, and has only reviewed operations."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amplifierd.contract import load_document
from programs.contract_programs import RULES, run_node_program

ROOT = Path(__file__).parents[3]
OPENAPI = ROOT / "openapi.yaml"
RELEASED = max(RULES.glob("released/*.yaml"), key=lambda path: [int(part) for part in path.stem.split(".")])

# A client gets these values only if some client uses the new features: messages of this role, corrections; or if
# its server was started with a database for tests.
ACCEPTED = (
    "added the new `developer` enum value",
    "added the new `message_updated` enum value",
    "added the new `message_deleted` enum value",
    "added the new `memory` enum value",
)

# The differ's level for changes that break clients.
ERROR = 3

Spec = dict[str, Any]


def run(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the linter or the differ. Returns its exit code and output."""
    return run_node_program(name, *arguments, pins=RULES)


def changes(base: Path, revision: Path) -> list[str]:
    """What would break a client of `base` at `revision`, one sentence each."""
    options: list[str | Path] = ["--format", "json", "--severity-levels", RULES / "severities.txt"]
    outcome = run("oasdiff", "breaking", base, revision, *options)
    assert outcome.returncode == 0, outcome.stderr
    return [
        f"{change['operation']} {change['path']}: {change['text']}"
        for change in json.loads(outcome.stdout or "[]")
        if change["level"] == ERROR
    ]


def test_contract_is_compatible_with_its_release() -> None:
    broken = [each for each in changes(RELEASED, OPENAPI) if not any(accepted in each for accepted in ACCEPTED)]
    assert broken == [], f"Clients of {RELEASED.stem} break; keep what they use, or begin a new major version."


def operation(spec: Spec, path: str, method: str) -> Spec:
    declared: Spec = spec["paths"][path][method]
    return declared


def schema(spec: Spec, name: str) -> Spec:
    declared: Spec = spec["components"]["schemas"][name]
    return declared


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda spec: spec["paths"].pop("/status"), "GET /status: .*removed"),
        (lambda spec: spec["paths"]["/sessions/{session_id}"].pop("delete"), "DELETE /sessions/.*removed"),
        (lambda spec: operation(spec, "/health", "get").update(operationId="isHealthy"), "GET /health: .*getHealth"),
        (
            lambda spec: (
                schema(spec, "Session")["properties"].pop("context"),
                schema(spec, "Session")["required"].remove("context"),
            ),
            "context",
        ),
        (lambda spec: schema(spec, "Message")["required"].remove("sequence"), "sequence"),
        (lambda spec: schema(spec, "SendMessageRequest").update(required=["metadata"]), "metadata.*required"),
        (lambda spec: schema(spec, "SendMessageRequest")["properties"].pop("metadata"), "metadata"),
        (lambda spec: schema(spec, "SendMessageRequest")["properties"]["content"].update(maxLength=10), "content.*10"),
        (lambda spec: schema(spec, "Role")["enum"].remove("tool"), "tool"),
        (lambda spec: schema(spec, "Role")["enum"].append("robot"), "robot"),
        (lambda spec: spec["components"]["parameters"]["Limit"]["schema"].update(maximum=100), "limit.*100"),
        (
            lambda spec: operation(spec, "/sessions", "get")["parameters"].append(
                {"name": "all", "in": "query", "required": True, "schema": {"type": "boolean"}}
            ),
            "GET /sessions: .*all",
        ),
        (
            lambda spec: operation(spec, "/sessions", "post")["responses"].update(
                {"200": operation(spec, "/sessions", "post")["responses"].pop("201")}
            ),
            "POST /sessions: .*201",
        ),
        (
            lambda spec: schema(spec, "Session")["properties"]["messageCount"].update(type="string"),
            "messageCount.*string",
        ),
    ],
)
def test_breaking_change_is_a_sentence(tmp_path: Path, change: Callable[[Spec], object], sentence: str) -> None:
    found = changes(OPENAPI, changed(tmp_path, change))
    assert [text for text in found if re.search(sentence, text)], found


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: schema(spec, "Session")["properties"].update(mood={"type": "string"}),
        lambda spec: schema(spec, "SendMessageRequest")["properties"].update(mood={"type": "string"}),
        lambda spec: operation(spec, "/sessions", "get")["parameters"].append(
            {"name": "mood", "in": "query", "schema": {"type": "string"}}
        ),
        lambda spec: spec["paths"].update(
            {"/ping": {"get": operation(spec, "/health", "get") | {"operationId": "ping"}}}
        ),
        lambda spec: operation(spec, "/sessions/{session_id}", "get")["responses"].update(
            {"303": {"description": "Elsewhere."}}
        ),
        lambda spec: schema(spec, "SendMessageRequest")["properties"]["content"].update(maxLength=10**9),
    ],
)
def test_addition_breaks_nothing(tmp_path: Path, change: Callable[[Spec], object]) -> None:
    assert changes(OPENAPI, changed(tmp_path, change)) == []


def changed(folder: Path, change: Callable[[Spec], object]) -> Path:
    spec = json.loads(load_document(OPENAPI).json)
    change(spec)
    path = folder / "openapi.yaml"
    # JSON is valid YAML, and fast to write and read.
    path.write_text(json.dumps(spec))
    return path


def lint(path: Path) -> "subprocess.CompletedProcess[str]":
    return run("redocly", "lint", path, "--config", RULES / "redocly.yaml", "--format", "stylish")


def test_linter_finds_nothing() -> None:
    outcome = lint(OPENAPI)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_linter_finds_defects(tmp_path: Path) -> None:
    outcome = lint(changed(tmp_path, lambda spec: operation(spec, "/health", "get").pop("description")))
    assert outcome.returncode != 0
    assert "operation-description" in outcome.stdout


def test_operations_are_those_reviewed() -> None:
    generated = subprocess.run(
        [sys.executable, RULES / "operations.py"], capture_output=True, text=True, check=True
    ).stdout
    assert generated == (ROOT / "docs/operations.txt").read_text(), "Write it anew: make operations"
