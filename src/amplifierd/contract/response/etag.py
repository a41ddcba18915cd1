"""Preconditions (RFC 9110, section 13): compares a record's version, its entity tag, with the tags in a request.

Every operation on a resource with an `ETag`, or below one, evaluates `If-Match` and `If-None-Match` by one rule: GET
and HEAD against the record that they return, all others in the transaction of their effect. Every other operation,
unless it creates a resource, refuses a precondition that no resource without an `ETag` can meet.
"""

import re
from itertools import accumulate
from typing import Any

import msgspec

from ...storage.model.records import OtherVersions, Versions
from ..core.document import ContractError, Document, Json
from ..core.problems import Problem
from ..core.request_state import Fields
from ..core.schema import Schemas
from ..request.body import JSON
from ..request.parameters import Arguments, Header
from .content_coding import CODINGS

IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
# The handlers' parameter for the versions to which a request applies.
VERSIONS = "versions"

NOT_MODIFIED = 304
PRECONDITION_FAILED = 412

_ETAG = "ETag"
_ANY = "*"
_MATCH_FIELD, _NONE_MATCH_FIELD = b"if-match", b"if-none-match"
_CREATED = "201"
_TAG = re.compile(r'(W/)?"([^"]*)"')
# The tags of a version in all codings, see `content_coding.py`.
_VERSION = re.compile(rf"([1-9][0-9]{{0,15}})(?:-(?:{'|'.join(coding.name for coding in CODINGS)}))?")
# Compressing proxies append these to a tag: Apache `-br`, Jetty `--gzip`, others `;gzip`.
_ALTERED = re.compile(r'W/"([0-9]+)(?:-gzip|-zstd)?"|"([0-9]+)(?:--?|;)(?:gzip|br|deflate|zstd)"')


class _Tags(Header):
    """A list of tags, or `*`; its errors have an example instead of the pattern."""

    def _error(self, value: Any) -> ValueError:
        error = super()._error(value)
        return ValueError('must be * or quoted tags, such as "5"') if "must match" in str(error) else error


class Preconditions:
    """The preconditions of one operation on a resource with an `ETag`; `names` are its handler's arguments for them."""

    names: tuple[str, ...] = (VERSIONS,)

    def __init__(self, if_match: Header, if_none_match: Header) -> None:
        self._if_match = if_match
        self._if_none_match = if_none_match

    def bind(self, request: Fields, arguments: Arguments) -> None:
        """Put the versions of the record to which a change applies into `arguments`. Raises a 400 problem."""
        arguments[VERSIONS] = self.versions(request)

    def versions(self, request: Fields) -> Versions:
        """The versions of the record to which a change applies; None for any. Raises a 400 problem.

        A weak tag never matches `If-Match` (section 13.1.1); `If-None-Match` compares weakly (section 13.1.2).
        """
        if not _is_conditional(request):
            return None
        expected, excluded = self._if_match.joined(request), self._if_none_match.joined(request)
        listed = None if expected in (None, _ANY) else _versions(expected, weak=False)
        if excluded is None:
            return listed
        others = OtherVersions(None if excluded == _ANY else _versions(excluded, weak=True))
        return others if listed is None else tuple(version for version in listed if version in others)

    def is_known(self, record: Any, request: Fields) -> bool:
        """Whether the client already has the record at this version, and gets 304.

        Raises a problem: 412 for a version that `If-Match` does not name, 400 for a malformed header.
        """
        if not _is_conditional(request):
            return False
        expected, known = self._if_match.joined(request), self._if_none_match.joined(request)
        version, name = record.version, type(record).__name__.lower()
        if expected not in (None, _ANY) and version not in _versions(expected, weak=False):
            detail = f"The {name} is at version {version}, which is not in {IF_MATCH}."
            headers, members = {_ETAG: f'"{version}"'}, {"version": version}
            raise Problem(PRECONDITION_FAILED, "version-mismatch", detail, headers=headers, members=members)
        return known is not None and (known == _ANY or version in _versions(known, weak=True))

    def is_tag_known(self, tag: str, request: Fields) -> bool:
        """As `is_known`, for a representation that never changes, by its strong tag. Raises a 412 problem."""
        expected, known = self._if_match.joined(request), self._if_none_match.joined(request)
        if expected not in (None, _ANY) and ("", tag[1:-1]) not in _TAG.findall(expected):
            detail = f"{IF_MATCH} does not name {tag}, which is the only tag that this has."
            raise Problem(PRECONDITION_FAILED, "precondition-failed", detail, headers={_ETAG: tag})
        return known is not None and (known == _ANY or any(found == tag[1:-1] for _, found in _TAG.findall(known)))


class FilePreconditions(Preconditions):
    """The preconditions of a change of a file, whose tag is its id, the path parameter `file_id`."""

    names = ()

    def __init__(self, if_match: Header, if_none_match: Header, file_id: str) -> None:
        super().__init__(if_match, if_none_match)
        self._file_id = file_id

    def bind(self, request: Fields, arguments: Arguments) -> None:
        """Raises a problem: 412 if a header excludes the file, 400 if it is malformed."""
        if _is_conditional(request):
            tag = f'"{arguments[self._file_id]}"'
            if self.is_tag_known(tag, request):
                detail = f"{IF_NONE_MATCH} names {tag}, which is the tag of this."
                raise Problem(PRECONDITION_FAILED, "precondition-failed", detail, headers={_ETAG: tag})


class NoTag:
    """The preconditions of an operation on a resource without an `ETag`, which matches no tag."""

    names = ()

    def __init__(self, *, is_read: bool) -> None:
        self._is_read = is_read

    def bind(self, request: Fields, _arguments: Arguments) -> None:
        """Raises a 412 problem for a precondition that the resource cannot meet.

        Nothing is looked up for `If-None-Match: *`: if the resource does not exist, no such change succeeds either.
        """
        if not _is_conditional(request):
            return
        if request.get(_MATCH_FIELD, (b"*",)) != (b"*",):
            detail = f"This has no {_ETAG}, so it matches no tag in {IF_MATCH}; omit the header, or send {IF_MATCH}: *."
            raise Problem(PRECONDITION_FAILED, "precondition-failed", detail)
        if not self._is_read and request.get(_NONE_MATCH_FIELD) == (b"*",):
            detail = (
                f"{IF_NONE_MATCH}: * is for a resource that does not exist, which this cannot create; omit the header."
            )
            raise Problem(PRECONDITION_FAILED, "precondition-failed", detail)


def preconditions_of(
    document: Document, schemas: Schemas, path: str, method: str, operation: Json
) -> Preconditions | NoTag | None:
    """The preconditions of an operation; None if it creates a resource, and has none.

    Raises `ContractError` unless the operation declares their responses, and both headers if its resource is tagged.
    """
    declared = {header["name"]: header for header in document.parameters(path, operation) if header["in"] == "header"}
    is_read = method == "get"
    file_id = None if is_read else _file_id(document, path)
    is_tagged = _has_etag(document, operation) if is_read else file_id is not None or _is_below_etag(document, path)
    for name in (IF_MATCH, IF_NONE_MATCH):
        if (name in declared) is not is_tagged:
            raise ContractError(
                f"Operation {operation['operationId']} declares {'' if name in declared else 'no '}{name}, "
                f"but its resource has {'an' if is_tagged else 'no'} ETag."
            )
    if not is_tagged and _CREATED in operation["responses"]:
        return None
    for status in (PRECONDITION_FAILED, NOT_MODIFIED) if is_read and is_tagged else (PRECONDITION_FAILED,):
        if str(status) not in operation["responses"]:
            raise ContractError(
                f"Operation {operation['operationId']} evaluates preconditions, but declares no {status}."
            )
    if not is_tagged:
        return NoTag(is_read=is_read)
    if_match, if_none_match = (
        _Tags(document, schemas, operation, declared[name]) for name in (IF_MATCH, IF_NONE_MATCH)
    )
    if file_id is not None:
        return FilePreconditions(if_match, if_none_match, file_id)
    return Preconditions(if_match, if_none_match)


def etag_of(record: Any) -> tuple[bytes, bytes]:
    """The `ETag` header with the record's version."""
    return b"etag", b'"%d"' % record.version


def check_versioned(operation: Json, record: Any) -> None:
    """Raises `ContractError` unless records of this type have a version for an entity tag."""
    names = {field.name for field in msgspec.structs.fields(record)} if isinstance(record, type) else set()
    if "version" not in names:
        raise ContractError(f"Operation {operation['operationId']} declares ETag, but {record} has no version.")


def explain(problem: Problem, request: Fields) -> None:
    """Add an explanation to a 412 problem if `If-Match` has a tag that was altered by a proxy, or a weak one."""
    expected = b", ".join(request.get(b"if-match", ())).decode("latin-1")
    version = str(problem.members.get("version"))
    for altered in _ALTERED.finditer(expected):
        if version in altered.groups():
            problem.detail += (
                f" The tag {altered[0]} was altered by a compressing proxy, and does not match; "
                f'send {IF_MATCH}: "{version}".'
            )
            return
    weak = next((tag[0] for tag in _TAG.finditer(expected) if tag[1]), None)
    if weak is not None:
        problem.detail += f" {IF_MATCH} never matches a weak tag such as {weak}."


def _is_conditional(request: Fields) -> bool:
    """Whether a request has a precondition; most have none."""
    return _MATCH_FIELD in request or _NONE_MATCH_FIELD in request


def _has_etag(document: Document, operation: Json) -> bool:
    responses = (document.resolve(node) for status, node in operation["responses"].items() if status[0] == "2")
    return any(_ETAG in response.get("headers", {}) for response in responses)


def _has_version(document: Document, operation: Json) -> bool:
    """Whether an operation returns a JSON record with its version as `ETag`; the bytes of a file never change."""
    responses = (document.resolve(node) for status, node in operation["responses"].items() if status[0] == "2")
    return _has_etag(document, operation) and all(JSON in response.get("content", {}) for response in responses)


def _file_id(document: Document, path: str) -> str | None:
    """The last parameter of a path whose GET returns bytes with an `ETag`; None for any other path."""
    get = document.spec["paths"][path].get("get")
    if get is None or not _has_etag(document, get) or _has_version(document, get):
        return None
    return path.rpartition("{")[2].removesuffix("}")


def _is_below_etag(document: Document, path: str) -> bool:
    """Whether the path, or a parent of it, has a GET that returns a record with an `ETag`."""
    above = accumulate(path.split("/"), "{}/{}".format)
    gets = (document.spec["paths"].get(each, {}).get("get") for each in above)
    return any(get is not None and _has_version(document, get) for get in gets)


def _versions(tags: str, *, weak: bool) -> tuple[int, ...]:
    """The versions in tags, with or without weak ones; a tag that is not a version matches no record."""
    found = _TAG.findall(tags)
    named = [_VERSION.fullmatch(tag) for prefix, tag in found if weak or not prefix]
    return tuple(int(match[1]) for match in named if match is not None)
