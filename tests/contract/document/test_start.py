"""A contract that does not match the program prevents the start, with an error of one sentence."""

import copy
import json
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from amplifierd.app import BODY_DECODERS, RENDERERS
from amplifierd.contract import Access, ContractError, Document, ErrorTable, compile_contract, load_document
from amplifierd.settings import CONTRACT
from amplifierd.storage.model.records import Listing, NewMessage, Session

Spec = dict[str, Any]


def nothing(_app: Any) -> AbstractAsyncContextManager[None]:
    return nullcontext()


async def nobody(_key: str | None) -> None:
    return None


def start(path: Path, handlers: str = "amplifierd.handlers") -> None:
    compile_document(load_document(path), handlers)


def compile_document(document: Document, handlers: str) -> None:
    compile_contract(
        document,
        handlers=handlers,
        provided=dict.fromkeys(("storage", "version", "uptime", "disk", "exports", "imports", "sources", "catalog")),
        errors=ErrorTable({}),
        access=Access(nobody),
        version="",
        max_body=1,
        max_file=1,
        check_responses=True,
        lifespan=nothing,
        page=files("amplifierd").joinpath("web"),
        renderers=RENDERERS,
        body_decoders=BODY_DECODERS,
    )


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Callable[[Spec], object]], Path]:
    """The contract with a change."""

    def change(by: Callable[[Spec], object]) -> Path:
        spec = json.loads(load_document(CONTRACT).json)
        by(spec)
        path = tmp_path / "openapi.yaml"
        # JSON is valid YAML, and fast to write and read.
        path.write_text(json.dumps(spec))
        return path

    return change


def test_contract_fits() -> None:
    start(CONTRACT)


def test_document_is_served_unchanged() -> None:
    document = load_document(CONTRACT)
    before = copy.deepcopy(document.spec)
    compile_document(document, "amplifierd.handlers")
    assert document.spec == before


def operation(spec: Spec, path: str = "/sessions", method: str = "post") -> Spec:
    declared: Spec = spec["paths"][path][method]
    return declared


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda spec: operation(spec).update(operationId="openSession"),
            r"Operation openSession \(POST /sessions\) has no handler: there is no function open_session in "
            r"amplifierd.handlers.sessions.",
        ),
        (
            lambda spec: operation(spec).update(tags=["chats"]),
            r"Operation createSession \(POST /sessions\) has no handler",
        ),
        (
            lambda spec: (
                operation(spec)
                .setdefault("parameters", [])
                .append({"name": "dry_run", "in": "query", "schema": {"type": "boolean"}})
            ),
            "Operation createSession: amplifierd.handlers.sessions.create_session lacks the parameter 'dry_run' "
            "of the contract.",
        ),
        (
            lambda spec: operation(spec, "/sessions/{session_id}/events", "get")["parameters"].pop(0),
            "Operation streamSessionEvents: amplifierd.handlers.events.stream_session_events has a parameter "
            "'after_sequence' that neither the contract nor the app has; the app has catalog, disk, exports, "
            "imports, progressed, sources, storage, uptime, version, workspace.",
        ),
        (
            lambda spec: operation(spec, method="get")["parameters"].pop(1),
            "Operation listSessions: SessionQuery has a field 'cursor' that is not a query parameter of the contract.",
        ),
        (
            lambda spec: operation(spec, "/search", "get")["parameters"].append(
                {"name": "mood", "in": "query", "schema": {"type": "string"}}
            ),
            "Operation searchMessages: SearchQuery lacks a field for the query parameter 'mood' of the contract.",
        ),
        (
            lambda spec: spec["components"]["schemas"]["SendMessageRequest"]["properties"].update(
                mood={"type": "string"}
            ),
            "Operation sendMessage: its body has the properties .*'mood', .*, amplifierd.handlers.messages",
        ),
        (
            lambda spec: operation(spec)["responses"].update({"200": {"description": "x"}}),
            "Operation createSession has 2 success responses; it needs one.",
        ),
        (
            lambda spec: operation(spec).update(operationId="getHealth", tags=["service"]),
            "(GET /health|POST /sessions) needs an operationId of its own; (GET|POST) ",
        ),
        (
            lambda spec: operation(spec).pop("operationId"),
            "POST /sessions needs an operationId of its own",
        ),
        (
            lambda spec: spec["components"]["responses"].pop("SessionNotFound"),
            "contract.*SessionNotFound",
        ),
        (
            lambda spec: spec["components"]["parameters"].pop("Limit"),
            "contract.*Limit",
        ),
        (
            lambda spec: operation(spec, "/sessions/{session_id}", "get")["responses"].pop("304"),
            "Operation getSession evaluates preconditions, but declares no 304.",
        ),
        (
            lambda spec: operation(spec, "/sessions/{session_id}/fork")["parameters"].pop(0),
            "Operation forkSession declares no If-Match, but its resource has an ETag.",
        ),
        (
            lambda spec: operation(spec, "/sessions/{session_id}", "delete")["responses"].pop("412"),
            "Operation deleteSession evaluates preconditions, but declares no 412.",
        ),
        (
            lambda spec: operation(spec, "/profiles/{name}", "put")["responses"].pop("412"),
            "Operation replaceProfile evaluates preconditions, but declares no 412.",
        ),
        (
            lambda spec: operation(spec, "/files/{file_id}", "delete")["parameters"].pop(0),
            "Operation deleteFile declares no If-Match, but its resource has an ETag.",
        ),
        (
            lambda spec: operation(spec)["parameters"].append({"$ref": "#/components/parameters/IfMatch"}),
            "Operation createSession declares If-Match, but its resource has no ETag.",
        ),
        (
            lambda spec: operation(spec, "/sessions/cleanup")["responses"]["200"]["headers"].update(
                ETag={"$ref": "#/components/headers/ETag"}
            ),
            "Operation cleanUpSessions declares ETag, but .*DeletionReport.* has no version.",
        ),
        (
            lambda spec: operation(spec, "/sessions/{session_id}", "patch")["requestBody"]["content"].update(
                {"application/json": {"schema": {"type": "object"}}}
            ),
            "Operation updateSession: a body that is not of one schema, in application/json or",
        ),
        (
            lambda spec: operation(spec)["responses"]["201"].pop("links"),
            "Operation createSession declares Location but has no link to a GET.",
        ),
        (
            lambda spec: operation(spec)["responses"]["201"].pop("content"),
            "Operation createSession: its handler returns .*Session.*, its response 201 has no body.",
        ),
        (
            lambda spec: spec["components"]["parameters"]["Limit"]["schema"].update(type="array", items={}),
            r"Operation list\w+: parameter limit in query of type array is not supported.",
        ),
        (
            lambda spec: spec["components"]["schemas"]["CreateSessionRequest"]["properties"]["profile"].update(
                pattern="("
            ),
            r'Cannot compile a schema of the contract: "\(" is not a "regex"',
        ),
        (lambda spec: spec.update(openapi="3.0.3", info={}), "Connexion cannot read the contract: .*title"),
    ],
)
def test_mismatched_contract_prevents_the_start(
    changed: Callable[[Callable[[Spec], object]], Path], change: Callable[[Spec], object], sentence: str
) -> None:
    with pytest.raises(ContractError, match=sentence):
        start(changed(change))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("paths: [", "openapi.yaml is not YAML at line 2, column 1: "),
        ("a: b: c", "openapi.yaml is not YAML at line 1, column 5: mapping values are not allowed"),
        ("hello", "openapi.yaml is not an OpenAPI document"),
        ("", "openapi.yaml is not an OpenAPI document"),
    ],
)
def test_unreadable_document_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_text(text)
    with pytest.raises(ContractError, match=f"(?s){sentence}"):
        start(path)


@pytest.fixture
def handlers() -> Iterator[types.ModuleType]:
    """A package of handlers that do not match the contract."""
    package, sessions = types.ModuleType("odd_handlers"), types.ModuleType("odd_handlers.sessions")
    sys.modules |= {"odd_handlers": package, "odd_handlers.sessions": sessions}
    yield sessions
    del sys.modules["odd_handlers"], sys.modules["odd_handlers.sessions"]


def test_handler_for_another_body_is_named(
    changed: Callable[[Callable[[Spec], object]], Path], handlers: types.ModuleType
) -> None:
    async def create_session(body: NewMessage) -> Session:
        raise NotImplementedError(body)

    handlers.__dict__["create_session"] = create_session

    def only_create(spec: Spec) -> None:
        spec["paths"] = {"/sessions": {"post": operation(spec)}}

    with pytest.raises(ContractError, match=r"Operation createSession: its body has the properties \['amplified_dir'"):
        start(changed(only_create), handlers="odd_handlers")


def test_query_parameter_may_be_named_query(
    changed: Callable[[Callable[[Spec], object]], Path], handlers: types.ModuleType
) -> None:
    async def list_sessions(query: str | None) -> Listing:
        raise NotImplementedError(query)

    handlers.__dict__["list_sessions"] = list_sessions

    def only_list(spec: Spec) -> None:
        listed = operation(spec, method="get")
        listed["parameters"] = [{"name": "query", "in": "query", "schema": {"type": "string"}}]
        spec["paths"] = {"/sessions": {"get": listed}}

    start(changed(only_list), handlers="odd_handlers")
