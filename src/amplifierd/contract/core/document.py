"""The contract as a document: its content, and the bytes that are served."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

# OpenAPI 3.0 has no type for a text with one record on each line: it is a string, whose lines have this schema.
LINE_SCHEMA = "x-line-schema"

Json = dict[str, Any]


class ContractError(Exception):
    """The contract cannot be compiled; the message names the file and the line, or the operation and the handler."""


@dataclass(frozen=True)
class Document:
    """An OpenAPI document; `yaml` and `json` are its texts, with references kept."""

    spec: Json
    yaml: bytes
    json: bytes

    def resolve(self, node: Json) -> Json:
        """`node`, or the target of its `$ref`."""
        while "$ref" in node:
            node = self._target(node["$ref"])
        return node

    def line_schema(self, schema: Json) -> Json:
        """The schema of each line of a text in NDJSON. Raises `ContractError` if the text's schema names none."""
        try:
            return dict(self.resolve(schema)[LINE_SCHEMA])
        except KeyError:
            raise ContractError(f"The schema {schema} of NDJSON lacks {LINE_SCHEMA}, the schema of a line.") from None

    def _target(self, reference: str) -> Json:
        target: Any = self.spec
        for step in reference.removeprefix("#/").split("/"):
            try:
                target = target[step.replace("~1", "/").replace("~0", "~")]
            except (KeyError, TypeError):
                raise ContractError(f"The contract refers to {reference}, which it does not have.") from None
        return dict(target)

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        """Each operation: its path, its method in lower case, and its declaration."""
        for path, item in self.spec["paths"].items():
            for method, operation in item.items():
                if method in METHODS:
                    yield path, method, operation

    def parameters(self, path: str, operation: Json) -> list[Json]:
        """The parameters of an operation: first the parameters of its path, then its own."""
        item = self.spec["paths"][path]
        return [self.resolve(node) for node in [*item.get("parameters", []), *operation.get("parameters", [])]]

    @property
    def base_path(self) -> str:
        """The common prefix of all operations."""
        return str(self.spec["servers"][0]["url"]).rstrip("/")


def load_document(path: Path) -> Document:
    """Read the contract from a YAML file. Raises `ContractError` if it is not valid YAML."""
    try:
        document = _parse(path.read_bytes())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ContractError(f"The contract {path} is not YAML{place}: {error.problem}.") from error
    if document is None:
        raise ContractError(f"The contract {path} is not an OpenAPI document: it has no paths.")
    return document


def decode_document(text: bytes) -> Document:
    """The document with this text in JSON, as `Document.json` has it; to parse its YAML takes fifty times as long."""
    # JSON is YAML too.
    return Document(spec=msgspec.json.decode(text), yaml=text, json=text)


# Parsing takes a third of the daemon's start-up time. The result is shared, because no reader changes it.
@lru_cache(maxsize=1)
def _parse(text: bytes) -> Document | None:
    """The document in a YAML text; None if it is not an OpenAPI document."""
    # The C loader is as safe as the Python one, and ten times as fast.
    spec = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    if not isinstance(spec, dict) or "paths" not in spec:
        return None
    return Document(spec=spec, yaml=text, json=msgspec.json.encode(spec))
