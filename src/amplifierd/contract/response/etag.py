"""Preconditions (RFC 9110, section 13): compares a record's version, its entity tag, with the tags in a request.

Every operation on a resource with an `ETag`, or below one, evaluates `If-Match` and `If-None-Match` by one rule: GET
and HEAD against the record that they return, all others in the transaction of their effect.
"""

import re
from typing import Any

import msgspec

from ...storage.model.records import OtherVersions, Versions
from ..core.document import ContractError, Document, Json
from ..core.problems import Problem
from ..core.request_state import Fields
from ..core.schema import Schemas
from ..request.body import JSON
from ..request.parameters import Header
from .content_coding import CODINGS

IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
# The handlers' parameter for the versions to which a request applies.
VERSIONS = "versions"

NOT_MODIFIED = 304
PRECONDITION_FAILED = 412

_ETAG = "ETag"
_ANY = "*"
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
    """The preconditions of one operation."""

    def __init__(self, if_match: Header, if_none_match: Header) -> None:
        self._if_match = if_match
        self._if_none_match = if_none_match
        # Most requests have neither header.
        self._fields = {if_match.field, if_none_match.field}

    def versions(self, request: Fields) -> Versions:
        """The versions of the record to which a change applies; None for any. Raises a 400 problem.

        A weak tag never matches `If-Match` (section 13.1.1); `If-None-Match` compares weakly (section 13.1.2).
        """
        if self._fields.isdisjoint(request):
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
        if self._fields.isdisjoint(request):
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


def preconditions_of(
    document: Document, schemas: Schemas, path: str, method: str, operation: Json
) -> Preconditions | None:
    """The preconditions of an operation; None if its resource has no `ETag`.

    Raises `ContractError` unless an operation that has them declares both headers and their responses.
    """
    declared = {header["name"]: header for header in document.parameters(path, operation) if header["in"] == "header"}
    is_read = method == "get"
    needed = [str(PRECONDITION_FAILED), *([str(NOT_MODIFIED)] if is_read else [])]
    if not (_has_etag(document, operation) if is_read else _is_below_etag(document, path)):
        needed = []
    for name in (IF_MATCH, IF_NONE_MATCH):
        if (name in declared) is not bool(needed):
            raise ContractError(
                f"Operation {operation['operationId']} declares {'' if name in declared else 'no '}{name}, "
                f"but its resource has {'an' if needed else 'no'} ETag."
            )
    for status in needed:
        if status not in operation["responses"]:
            raise ContractError(f"Operation {operation['operationId']} declares {IF_NONE_MATCH}, but no {status}.")
    if not needed:
        return None
    headers = [_Tags(document, schemas, operation, declared[name]) for name in (IF_MATCH, IF_NONE_MATCH)]
    return Preconditions(*headers)


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


def _has_etag(document: Document, operation: Json) -> bool:
    responses = (document.resolve(node) for status, node in operation["responses"].items() if status[0] == "2")
    return any(_ETAG in response.get("headers", {}) for response in responses)


def _has_version(document: Document, operation: Json) -> bool:
    """Whether an operation returns a JSON record with its version as `ETag`; the bytes of a file never change."""
    responses = (document.resolve(node) for status, node in operation["responses"].items() if status[0] == "2")
    return _has_etag(document, operation) and all(JSON in response.get("content", {}) for response in responses)


def _is_below_etag(document: Document, path: str) -> bool:
    """Whether the path, or a parent of it, has a GET that returns a record with an `ETag`."""
    tagged = (
        each
        for each, method, operation in document.operations()
        if method == "get" and _has_version(document, operation)
    )
    return any(path == each or path.startswith(f"{each}/") for each in tagged)


def _versions(tags: str, *, weak: bool) -> tuple[int, ...]:
    """The versions in tags, with or without weak ones; a tag that is not a version matches no record."""
    found = _TAG.findall(tags)
    named = [_VERSION.fullmatch(tag) for prefix, tag in found if weak or not prefix]
    return tuple(int(match[1]) for match in named if match is not None)
