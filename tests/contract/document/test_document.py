"""openapi.yaml is consistent: examples validate, links have targets, schemas have names and bounds."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from amplifierd.contract import load_document
from amplifierd.contract.core.document import LINE_SCHEMA
from amplifierd.contract.core.schema import Schemas
from amplifierd.settings import CONTRACT

DOCUMENT = load_document(CONTRACT)
OPERATIONS = {operation["operationId"]: (path, method, operation) for path, method, operation in DOCUMENT.operations()}


def schemas(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in the document, with its place."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from schemas(item, f"{place}/{number}")
    elif isinstance(node, dict):
        if isinstance(node.get("type"), str) and "status" not in node:
            yield place, node
        for key, value in node.items():
            if key not in ("example", "examples", "value", "securitySchemes"):
                yield from schemas(value, f"{place}/{key}")


SCHEMAS = dict(schemas({key: DOCUMENT.spec[key] for key in ("paths", "components")}))


def examples(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example in the document with the schema that it must satisfy."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from examples(item, f"{place}/{number}")
    elif isinstance(node, dict):
        if "example" in node and ("schema" in node or isinstance(node.get("type"), str)):
            yield f"{place}/example", node.get("schema", node), node["example"]
        for name, example in node.get("examples", {}).items() if "schema" in node else ():
            yield f"{place}/examples/{name}", node["schema"], example["value"]
        for key, value in node.items():
            if key not in ("example", "examples", "value"):
                yield from examples(value, f"{place}/{key}")


def references(node: Any, *, optional: bool = False) -> Iterator[tuple[str, bool]]:
    """The component schemas that a node refers to, each with whether an optional query or header parameter does."""
    if isinstance(node, list):
        for item in node:
            yield from references(item, optional=optional)
    elif isinstance(node, dict):
        is_optional = optional or is_optional_parameter(node)
        if isinstance(node.get("$ref"), str) and "/schemas/" in node["$ref"]:
            yield node["$ref"].rpartition("/")[2], is_optional
        for value in node.values():
            yield from references(value, optional=is_optional)


def is_optional_parameter(node: dict[str, Any]) -> bool:
    return node.get("in") in ("query", "header") and "schema" in node and not node.get("required")


def component_of(place: str) -> str:
    return place.removeprefix("/components/schemas/").partition("/")[0]


REFERENCES = set(references(DOCUMENT.spec))
# The schemas that only optional parameters have.
PARAMETER_ONLY = {name for name, optional in REFERENCES if optional and (name, False) not in REFERENCES}

EXAMPLES = {place: (schema, value) for place, schema, value in examples({"": DOCUMENT.spec["paths"]})} | {
    place: (schema, value) for place, schema, value in examples(DOCUMENT.spec["components"])
}


@pytest.mark.parametrize("place", EXAMPLES)
def test_examples_are_valid(place: str) -> None:
    schema, value = EXAMPLES[place]
    assert Schemas(DOCUMENT).closed_validator(schema).violations(value) == []


def test_example_lines_are_valid() -> None:
    lines = [
        (DOCUMENT.line_schema(schema), json.loads(line))
        for schema, value in EXAMPLES.values()
        if LINE_SCHEMA in DOCUMENT.resolve(schema)
        for line in value.splitlines()
    ]
    assert len(lines) >= 4
    assert [Schemas(DOCUMENT).closed_validator(schema).violations(value) for schema, value in lines] == [[]] * len(
        lines
    )


def test_ndjson_is_a_text_to_clients() -> None:
    contents = [
        content["application/x-ndjson"]["schema"]
        for _, _, operation in OPERATIONS.values()
        for node in (operation.get("requestBody", {}), *operation["responses"].values())
        if "application/x-ndjson" in (content := DOCUMENT.resolve(node).get("content", {}))
    ]
    assert len(contents) == 4
    assert [DOCUMENT.resolve(schema)["type"] for schema in contents] == ["string"] * 4


def test_document_has_examples() -> None:
    assert len(EXAMPLES) > 40


@pytest.mark.parametrize("place", SCHEMAS)
def test_schemas_are_described_and_bounded(place: str) -> None:
    schema = SCHEMAS[place]
    if "/parameters/" not in place and "/headers/" not in place:
        assert schema.get("description"), "has no description"
        assert "example" in schema or schema["type"] == "array" or component_of(place) in PARAMETER_ONLY, (
            "has no example"
        )
    bounds = {
        "string": {"maxLength", "enum"},
        "integer": {"maximum"},
        "number": {"maximum"},
        "boolean": {"type"},
        "array": {"maxItems"},
        "object": {"properties", "maxProperties"},
    }
    if schema.get("format") == "date-time":
        # Ruby reads the value as a time, which has no length and no pattern.
        assert not {"minLength", "maxLength", "pattern"} & schema.keys(), "has a bound"
    else:
        assert bounds[schema["type"]] & schema.keys(), "has no bound"


@pytest.mark.parametrize("place", SCHEMAS)
def test_schemas_suit_the_generators(place: str) -> None:
    schema = SCHEMAS[place]
    # PHP's generator writes patterns into comments, which `*/` would end.
    assert "*/" not in schema.get("pattern", "")
    # Ruby reads patterns as UTF-8, in which such a byte is not a character.
    assert not re.search(r"\\x[89a-f]", schema.get("pattern", ""))
    # An id has one type everywhere; a text that is not an id is 404.
    assert schema.get("format") != "uuid"
    if "/headers/" in place:
        # OCaml's and Rust's generators name a constant after each value.
        assert not [value for value in schema.get("enum", ()) if '"' in value]


def test_names_suit_the_generators() -> None:
    # The name of a built-in class of Ruby.
    assert "Module" not in DOCUMENT.spec["components"]["schemas"]
    # openapi-generator's Python supports only the format JWT, and its types do not match it.
    assert "bearerFormat" not in DOCUMENT.spec["components"]["securitySchemes"]["key"]
    # openapi-generator's Python decodes a body as JSON if its only type is `*/*`.
    upload = OPERATIONS["createFile"][2]["requestBody"]["content"]
    assert list(upload) == ["application/octet-stream", "*/*"]


def optional_parameters(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from optional_parameters(item)
    elif isinstance(node, dict):
        if is_optional_parameter(node):
            yield node
        for value in node.values():
            yield from optional_parameters(value)


def test_optional_parameters_are_left_out_unless_a_client_chooses_them() -> None:
    """Swagger UI and Postman send examples; PHP's client sends defaults, and 0 for false."""
    parameters = list(optional_parameters(DOCUMENT.spec))
    assert len(parameters) > 40
    for parameter in parameters:
        name = parameter["name"]
        schema = DOCUMENT.resolve(parameter["schema"])
        assert "example" not in parameter, name
        # For an inline enum, Kotlin's generator sends the name of the member instead of its value.
        assert "enum" not in parameter["schema"], name
        assert "default" not in schema or schema["type"] != "boolean", name
        if parameter["schema"].get("$ref", "").rpartition("/")[2] in {"", *PARAMETER_ONLY}:
            assert "example" not in schema, name


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_have_descriptions(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT.spec["tags"]}
    assert not [key for key in operation if key.startswith("x-")]


def links() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    for name, (_, _, operation) in OPERATIONS.items():
        for status, node in operation["responses"].items():
            declared = DOCUMENT.resolve(node)
            for link in declared.get("links", {}).values():
                yield f"{name} {status} {link['operationId']}", name, declared, link


LINKS = {place: (source, declared, link) for place, source, declared, link in links()}


@pytest.mark.parametrize("place", LINKS)
def test_links_give_all_required_parameters(place: str) -> None:
    source, declared, link = LINKS[place]
    path, _, target = OPERATIONS[link["operationId"]]
    needed = {parameter["name"] for parameter in DOCUMENT.parameters(path, target) if parameter.get("required")}
    parameters = link.get("parameters", {})
    assert needed == set(parameters)
    for expression in parameters.values():
        kind, _, name = expression.partition("#" if "body" in expression else "path.")
        if kind == "$response.body":
            assert has(declared["content"]["application/json"]["schema"], name.split("/")[1:])
        else:
            source_path, _, operation = OPERATIONS[source]
            assert name in {parameter["name"] for parameter in DOCUMENT.parameters(source_path, operation)}


def has(schema: dict[str, Any], steps: list[str]) -> bool:
    """Whether a value of the schema has something at a JSON Pointer's steps."""
    for step in steps:
        schema = DOCUMENT.resolve(schema)
        is_list = schema["type"] == "array"
        if not step.isdecimal() if is_list else step not in schema["properties"]:
            return False
        schema = schema["items"] if is_list else schema["properties"][step]
    return True


def test_operation_ids_are_unique() -> None:
    assert len(OPERATIONS) == len(list(DOCUMENT.operations()))


def test_components_are_all_used() -> None:
    text = DOCUMENT.yaml.decode()
    for kind, components in DOCUMENT.spec["components"].items():
        for name in components:
            use = f"- {name}: []" if kind == "securitySchemes" else f"'#/components/{kind}/{name}'"
            assert use in text, f"{kind}/{name} is used nowhere"
