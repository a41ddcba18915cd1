"""Hooks that tell Schemathesis the rules of the contract that schemas cannot express."""

import gc
import hashlib
import json
import os
import re
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.transport.serialization import serialize_binary

# Schemathesis keeps many objects of the contract. With the default thresholds, garbage collection takes a tenth of the
# time.
gc.set_threshold(100_000, 20, 20)

KEY = re.compile(r"[!-~]{1,255}")
HEADER = {"header": {"format": "amplifierd-export", "version": 2}}
EMPTY = {"sessions": 0, "messages": 0, "files": 0}
NO_BYTES = hashlib.sha256().hexdigest()
# The body member that names a profile, by operation.
PROFILE_MEMBERS = {"createSession": "profile", "generateMountPlan": "profile_id"}
# The profiles that this run created, some of which may have been deleted.
PROFILES: set[str] = set()
ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Declare for every operation the responses that the contract lists once for all requests."""
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \|$", raw_schema["info"]["description"], re.MULTILINE)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    # Schemathesis generates no slashes in paths, and gives up if most strings that a pattern allows have one.
    for name in ("CollectionIdentifier", "ModuleId"):
        raw_schema["components"]["parameters"][name]["schema"] |= {"pattern": "^[a-z0-9-]{1,64}$", "maxLength": 64}
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                use_line_schema(raw_schema, operation)
                name_profiles(operation)
                for status, reason in rows:
                    operation["responses"].setdefault(status, {"description": reason, "content": content})


def name_profiles(operation: dict[str, Any]) -> None:
    """Let links lead from a profile to sessions and plans. A client generator rejects bodies of links."""
    place = "profiles/0" if operation["operationId"] == "createCollection" else "name"
    for response in operation["responses"].values():
        for name, link in response.get("links", {}).items():
            if name in PROFILE_MEMBERS and "parameters" not in link:
                link["requestBody"] = {PROFILE_MEMBERS[name]: f"$response.body#/{place}"}


def use_line_schema(raw_schema: dict[str, Any], operation: dict[str, Any]) -> None:
    """Use the schema of one line for NDJSON, because random text is never accepted."""
    for node in (operation.get("requestBody", {}), *operation["responses"].values()):
        lines = node.get("content", {}).get("application/x-ndjson")
        if lines is not None:
            text = raw_schema["components"]["schemas"][lines["schema"]["$ref"].rpartition("/")[2]]
            lines["schema"] = text["x-line-schema"]
            for example in lines.get("examples", {}).values():
                example["value"] = json.loads(example["value"])


@schemathesis.hook
def before_call(_context: Any, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Make headers that are meant to be valid so, and replace generated names with existing ones."""
    key = case.headers.get("Idempotency-Key")
    if key is not None and KEY.fullmatch(key):
        # Reusing a key with another body is rightly rejected.
        case.headers["Idempotency-Key"] = f"{key[:200]}{uuid4()}"
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        set_query(case)
        if isinstance(case.body, dict):
            members = without_nul_in_keys(case.body)
            case.body.clear()
            case.body.update(members)
            use_existing_names(case.operation.label, case.body)
            if case.operation.label == "PUT /profiles/{name}":
                # The name of a profile cannot change.
                case.body["name"] = case.path_parameters["name"]
            if case.operation.label == "POST /collections":
                # Sixteen at most, because a sync of all collections reads each of them.
                case.body |= {"identifier": f"c{uuid4().hex[0]}", "source": os.environ["FUZZ_COLLECTION"]}
        for name in ("If-Match", "If-None-Match"):
            # The coverage phase generates only letters and digits; an entity tag has quotes.
            if ALPHANUMERIC.fullmatch(case.headers.get(name, "")):
                case.headers[name] = f'"{case.headers[name]}"'


def without_nul_in_keys(value: Any) -> Any:
    """A value in which no key begins with NUL; a schema cannot express this rule for keys of any text."""
    if isinstance(value, dict):
        return {
            name.lstrip("\0") if isinstance(name, str) else name: without_nul_in_keys(member)
            for name, member in value.items()
        }
    return [without_nul_in_keys(item) for item in value] if isinstance(value, list) else value


def set_query(case: schemathesis.Case[Any]) -> None:
    """Choose query parameters that fit the body, and deletions that last."""
    if case.operation.label == "POST /files":
        # With another media type, the server would decode the bytes accordingly.
        case.query["media"] = "application/octet-stream"
    if case.operation.label == "POST /import":
        # The names of the formats are known only at run time, and not every file is an export.
        case.query["format"] = "auto" if case.media_type == "application/octet-stream" else "amplifierd"
    if case.operation.method.upper() == "DELETE" and "remove_marker" in case.query:
        # If the marker stays, the next scan creates the directory again.
        case.query["remove_marker"] = "true"


def use_existing_names(operation: str, body: dict[str, Any]) -> None:
    """Use existing profiles and directories; invented ones only lead to 404."""
    if operation == "POST /sessions":
        name_context(body)
    elif operation.startswith("POST") and "/messages" in operation:
        make_messages_consistent(body)
    elif operation == "POST /sessions/delete":
        # Keep the sessions for other tests.
        body["filter"] |= {"ids": [str(uuid4())]}
    elif operation == "POST /mount-plans/generate":
        name_plan(body)
    elif operation == "POST /import":
        name_record(body)
    elif operation == "PATCH /sessions/{session_id}/messages/{sequence}":
        make_patch_consistent(body)
    elif operation == "PATCH /sessions/{session_id}":
        name_labels(body)
        if "profile" in body:
            body["profile"] = "default"
    elif "amplified-directories" in operation:
        use_existing_profile(body)


def use_existing_profile(directory: dict[str, Any]) -> None:
    """Give a directory an existing profile, and a path whose segments do not end with a dot or a space."""
    if directory.get("default_profile"):
        directory["default_profile"] = "default"
    if "relative_path" in directory:
        segments = directory["relative_path"].split("/")
        path = "/".join(each if each == "." else each.rstrip(". ") for each in segments)
        directory["relative_path"] = path or "."


def name_context(session: dict[str, Any]) -> None:
    """Give a new session a unique id, an existing profile and an existing directory."""
    session |= {"profile": known(session.get("profile")), "amplified_dir": "."}
    if "id" in session:
        session["id"] = str(uuid4())
    name_labels(session)
    leave_session_out(session)


def name_plan(plan: dict[str, Any]) -> None:
    """Request the plan of an existing profile in an existing directory, with agents that the profile may lack."""
    plan |= {"profile_id": known(plan.get("profile_id")), "amplified_dir": "."}
    overlays = plan.get("agent_overlay", {})
    plan["agent_overlay"] = {name: overlay for name, overlay in overlays.items() if overlay and "content" in overlay}
    leave_session_out(plan)


def known(profile: object) -> str:
    """The profile if it exists (from a link), or else the built-in one."""
    return profile if isinstance(profile, str) and profile in PROFILES else "default"


@schemathesis.hook
def after_call(_context: Any, case: schemathesis.Case[Any], response: Any) -> None:
    """Record the names of created profiles."""
    if response.status_code == 201 and case.operation.label == "POST /profiles":
        PROFILES.add(response.json()["name"])
    elif response.status_code == 201 and case.operation.label == "POST /collections":
        PROFILES.update(response.json()["profiles"])


def leave_session_out(body: dict[str, Any]) -> None:
    """Override no modules of a session: they require names, which the schema of a patch cannot express."""
    overrides = body.get("settings_overrides")
    if isinstance(overrides, dict):
        overrides.pop("session", None)


def name_record(line: dict[str, Any]) -> None:
    """Make a line valid if only a header precedes it, or replace it with a header."""
    if isinstance(line.get("session"), dict):
        session = line["session"]
        session |= {"id": str(uuid4()), "profile": "default", "messageCount": 0}
        for name in ("parentSessionId", "forkedAtSequence", "lastMessage", "openCalls", "usage"):
            session.pop(name, None)
        name_labels(session)
    elif isinstance(line.get("file"), dict):
        line["file"] |= {"id": NO_BYTES, "size": 0}
    elif "header" not in line:
        line.clear()
        line |= HEADER


def name_labels(body: dict[str, Any]) -> None:
    """Give labels valid keys, and few of them; the schema cannot express the rules."""
    if isinstance(body.get("labels"), dict):
        body["labels"] = {f"key {place}": value for place, value in enumerate(body["labels"].values()) if place < 8}


def make_messages_consistent(body: dict[str, Any]) -> None:
    """Make each message of a body (or the body itself, if it is a message) consistent."""
    for message in body.get("messages", [body]):
        make_consistent(message)


def make_patch_consistent(patch: dict[str, Any]) -> None:
    """Make a patch consistent with itself, and with a message that may have parts."""
    if "parts" in patch:
        make_consistent(patch)
    elif "content" in patch:
        patch["parts"] = []


def make_consistent(message: Any) -> None:
    """Give a message either content or parts: if it has both, they must agree, which the schema cannot express.

    If it has an id, make the id unique.
    """
    if isinstance(message, dict) and isinstance(message.get("id"), str):
        message["id"] = f"{message['id'][:150]}{uuid4()}"
    if isinstance(message, dict) and "parts" in message:
        message.pop("content", None)
        for part in message["parts"]:
            # A relative URL has to be that of an existing file.
            if isinstance(part, dict) and part.get("type") == "file":
                part["url"] = "https://example.com/a"
    elif isinstance(message, dict):
        message.setdefault("content", "")


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context: Any, value: Any) -> bytes:
    """A body of one line; a record of an export is between a header and the end."""
    if isinstance(value, dict) and not value.keys() - {"header", "session", "file"}:
        return export_of(value)
    return json.dumps(value).encode()


@schemathesis.serializer("application/octet-stream")
def octets_of(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """The bytes; for half of the imports an export, because random bytes are none."""
    octets = serialize_binary(value)
    return export_of(HEADER) if context.case.operation.label == "POST /import" and len(octets) % 2 == 0 else octets


def export_of(line: dict[str, Any]) -> bytes:
    """An export of one record, or of none if the line is a header."""
    counts = EMPTY | {"sessions": int("session" in line), "files": int("file" in line)}
    lines = [*([] if "header" in line else [HEADER]), line, {"end": counts}]
    return "\n".join(map(json.dumps, lines)).encode()


@schemathesis.deserializer("application/x-ndjson")
def first_line(_context: Any, response: Any) -> Any:
    """The first line, which the schema describes."""
    lines = response.content.splitlines()
    if not lines:
        raise NotImplementedError("There is no line that the schema could describe.")
    return json.loads(lines[0])


@schemathesis.serializer("text/markdown")
def markdown(_context: Any, value: Any) -> bytes:
    """The text, unchanged."""
    return str(value).encode(errors="replace")


@schemathesis.deserializer("application/octet-stream")
def octets(_context: Any, response: Any) -> str:
    """A text with one character for each byte."""
    return str(response.content.decode("latin-1"))


@schemathesis.deserializer("text/markdown", "text/html")
def text(_context: Any, response: Any) -> str:
    """The whole body as text."""
    return str(response.content.decode())
