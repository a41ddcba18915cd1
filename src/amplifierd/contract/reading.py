"""Bodies that are no JSON, read as the JSON value that they mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .problems import Problem, Violation


class Unreadable(ValueError):
    """The text means nothing; says why, and at which line, counted from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Meaning:
    """A JSON value as text, and the lines that its places come from, by their JSON Pointers (RFC 6901)."""

    json: bytes
    lines: Mapping[str, int]

    def located(self, violation: Violation) -> Violation:
        """A violation with its line: that of its place, or of the nearest around it."""
        pointer = violation.pointer
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        line = self.lines.get(pointer, 1)
        return Violation(violation.pointer, f"{violation.detail} (line {line})", line)


# How a text of some media type is read. Raises `Unreadable`.
Reading = Callable[[str], Meaning]


def meaning_of(body: bytes, reading: Reading) -> Meaning:
    """What a body means. Raises a problem: 400 where it is no UTF-8, 422 where it means nothing."""
    try:
        return reading(body.decode())
    except UnicodeDecodeError as error:
        raise Problem(400, "not-utf-8", f"The body is not UTF-8 at byte {error.start}.") from None
    except Unreadable as error:
        violation = Violation("", f"{error} (line {error.line})", error.line)
        raise Problem(
            422, "invalid-body", f"The body can't be read at line {error.line}: {error}.", errors=[violation]
        ) from None
