"""Bodies that are no JSON, read as the JSON value that they mean."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.problems import Problem, Violation, shorten

# What is wrong may name a part of the body, which may be long.
_MAX_REASON_CHARACTERS = 500


class DecodeError(ValueError):
    """The text means nothing; says why, and at which line, counted from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(slots=True)
class LineTree:
    """The line that a value comes from, and those of its members or elements, by name or number.

    A tree, because the JSON Pointers of all places of a text can be many times as long as the text.
    """

    line: int
    below: dict[str, "LineTree"] = field(default_factory=dict)

    def nearest(self, *path: str) -> "LineTree":
        """What is known of the place at the end of a path, or of the nearest around it."""
        found = self
        for step in path:
            if step not in found.below:
                break
            found = found.below[step]
        return found


@dataclass(frozen=True, slots=True)
class DecodedBody:
    """A JSON value as text, and the lines that its places come from."""

    json: bytes
    lines: LineTree

    def located(self, violation: Violation) -> Violation:
        """A violation with its line: that of its place, or of the nearest around it."""
        steps = [step.replace("~1", "/").replace("~0", "~") for step in violation.pointer.split("/")[1:]]
        line = self.lines.nearest(*steps).line
        return Violation(violation.pointer, f"{violation.detail} (line {line})", line)


# How a text of some media type is read. Raises `DecodeError`.
BodyDecoder = Callable[[str], DecodedBody]


def decoded_body(body: bytes, reading: BodyDecoder) -> DecodedBody:
    """What a body means. Raises a problem: 400 where it is no UTF-8, 422 where it means nothing."""
    try:
        return reading(body.decode())
    except UnicodeDecodeError as error:
        raise Problem(400, "not-utf-8", f"The body is not UTF-8 at byte {error.start}.") from None
    except DecodeError as error:
        reason = shorten(str(error), _MAX_REASON_CHARACTERS)
        violation = Violation("", f"{reason} (line {error.line})", error.line)
        raise Problem(
            422, "invalid-body", f"The body can't be read at line {error.line}: {reason}.", errors=[violation]
        ) from None
