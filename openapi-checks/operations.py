"""Lists the contract's operations, a line each: `python openapi-checks/operations.py > docs/operations.txt`.

The list is kept in the repository, so that a change of the contract's face shows in a review as a line.
"""

import sys
from pathlib import Path

from amplifierd.contract import Document, load_document

OPENAPI = Path(__file__).parents[1] / "openapi.yaml"


def operations(document: Document) -> str:
    """Each operation: its id, method and path, its query parameters, its body, its responses."""
    return "".join(_line(document, path, method) for path, method, _ in document.operations())


def _line(document: Document, path: str, method: str) -> str:
    operation = document.spec["paths"][path][method]
    query = [parameter["name"] for parameter in document.parameters(path, operation) if parameter["in"] == "query"]
    content = operation.get("requestBody", {}).get("content", {})
    body = dict.fromkeys(map(_name, content.values()))
    responses = [
        " ".join([status, *(_name(content) for content in document.resolve(node).get("content", {}).values())])
        for status, node in operation["responses"].items()
    ]
    target = path + (f"?{'&'.join(query)}" if query else "")
    words = [f"{operation['operationId']}:", method.upper(), target, *body, "->", ", ".join(responses)]
    return " ".join(words) + "\n"


def _name(content: dict[str, dict[str, str]]) -> str:
    return content["schema"]["$ref"].rpartition("/")[2]


if __name__ == "__main__":
    sys.stdout.write(operations(load_document(OPENAPI)))
