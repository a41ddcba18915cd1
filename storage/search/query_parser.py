"""The terms of a query as a person types it: any text is valid."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from msgspec import structs

from ..model.queries import SearchQuery
from .characters import FIRST_UNSPACED
from .index_entry import EVERYWHERE, tool_form
from .text_filters import NarrowedQuery, TextFilter, with_filters
from .tokenizer import Sought

# The maximum number of different terms of a query; the rest are ignored.
MAX_TERMS = 16
# The maximum number of words of a term; the rest are ignored. A text without spaces is one term, of a word for each
# character.
MAX_WORDS = 64
# Shorter prefixes match too many words for an index: they are matched in texts.
MIN_PREFIX = 3

# A filter, or a term; an unclosed quote extends to the end.
_PART = re.compile(
    r"""(?P<minus>(?<!\S)-(?=[^\W\d_]|"))?(?:"""
    r"""(?(minus)|(?<!\S))(?P<name>role|in|tool|label|after|before):(?:"(?P<quoted>[^"]*)"|(?P<value>[^\s"]+))(?!\S)"""
    r"""|"(?P<phrase>[^"]*)(?:"|$)(?P<more>\*?)|(?P<word>[^\s"]+))"""
)

# Words of questions that an answer need not contain.
_OPTIONAL = """
a an and are as at be been by can could did do does for from had has have how i if in into is it its me my of on or our
should that the their them there these they this to was we were what when where which who whom whose why will with would
you your
"""
OPTIONAL_WORDS = frozenset(_OPTIONAL.split())


@dataclass(frozen=True, slots=True)
class Term:
    """Adjacent words, the last of which may be a prefix; or one of the forms."""

    words: tuple[str, ...]
    prefix: bool = False
    forms: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """The term as it occurs in a text with a space before and after each word."""
        text = f" {'  '.join(self.words)} "
        return text.removesuffix(" ") if self.prefix else text

    @property
    def other_forms(self) -> tuple[str, ...]:
        """Its forms, except its own word."""
        return tuple(form for form in self.forms if (form,) != self.words)

    @property
    def is_form(self) -> bool:
        """Whether a form in a text may be its own word, or begin with it."""
        return self.forms != () and self.words == self.forms[:1]

    @property
    def is_short_prefix(self) -> bool:
        """Whether it is a prefix of so few letters that it is matched in texts."""
        return self.prefix and len(self.words[-1]) < MIN_PREFIX and self.words[-1] < FIRST_UNSPACED

    def places(self, words: Sequence[str], most: int | None = None) -> list[int]:
        """The first `most` places where the term begins in these words."""
        *before, last = self.words
        if self.prefix:
            ends = (place for place, word in enumerate(words) if word.startswith(last))
        else:
            ends = (place for place, word in enumerate(words) if word == last)
        if before:
            starts = (end - len(before) for end in ends if end >= len(before))
            ends = (start for start in starts if [*words[start : start + len(before)]] == before)
        return [*islice(ends, most)]


# Terms of which one must match.
Group = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """The groups that must all match, and the terms of which none may match.

    A message must also have the forms in `required`, which do not count as matches, and none of the `excluded_forms`.
    """

    groups: tuple[Group, ...]
    excluded: tuple[Term, ...]
    required: tuple[str, ...] = ()
    excluded_forms: tuple[str, ...] = ()

    @property
    def terms(self) -> Iterator[Term]:
        """The terms of all groups."""
        return (term for group in self.groups for term in group)

    @property
    def in_index(self) -> tuple[Group, ...]:
        """The groups that are matched by an index."""
        return tuple(group for group in self.groups if not any(term.is_short_prefix for term in group))

    @property
    def is_in_index(self) -> bool:
        """Whether an index can match all of it."""
        return not any(term.is_short_prefix for term in (*self.terms, *self.excluded))


def parse_query(query: SearchQuery, sought: Callable[[str], Sought]) -> tuple[ParsedQuery, NarrowedQuery] | None:
    """The parsed query, and the query with the filters from its text; None if no message can match."""
    narrowed = narrow(query)
    if narrowed is None:
        return None
    parsed = replace(parse(query.text, sought), excluded_forms=tuple(map(tool_form, narrowed.without_tools)))
    tool = narrowed.tool
    if tool is None:
        return (parsed, narrowed) if parsed.groups else None
    groups = parsed.groups
    if not groups and (words := sought(tool).words):
        # A message that calls a tool has the tool's name among its words.
        groups = ((_bounded_term(words),),)
        narrowed = structs.replace(narrowed, scope=EVERYWHERE)
    return (replace(parsed, groups=groups, required=(tool_form(tool),)), narrowed) if groups else None


def narrow(query: SearchQuery) -> NarrowedQuery | None:
    """The query with the filters from its text; None if no message can match."""
    filters = map(_filter, _parts(query.text))
    return with_filters(query, [each for each in filters if each is not None])


def parse(text: str, sought: Callable[[str], Sought]) -> ParsedQuery:
    """Parse the text of a query; `sought` returns the words and forms that match a part of it."""
    groups: list[tuple[list[Term], bool]] = []
    excluded: list[Term] = []
    alternative = False
    parts = [*_parts(text)]
    for number, part in enumerate(parts):
        if _filter(part) is not None:
            continue
        if part["word"] == "OR" and groups and number + 1 < len(parts):
            alternative = True
            continue
        found = [*_groups(part, sought)]
        if part["minus"]:
            excluded += chain.from_iterable(found)
        elif alternative and found:
            groups[-1] = [*groups[-1][0], *found[0]], False
            groups += [(terms, False) for terms in found[1:]]
        else:
            groups += [(terms, _is_optional(part["word"])) for terms in found]
        alternative = False
    return _limit_terms(groups, excluded)


def plain_words(text: str) -> Iterator[tuple[int, str]]:
    """The required words of a query, except prefixes and words in quotes, each with its place in the text before it."""
    for part in _parts(text):
        word = part["word"]
        if (
            word is not None
            and not part["minus"]
            and not word.endswith("*")
            and word != "OR"
            and not _is_optional(word)
        ):
            yield part.start("word"), word


def without_syntax(text: str) -> str:
    """A query without filters, quotes, `*`, `OR` and excluded words."""
    words = (part for part in _parts(text) if _filter(part) is None and not part["minus"] and part["word"] != "OR")
    texts = (part["word"] or part[0] if part["phrase"] is None else part["phrase"] for part in words)
    return " ".join([text.rstrip("*") for text in texts]).strip()


def _parts(text: str) -> Iterator[re.Match[str]]:
    return _PART.finditer(text.replace("\0", " "))


def _filter(part: re.Match[str]) -> TextFilter | None:
    if part["name"] is None:
        return None
    value = part["quoted"] if part["value"] is None else part["value"]
    added = TextFilter(part["name"], value, is_negated=part["minus"] is not None)
    return added if added.is_valid else None


def _limit_terms(groups: list[tuple[list[Term], bool]], excluded: list[Term]) -> ParsedQuery:
    required = [terms for terms, optional in groups if not optional] or [terms for terms, _ in groups]
    remaining = MAX_TERMS
    bounded: dict[Group, None] = {}
    for terms in required:
        group = tuple(dict.fromkeys(terms))[:remaining]
        if group and group not in bounded:
            bounded[group] = None
            remaining -= len(group)
    return ParsedQuery(tuple(bounded), tuple(dict.fromkeys(excluded))[:remaining])


def _is_optional(word: str | None) -> bool:
    return word is not None and word.strip(",.?!;:").lower() in OPTIONAL_WORDS


def _groups(part: re.Match[str], sought: Callable[[str], Sought]) -> Iterator[list[Term]]:
    # Anything that is not a filter is a word.
    if part["phrase"] is not None:
        words = sought(part["phrase"]).words
        if words:
            yield [_bounded_term(words, prefix=bool(part["more"]))]
        return
    # Users remember the name or the domain of an address, but not the rest of the name.
    for piece in (part["word"] or part[0]).split("@"):
        if found := [*_terms(piece, sought)]:
            yield found


def _terms(word: str, sought: Callable[[str], Sought]) -> Iterator[Term]:
    """The terms of which one must match for a word of a query."""
    words, forms, unspaced, alone, phrases = sought(word)
    if not words:
        return
    # In scripts without spaces a word may continue anyway.
    if alone or (word.endswith("*") and not unspaced):
        is_long = alone or len(words[-1]) >= MIN_PREFIX
        yield _bounded_term(words, prefix=True, forms=words if is_long and len(words) == 1 else ())
        return
    yield _bounded_term(words, forms=forms)
    yield from map(_bounded_term, phrases)


def _bounded_term(words: tuple[str, ...], *, prefix: bool = False, forms: tuple[str, ...] = ()) -> Term:
    """The term for words; only the first `MAX_WORDS`, as whole words, if there are more."""
    return Term(words, prefix, forms) if len(words) <= MAX_WORDS else Term(words[:MAX_WORDS])
