"""Prints what openapi-core finds wrong with recorded requests and responses; it needs an environment of its own.

`python openapi_core_check.py CONTRACT RECORDING`. A line of the recording is a JSON object with `method`, `path`,
`query`, `headers`, `body`, `status`, `response_headers` and `response_body`; the path is that of the contract, and the
bodies are in base64. A request is checked if it was accepted.
"""

import json
import sys
from base64 import b64decode
from pathlib import Path
from urllib.parse import parse_qs

from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

SERVER = "http://localhost"
FIRST_ERROR = 400
JSON = ("application/problem+json", "application/merge-patch+json")


def main(contract: str, recording: str) -> None:
    """Check each exchange of the recording."""
    # It knows JSON by its first name only.
    openapi = OpenAPI.from_file_path(contract, Config(extra_media_type_deserializers=dict.fromkeys(JSON, json.loads)))
    for line in Path(recording).read_text().splitlines():
        check(openapi, json.loads(line))


def check(openapi: OpenAPI, exchange: dict) -> None:
    """Print each error in one exchange."""
    body = b64decode(exchange["body"])
    request = MockRequest(
        SERVER,
        exchange["method"].lower(),
        f"/api/v1{exchange['path']}",
        args=parse_qs(exchange["query"], keep_blank_values=True),
        headers=exchange["headers"],
        data=body or None,
        content_type=exchange["headers"].get("content-type", ""),
    )
    response = MockResponse(
        b64decode(exchange["response_body"]),
        status_code=exchange["status"],
        headers=exchange["response_headers"],
        content_type=exchange["response_headers"].get("content-type", ""),
    )
    errors = [*openapi.iter_response_errors(request, response)]
    if exchange["status"] < FIRST_ERROR:
        errors += openapi.iter_request_errors(request)
    for error in errors:
        causes = [getattr(each, "message", str(each)) for each in chain_of(error)]
        sys.stdout.write(f"{exchange['method']} {exchange['path']} {exchange['status']}: {'; '.join(causes)}\n")


def chain_of(error: BaseException) -> list[BaseException]:
    """An error, its causes, and the errors of a schema."""
    cause = error.__cause__
    return [error, *getattr(error, "schema_errors", ()), *(chain_of(cause) if cause else ())]


if __name__ == "__main__":
    main(*sys.argv[1:])
