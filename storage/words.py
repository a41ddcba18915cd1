"""What a person types into a search as phrases: any text is a query."""

import re
from dataclasses import dataclass

# A quote that is not closed goes to the end.
_TERM = re.compile(r'"(?P<phrase>[^"]*)(?:"|$)(?P<more>\*?)|(?P<word>[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand together, the last of them perhaps only the beginning of one."""

    text: str
    prefix: bool = False


def phrases_of(text: str) -> list[Phrase]:
    """The phrases of a query that have a letter or a digit in them, each of which must be found."""
    found = (_phrase(term) for term in _TERM.finditer(text.replace("\0", " ")))
    return [phrase for phrase in found if any(character.isalnum() for character in phrase.text)]


def _phrase(term: re.Match[str]) -> Phrase:
    if term["word"] is None:
        return Phrase(term["phrase"], prefix=bool(term["more"]))
    return Phrase(term["word"].rstrip("*"), prefix=term["word"].endswith("*"))
