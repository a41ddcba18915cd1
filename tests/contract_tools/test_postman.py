"""A Postman collection generated from the contract runs: each request succeeds, or fails as declared."""

import json
import re
from pathlib import Path
from typing import Any

from amplifierd.contract import load_document
from daemon import Daemon
from programs.contract_programs import run_node_program

CONTRACT = Path(__file__).parents[2] / "openapi.yaml"
# Without its faker, the converter uses the contract's examples, and takes a second instead of minutes. Optional
# parameters are disabled in the collection, because one Idempotency-Key for all requests is refused.
OPTIONS = "schemaFaker=false,parametersResolution=Example,disableOptionalParameters=true,folderStrategy=Tags"
# Streams do not end.
STREAMS = {"/events", "/sessions/{session_id}/events"}


def test_requests_of_a_collection_succeed_or_are_refused_as_declared(sqlite_daemon: Daemon, tmp_path: Path) -> None:
    collection, report = tmp_path / "collection.json", tmp_path / "report.json"
    converted = run_node_program("openapi2postmanv2", "-s", CONTRACT, "-o", collection, "-O", OPTIONS)
    assert collection.exists(), converted.stdout + converted.stderr
    variables = ["--env-var", f"baseUrl={sqlite_daemon.api}"]
    ran = run_node_program("newman", "run", collection, *variables, "--timeout-request", "5000", "--reporters", "json",
              "--reporter-json-export", report)  # fmt: skip
    assert report.exists(), ran.stdout + ran.stderr
    executions = json.loads(report.read_text())["run"]["executions"]
    operations = [*load_document(CONTRACT).operations()]
    assert len(executions) == len(operations)
    statuses = [checked(execution, operations) for execution in executions]
    # The other requests need the resources that their examples name.
    assert sum(200 <= status < 300 for status in statuses) >= 20


def checked(execution: dict[str, Any], operations: list[tuple[str, str, dict[str, Any]]]) -> int:
    """The status of a response, which must be declared; 0 for a stream."""
    method = execution["request"]["method"]
    path = "/" + "/".join(execution["request"]["url"]["path"]).removeprefix("api/v1/")
    template, operation = operation_of(method, path, operations)
    if template in STREAMS and "response" not in execution:
        return 0
    status: int = execution["response"]["code"]
    assert str(status) in operation["responses"], (method, path, status)
    assert status < 500, (method, path, status)
    return status


def operation_of(
    method: str, path: str, operations: list[tuple[str, str, dict[str, Any]]]
) -> tuple[str, dict[str, Any]]:
    """The operation of a request; a path without parameters comes first."""
    found = [
        (template.count("{"), template, operation)
        for template, declared, operation in operations
        if declared.upper() == method and re.fullmatch(re.sub(r"\{\w+\}", ".+", template), path)
    ]
    return min(found, key=lambda each: each[0])[1:]
