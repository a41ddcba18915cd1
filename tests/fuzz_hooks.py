"""Tells Schemathesis the rules of the contract that schemas cannot express."""

import gc
import json
import os
import re
from typing import Any
from uuid import uuid4

import schemathesis
from schemathesis.generation import GenerationMode

# What Schemathesis has read of the contract stays. Python looks through it for garbage so often that this takes a tenth
# of the time.
gc.set_threshold(100_000, 20, 20)

KEY = re.compile(r"[!-~]{1,255}")
EMPTY_END = {"end": {"sessions": 0, "messages": 0, "files": 0}}
# The members of bodies that name a profile, by operation.
PROFILE_MEMBERS = {"createSession": "profile", "generateMountPlan": "profile_id"}
# The profiles of this run, some of which were deleted since.
PROFILES: set[str] = set()
ALPHANUMERIC = re.compile(r"[A-Za-z0-9]+")


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Declare for every operation the responses that the contract lists once for all requests."""
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \|$", raw_schema["info"]["description"], re.MULTILINE)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    # No slash is made in a path, and fuzzing gives up if most of what a pattern allows has one.
    for name in ("CollectionIdentifier", "ModuleId"):
        raw_schema["components"]["parameters"][name]["schema"] |= {"pattern": "^[a-z0-9-]{1,64}$", "maxLength": 64}
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                make_lines(raw_schema, operation)
                name_profiles(operation)
                for status, reason in rows:
                    operation["responses"].setdefault(status, {"description": reason, "content": content})


def name_profiles(operation: dict[str, Any]) -> None:
    """Let links lead from a profile to sessions and plans: a generator of clients refuses bodies of links."""
    place = "profiles/0" if operation["operationId"] == "createCollection" else "name"
    for response in operation["responses"].values():
        for name, link in response.get("links", {}).items():
            if name in PROFILE_MEMBERS and "parameters" not in link:
                link["requestBody"] = {PROFILE_MEMBERS[name]: f"$response.body#/{place}"}


def make_lines(raw_schema: dict[str, Any], operation: dict[str, Any]) -> None:
    """Let the schema of NDJSON be that of one line: a text of any letters would never be accepted."""
    for node in (operation.get("requestBody", {}), *operation["responses"].values()):
        lines = node.get("content", {}).get("application/x-ndjson")
        if lines is not None:
            text = raw_schema["components"]["schemas"][lines["schema"]["$ref"].rpartition("/")[2]]
            lines["schema"] = text["x-line-schema"]
            for example in lines.get("examples", {}).values():
                example["value"] = json.loads(example["value"])


@schemathesis.hook
def before_call(_context: Any, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Make what is meant to be a valid header one, and of what a session is opened in something that is there."""
    key = case.headers.get("Idempotency-Key")
    if key is not None and KEY.fullmatch(key):
        # The same key with another body is refused, as it should be.
        case.headers["Idempotency-Key"] = f"{key[:200]}{uuid4()}"
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        set_query(case)
        if isinstance(case.body, dict):
            name_what_is_there(case.operation.label, case.body)
            if case.operation.label == "PUT /profiles/{name}":
                # A profile keeps its name.
                case.body["name"] = case.path_parameters["name"]
            if case.operation.label == "POST /collections":
                # Sixteen, because a sync of all of them reads each.
                case.body |= {"identifier": f"c{uuid4().hex[0]}", "source": os.environ["FUZZ_COLLECTION"]}
        for name in ("If-Match", "If-None-Match"):
            # The coverage phase makes headers of letters and digits alone; an entity tag has quotes.
            if ALPHANUMERIC.fullmatch(case.headers.get(name, "")):
                case.headers[name] = f'"{case.headers[name]}"'


def set_query(case: schemathesis.Case[Any]) -> None:
    """Ask for what can be done with the body, and for what stays done."""
    if case.operation.label == "POST /files":
        # Of another the bytes would be read as what it says.
        case.query["media"] = "application/octet-stream"
    if case.operation.label == "POST /import":
        # Which names there are is known when the daemon runs; and not every file is an export.
        case.query["format"] = "auto" if case.media_type == "application/octet-stream" else "amplifierd"
    if case.operation.method.upper() == "DELETE" and "remove_marker" in case.query:
        # A marker that stays brings the directory back with the next scan.
        case.query["remove_marker"] = "true"


def name_what_is_there(operation: str, body: dict[str, Any]) -> None:
    """Use existing profiles and directories, because invented ones are only 404."""
    if operation == "POST /sessions":
        name_context(body)
    elif operation.startswith("POST") and "/messages" in operation:
        agree_all(body)
    elif operation == "POST /sessions/delete":
        # Other tests need the sessions.
        body["filter"] |= {"ids": [str(uuid4())]}
    elif operation == "POST /mount-plans/generate":
        name_plan(body)
    elif operation == "POST /import":
        begin_export(body)
        limit_file(body)
    elif operation == "PATCH /sessions/{session_id}/messages/{sequence}":
        agree_with_parts(body)
    elif operation == "PATCH /sessions/{session_id}":
        name_labels(body)
        if "profile" in body:
            body["profile"] = "default"
    elif "amplified-directories" in operation:
        name_directory(body)


def name_directory(directory: dict[str, Any]) -> None:
    """Give a directory a profile that is there, and a path whose segments do not end with a dot or a space."""
    if directory.get("default_profile"):
        directory["default_profile"] = "default"
    if "relative_path" in directory:
        segments = directory["relative_path"].split("/")
        kept = "/".join(each if each == "." else each.rstrip(". ") for each in segments)
        directory["relative_path"] = kept or "."


def name_context(session: dict[str, Any]) -> None:
    """Give a new session an id of its own, and a profile and a directory that there are."""
    session |= {"profile": known(session.get("profile")), "amplified_dir": "."}
    if "id" in session:
        session["id"] = str(uuid4())
    name_labels(session)
    leave_session_out(session)


def name_plan(plan: dict[str, Any]) -> None:
    """Ask for the plan of a profile and in a directory that there are, with agents that the profile may lack."""
    plan |= {"profile_id": known(plan.get("profile_id")), "amplified_dir": "."}
    overlays = plan.get("agent_overlay", {})
    plan["agent_overlay"] = {name: overlay for name, overlay in overlays.items() if overlay and "content" in overlay}
    leave_session_out(plan)


def known(profile: object) -> str:
    """A profile that a link leads to, or the one that is always there."""
    return profile if isinstance(profile, str) and profile in PROFILES else "default"


@schemathesis.hook
def after_call(_context: Any, case: schemathesis.Case[Any], response: Any) -> None:
    """Record the names of created profiles."""
    if response.status_code == 201 and case.operation.label == "POST /profiles":
        PROFILES.add(response.json()["name"])
    elif response.status_code == 201 and case.operation.label == "POST /collections":
        PROFILES.update(response.json()["profiles"])


def leave_session_out(body: dict[str, Any]) -> None:
    """Override no modules of a session: they have names, which no schema of a patch can ask for."""
    overrides = body.get("settings_overrides")
    if isinstance(overrides, dict):
        overrides.pop("session", None)


def begin_export(line: dict[str, Any]) -> None:
    """Put a header in the place of a line that cannot be the first one, which no schema tells."""
    if "message" in line or "end" in line:
        line.clear()
        line["header"] = {"format": "amplifierd-export", "version": 2}


def limit_file(line: dict[str, Any]) -> None:
    """Give the file of a line a size that it may have: the limit is a setting."""
    if isinstance(line.get("file"), dict):
        line["file"]["size"] %= 1_000


def name_labels(body: dict[str, Any]) -> None:
    """Give labels keys that they may have, and few of them: what a key may be no schema tells."""
    if isinstance(body.get("labels"), dict):
        body["labels"] = {f"key {place}": value for place, value in enumerate(body["labels"].values()) if place < 8}


def agree_all(body: dict[str, Any]) -> None:
    """Make each message of a body, or the body as the only one, agree with itself."""
    for message in body.get("messages", [body]):
        agree(message)


def agree_with_parts(patch: dict[str, Any]) -> None:
    """Make a patch agree with itself, and with a message that may have parts."""
    if "parts" in patch:
        agree(patch)
    elif "content" in patch:
        patch["parts"] = []


def agree(message: Any) -> None:
    """Give a message a content, or parts in its place: what both say has to be the same, which no schema tells.

    An id that it has becomes one that no other message has.
    """
    if isinstance(message, dict) and isinstance(message.get("id"), str):
        message["id"] = f"{message['id'][:150]}{uuid4()}"
    if isinstance(message, dict) and "parts" in message:
        message.pop("content", None)
        for part in message["parts"]:
            # A relative one has to be that of a file that is there.
            if isinstance(part, dict) and part.get("type") == "file":
                part["url"] = "https://example.com/a"
    elif isinstance(message, dict):
        message.setdefault("content", "")


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context: Any, value: Any) -> bytes:
    """A body of one line, and of the end after a header, which an import without it lacks."""
    lines = [value, EMPTY_END] if isinstance(value, dict) and "header" in value else [value]
    return "\n".join(map(json.dumps, lines)).encode()


@schemathesis.deserializer("application/x-ndjson")
def first_line(_context: Any, response: Any) -> Any:
    """The first line, of which the schema speaks."""
    lines = response.content.splitlines()
    if not lines:
        raise NotImplementedError("There is no line that the schema could speak of.")
    return json.loads(lines[0])


@schemathesis.serializer("text/markdown")
def markdown(_context: Any, value: Any) -> bytes:
    """A text as it is."""
    return str(value).encode(errors="replace")


@schemathesis.deserializer("application/octet-stream")
def octets(_context: Any, response: Any) -> str:
    """Each byte as a character."""
    return str(response.content.decode("latin-1"))


@schemathesis.deserializer("text/markdown", "text/html")
def text(_context: Any, response: Any) -> str:
    """All of it."""
    return str(response.content.decode())
