"""Messages like those of people and tools; the same ones for the same seed.

Their lengths in bytes are log-normal, with a median of 400 and a 95th percentile of 4 KB, except one in fifty, which is
the output of a tool of 100 KB. Words follow Zipf's law. A fifth is not ASCII: accents, Chinese, emoji.
"""

import json
import math
import random
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

MEDIAN_BYTES = 400
TOOL_OUTPUT_BYTES = 100_000

_SEED = 20251121
# The 95th percentile of a normal distribution is 1.645 deviations above its median.
_DEVIATION = math.log(4_000 / MEDIAN_BYTES) / 1.645
_TOOL_OUTPUTS = 1 / 50
_NOT_ASCII = 1 / 5
_ESCAPED = 1 / 2
_VOCABULARY = 50_000
_SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvz" for vowel in "aeiou"]
_ACCENTS = str.maketrans("aeiou", "äéíöü")
_EMOJI = ["\U0001f600", "\U0001f680", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\u2705"]
_CHARACTERS = [chr(0x4E00 + rank) for rank in range(3_000)]
_BYTES_OF_A_WORD, _BYTES_OF_A_CHARACTER = 7, 3
_WORDS_OF_A_SENTENCE = 12


def word(rank: int) -> str:
    """The word of a rank: letters that no other rank has."""
    return "".join(_SYLLABLES[rank // len(_SYLLABLES) ** place % len(_SYLLABLES)] for place in range(3))


def texts(number: int, seed: int = _SEED) -> list[str]:
    """The contents of a number of messages."""
    chance = random.Random(seed)  # noqa: S311  # it keeps no secret
    return [_text(chance) for _ in range(number)]


def texts_of(length: int, number: int, seed: int = _SEED) -> list[str]:
    """A number of texts, each of `length` ASCII characters."""
    chance = random.Random(seed)  # noqa: S311  # it keeps no secret
    return [_markdown(chance, 2 * length + 100)[:length] for _ in range(number)]


def texts_about(mean: int, number: int, seed: int = _SEED) -> list[str]:
    """A number of texts of ASCII characters: of half of `mean` to one and a half of it, all lengths equally often."""
    chance = random.Random(seed)  # noqa: S311  # it keeps no secret
    lengths = [chance.randint(mean // 2, mean + mean // 2) for _ in range(number)]
    return [_markdown(chance, 2 * length + 100)[:length] for length in lengths]


def bodies(number: int, seed: int = _SEED) -> list[str]:
    """The contents as request bodies; half of the bodies that are not ASCII have escapes, as from `json.dumps`."""
    chance = random.Random(seed + 1)  # noqa: S311  # it keeps no secret
    return [json.dumps({"content": text}, ensure_ascii=chance.random() < _ESCAPED) for text in texts(number, seed)]


def _text(chance: random.Random) -> str:
    if chance.random() < _TOOL_OUTPUTS:
        return _tool_output(chance)
    size = min(chance.lognormvariate(math.log(MEDIAN_BYTES), _DEVIATION), TOOL_OUTPUT_BYTES)
    if chance.random() < _NOT_ASCII:
        return chance.choice([_accented, _chinese, _with_emoji])(chance, size)
    return _markdown(chance, size)


def _markdown(chance: random.Random, size: float) -> str:
    return "".join(_blocks(chance, max(1, round(size / _BYTES_OF_A_WORD))))


def _blocks(chance: random.Random, words: int) -> Iterator[str]:
    """Paragraphs, with a heading, list items or code now and then."""
    while words > 0:
        taken = min(words, _WORDS_OF_A_SENTENCE * chance.randint(1, 5))
        text = " ".join(_words(chance, taken))
        yield chance.choice(["{}.\n\n", "{}.\n\n", "{}.\n\n", "- {}\n", "## {}\n\n", "```python\n{}\n```\n\n"]).format(
            text
        )
        words -= taken


def _accented(chance: random.Random, size: float) -> str:
    return _markdown(chance, size).translate(_ACCENTS)


def _chinese(chance: random.Random, size: float) -> str:
    characters = max(1, round(size / _BYTES_OF_A_CHARACTER))
    return "".join(chance.choices(_CHARACTERS, cum_weights=_weights(len(_CHARACTERS)), k=characters))


def _with_emoji(chance: random.Random, size: float) -> str:
    return f"{_markdown(chance, size)} {chance.choice(_EMOJI)}"


def _tool_output(chance: random.Random) -> str:
    lines = []
    size = 0
    while size < TOOL_OUTPUT_BYTES:
        lines.append(f"{chance.randint(1, 9_999):>5}  {' '.join(_words(chance, _WORDS_OF_A_SENTENCE))}")
        size += len(lines[-1]) + 1
    return "\n".join(lines)


def _words(chance: random.Random, number: int) -> list[str]:
    return chance.choices(vocabulary(), cum_weights=_weights(_VOCABULARY), k=number)


@cache
def vocabulary() -> list[str]:
    """All words, the most frequent first."""
    return [word(rank) for rank in range(_VOCABULARY)]


@cache
def _weights(number: int) -> list[float]:
    """The cumulative weights of Zipf's law."""
    return list(accumulate(1 / rank for rank in range(1, number + 1)))
