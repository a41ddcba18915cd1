"""Entity tags (RFC 9110, sections 8.8.3 and 13.1): a record's version as a tag, and the tags that a request names."""

import re
from typing import Any

import msgspec

from .document import ContractError, Document, Json
from .parameters import Header
from .problems import Headers
from .schema import Schemas

IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
NOT_MODIFIED = 304

_ANY = "*"
_TAG = re.compile(r'(W/)?"([^"]*)"')
_VERSION = re.compile(r"[1-9][0-9]{0,15}")


def versions_of(text: str) -> tuple[int, ...] | None:
    """The versions that `If-Match` names, None for any.

    A weak tag never matches (section 13.1.1), and no record has a tag that is no version: both are left out.
    """
    if text == _ANY:
        return None
    return tuple(int(tag) for weak, tag in _TAG.findall(text) if not weak and _VERSION.fullmatch(tag))


class ETag:
    """The entity tag of an operation's answers, and the 304 of a client that has the answer already."""

    def __init__(self, document: Document, schemas: Schemas, path: str, operation: Json, record: Any) -> None:
        names = {field.name for field in msgspec.structs.fields(record)} if isinstance(record, type) else set()
        if "version" not in names:
            raise ContractError(f"Operation {operation['operationId']} declares ETag, but {record} has no version.")
        declared = [it for it in document.parameters(path, operation) if it["name"] == IF_NONE_MATCH]
        if declared and str(NOT_MODIFIED) not in operation["responses"]:
            raise ContractError(f"Operation {operation['operationId']} declares {IF_NONE_MATCH}, but no 304.")
        self._if_none_match = Header(document, schemas, operation, declared[0]) if declared else None

    def header(self, record: Any) -> tuple[bytes, bytes]:
        """The header that tells the record's version."""
        return b"etag", b'"%d"' % record.version

    def is_known(self, record: Any, request: Headers) -> bool:
        """Does the client have the answer with the record's tag. Raises a 400 problem for a malformed header."""
        if self._if_none_match is None:
            return False
        known = self._if_none_match.find(request)
        if known is None:
            return False
        return known == _ANY or str(record.version) in (tag for _, tag in _TAG.findall(known))
