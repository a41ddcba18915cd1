"""Profiles as files: YAML between two `---` lines, then the instructions as Markdown.

    ---
    profile: {name: foundation/base, version: 1.0.0, schema_version: 2}
    session:
      orchestrator: {module: loop-basic}
    ---

    You are brief.

`session`, `providers`, `tools`, `hooks`, `agents` and `context` are fields of the profile; `session.context` is the
context manager. Agents in a list are named after their files, without `.md`, and contexts by their numbers. A blank
line before the instructions is not part of them.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import yaml
from msgspec import UNSET, Raw

from ..contract import DecodedBody, DecodeError
from ..storage.model.profile_records import ProfileSettings
from .yaml_json import MAX_CHARACTERS as MAX_YAML_CHARACTERS
from .yaml_json import json_of

# Upper bound on the size of the whole file.
MAX_CHARACTERS = 1024 * 1024

_LINE = re.compile(r"[^\n]*\n?")
_FENCE = "---"

_CONTEXT_MANAGER = ("context", "context-manager", "context_manager")
_KEPT = ("session", "providers", "tools", "hooks", "agents", "context")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_items = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[ProfileSettings]).decode

Members = dict[str, Raw]


def read_profile(text: str) -> DecodedBody:
    """Convert a file to a body of `createProfile`. Raises `DecodeError`."""
    if len(text) > MAX_CHARACTERS:
        raise DecodeError(1, f"the file has more than {MAX_CHARACTERS} characters")
    front, instructions = _split(text.removeprefix("\ufeff"))
    decoded = json_of(front, 2, _is_text)
    return _Body(decoded, instructions).decode()


def _is_text(path: tuple[str, ...]) -> bool:
    """Whether a plain word at this path is a string, such as the version `1.0`."""
    match path:
        case ("profile", "name" | "version" | "description") | ("agents" | "context", _):
            return True
        case ("session" | "providers" | "tools" | "hooks", _, "module" | "source"):
            return True
        case _:
            return False


def _split(text: str) -> tuple[str, str]:
    lines = [match[0] for match in _LINE.finditer(text)]
    if lines[0].rstrip() != _FENCE:
        raise DecodeError(1, f"the file must begin with a line {_FENCE}")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise DecodeError(len(lines) - (lines[-1] == ""), f"a line {_FENCE} must end the section that begins at line 1")
    rest = lines[end + 1 :]
    if rest and rest[0] in ("\n", "\r\n"):
        del rest[0]
    return "".join(lines[1:end]), "".join(rest)


class _Body:
    """Converts front matter to a body, and keeps the line of each place."""

    def __init__(self, front: DecodedBody, instructions: str) -> None:
        self._front = front
        self._lines = front.lines
        self._instructions = instructions

    def decode(self) -> DecodedBody:
        members = self._object(Raw(self._front.json))
        if "profile" not in members:
            raise DecodeError(1, "the section 'profile' is missing")
        body = self._header(self._object(members.pop("profile"), "profile"))
        for name, value in members.items():
            if name not in _KEPT:
                raise DecodeError(self._line(name), f"the section {name!r} is unknown")
            if bytes(value) != b"null":
                body[name] = value
        if "session" in body:
            body["session"] = self._session(self._object(body["session"], "session"))
        for name, name_of in (("agents", _agent_name), ("context", _context_name)):
            if name in body:
                body[name] = self._key_by_name(name, body[name], name_of)
        if self._instructions:
            body["instructions"] = Raw(_encode(self._instructions))
        return DecodedBody(_encode(body), self._lines)

    def _header(self, header: Members) -> Members:
        version = header.pop("schema_version", None)
        if version is None or bytes(version) != b"2":
            raise DecodeError(self._line("profile", "schema_version"), "a profile's schema_version must be 2")
        for name in header:
            if name not in ("name", "version", "description"):
                raise DecodeError(self._line("profile", name), f"profile.{name} is unknown")
            self._lines.below[name] = self._lines.nearest("profile", name)
        if "version" not in header:
            raise DecodeError(self._line("profile"), "profile.version is required")
        return header

    def _session(self, session: Members) -> Raw:
        renamed: Members = {}
        for name, value in session.items():
            own = "context_manager" if name in _CONTEXT_MANAGER else name
            if own in renamed:
                raise DecodeError(self._line("session", name), "the session has two context managers")
            renamed[own] = value
            self._lines.nearest("session").below[own] = self._lines.nearest("session", name)
        return Raw(_encode(renamed))

    def _key_by_name(self, name: str, value: Raw, name_of: Callable[[int, Raw], str]) -> Raw:
        if bytes(memoryview(value)[:1]) != b"[":
            return value
        lines = self._lines.nearest(name)
        named: Members = {}
        for number, item in enumerate(_items(value)):
            own = name_of(number, item)
            own = f"{own}.{number}" if own in named else own
            named[own] = item
            lines.below[own] = lines.nearest(str(number))
        return Raw(_encode(named))

    def _object(self, value: Raw, *path: str) -> Members:
        if bytes(memoryview(value)[:1]) != b"{":
            raise DecodeError(self._line(*path), f"{'/'.join(path) or 'the front matter'} must be a mapping")
        return _members(value)

    def _line(self, *path: str) -> int:
        return self._lines.nearest(*path).line


def _agent_name(number: int, item: Raw) -> str:
    reference = msgspec.json.decode(item)
    stem = posixpath.basename(reference).removesuffix(".md") if isinstance(reference, str) else ""
    return stem or f"agent_{number}"


def _context_name(number: int, _item: Raw) -> str:
    return f"context_{number}"


def profile_file(profiles: bytes) -> bytes:
    """Write the profile of a JSON array as a file that `read_profile` reads back."""
    return "".join([_file_of(profile) for profile in _decode(profiles)]).encode()


def _file_of(profile: ProfileSettings) -> str:
    header = {"name": profile.name, "version": profile.version, "schema_version": profile.schema_version}
    if profile.description:
        header["description"] = profile.description
    front: dict[str, Any] = {"profile": header}
    members = _members(_encode(profile))
    if profile.session is not UNSET:
        names = {"contextManager": "context"} | {
            field.encode_name: field.name
            for field in msgspec.structs.fields(type(profile.session))
            if field.name != "context_manager"
        }
        front["session"] = {names[name]: value for name, value in _members(members["session"]).items()}
    front |= {name: members[name] for name in _KEPT[1:] if bytes(members[name]) not in (b"[]", b"{}")}
    text = _yaml(front)
    if len(text) > MAX_YAML_CHARACTERS:
        # Deep values could be indented to many times their length.
        text = _yaml(front, flow=True)
    blank = "\n" if profile.instructions else ""
    return f"{_FENCE}\n{text}{_FENCE}\n{blank}{profile.instructions}"


def _yaml(front: Mapping[str, Any], *, flow: bool = False) -> str:
    text: str = yaml.dump(
        front, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000, default_flow_style=flow
    )
    return text


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # whichever there is
    """Writes JSON values as YAML for old and new parsers: values that either would misread are quoted."""

    yaml_implicit_resolvers: Mapping[str, Any] = {}

    def ignore_aliases(self, _data: object) -> bool:
        return True


_WORDS = r"(y|n|yes|no|on|off|true|false|null|none|nan|inf)"
for _tag, _pattern in (
    ("null", r"null"),
    ("bool", r"true|false"),
    ("float", _JSON_NUMBER.pattern),
    # Anything else that begins like a number, or is a word that some parser reads as another type.
    ("timestamp", rf"[-+.0-9~=<].*|(?i:{_WORDS})|"),
):
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$", re.DOTALL), None)


def _raw(dumper: Any, value: Raw) -> Any:
    """A JSON value with its digits kept."""
    text = bytes(value).decode()
    if text[0] == "{":
        return dumper.represent_dict(_members(value))
    if text[0] == "[":
        return dumper.represent_list(_items(value))
    if text[0] == '"':
        return dumper.represent_str(msgspec.json.decode(text))
    kind = {"n": "null", "t": "bool", "f": "bool"}.get(text[0], "float")
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", text)


_Dumper.add_representer(Raw, _raw)
_Dumper.add_representer(int, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", str(value)))
