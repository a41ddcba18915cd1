"""The length limit of request targets: every target that the contract allows must fit (RFC 9110, section 4.1)."""

import re

from ..core.document import Document, Json

# A character has at most four bytes in UTF-8, and percent-encoding (RFC 3986, section 2.1) makes three of each.
_BYTES_OF_CHARACTER = 12
_BYTES_OF_ASCII = 3
# An anchored pattern with character classes of letters and digits.
_IN_ASCII = re.compile(r"\^([A-Za-z0-9_{},()-]|\[[A-Za-z0-9_-]+\])+\$")
# The contract does not limit times: RFC 3339 allows any number of fractional digits.
_TIME_CHARACTERS = 64
# As in the parsing of parameters: see parameters.py.
_NUMBER_CHARACTERS = 66
# `http://`, a name (RFC 1035, section 2.3.4), a colon and a port, before the path of a target in absolute form.
_AUTHORITY_BYTES = len("http://:65535") + 255
_LEAST = 8 * 1024
_STEP = 1024


def longest_target(document: Document) -> int:
    """The bytes of the longest target that an operation of the contract accepts, in whole KiB, at least 8 KiB."""
    longest = max((_target_bytes(document, path, operation) for path, _, operation in document.operations()), default=0)
    return max(_LEAST, -(-(longest + _AUTHORITY_BYTES) // _STEP) * _STEP)


def _target_bytes(document: Document, path: str, operation: Json) -> int:
    # Literal segments can be percent-encoded too. There may be a trailing slash, and a `?` before the query.
    size = _BYTES_OF_ASCII * len(document.base_path + re.sub(r"\{.*?\}", "", path)) + len("/?")
    for parameter in document.parameters(path, operation):
        if parameter["in"] == "path":
            size += _text_bytes(document, parameter["schema"])
        elif parameter["in"] == "query":
            schema = document.resolve(parameter["schema"])
            times, item = (schema["maxItems"], schema["items"]) if schema["type"] == "array" else (1, schema)
            size += times * (_BYTES_OF_ASCII * len(parameter["name"]) + len("=&") + _text_bytes(document, item))
    return size


def _text_bytes(document: Document, schema: Json) -> int:
    schema = document.resolve(schema)
    if "enum" in schema:
        return _BYTES_OF_CHARACTER * max(len(str(value)) for value in schema["enum"])
    if schema.get("format") == "date-time":
        return _BYTES_OF_ASCII * _TIME_CHARACTERS
    if _IN_ASCII.fullmatch(schema.get("pattern", "")):
        return _BYTES_OF_ASCII * int(schema["maxLength"])
    if schema["type"] == "string":
        return _BYTES_OF_CHARACTER * int(schema.get("maxLength", 0))
    return _BYTES_OF_ASCII * _NUMBER_CHARACTERS
