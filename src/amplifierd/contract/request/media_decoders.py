"""Decoders of bodies that are not JSON to JSON values."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.problems import Problem, Violation, shorten

# The message may quote a part of the body, which may be long.
_MAX_REASON_CHARACTERS = 500


class DecodeError(ValueError):
    """The text is invalid; has the reason and the line, counted from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(slots=True)
class LineTree:
    """The line of a value, and the lines of its members or elements, by name or number.

    A tree, because the JSON Pointers of all places of a text can be many times as long as the text.
    """

    line: int
    below: dict[str, "LineTree"] = field(default_factory=dict)

    def nearest(self, *path: str) -> "LineTree":
        """The lines of the place at the end of a path, or of its nearest known parent."""
        found = self
        for step in path:
            if step not in found.below:
                break
            found = found.below[step]
        return found


@dataclass(frozen=True, slots=True)
class DecodedBody:
    """A JSON value as text, and the lines of its places."""

    json: bytes
    lines: LineTree

    def located(self, violation: Violation) -> Violation:
        """A violation with the line of its place, or of its nearest known parent."""
        steps = [step.replace("~1", "/").replace("~0", "~") for step in violation.pointer.split("/")[1:]]
        line = self.lines.nearest(*steps).line
        return Violation(violation.pointer, f"{violation.detail} (line {line})", line)


# Decodes a text of some media type. Raises `DecodeError`.
BodyDecoder = Callable[[str], DecodedBody]


def decoded_body(body: bytes, reading: BodyDecoder) -> DecodedBody:
    """Decode a body. Raises a problem: 400 if it is not UTF-8, 422 if it is invalid."""
    try:
        return reading(body.decode())
    except UnicodeDecodeError as error:
        raise Problem(400, "not-utf-8", f"The body is not UTF-8 at byte {error.start}.") from None
    except DecodeError as error:
        reason = shorten(str(error), _MAX_REASON_CHARACTERS)
        violation = Violation("", f"{reason} (line {error.line})", error.line)
        raise Problem(
            422, "invalid-body", f"The body is invalid at line {error.line}: {reason}.", errors=[violation]
        ) from None
