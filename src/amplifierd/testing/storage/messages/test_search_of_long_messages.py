"""Search in messages with more words than the index keeps for one message."""

import json

from msgspec import Raw

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import SearchQuery, SearchScope
from amplifierd.storage.model.records import NewMessage, NewSession
from amplifierd.testing.storage.messages.test_search import hits
from amplifierd.testing.storage.steps import create_session

W = "default"
_LETTERS = str.maketrans("0123456789", "bcdfgklmpx")


def word(number: int) -> str:
    """One of a million words of 7 letters, which have no other forms."""
    return f"q{number:06}".translate(_LETTERS)


def words(count: int) -> str:
    return " ".join(map(word, range(count)))


async def append(storage: Storage, content: str, output: str | None = None) -> None:
    """Append a message, with a tool output if given."""
    session = await create_session(storage, NewSession())
    if output is None:
        await storage.append_message(W, session.id, NewMessage(content=content))
        return
    parts = [{"type": "text", "text": content}, {"type": "tool_result", "call": "x", "output": output}]
    await storage.append_message(W, session.id, NewMessage(content=content, parts=Raw(json.dumps(parts).encode())))


async def is_found(storage: Storage, text: str, scope: SearchScope = "all") -> bool:
    return len(await hits(storage, SearchQuery(text, scope=scope))) == 1


async def test_message_is_found_by_its_first_900_000_bytes_of_different_words(storage: Storage) -> None:
    await append(storage, f"first {word(0)} {words(200_000)} last")
    for text in ("first", word(0), word(128_000)):
        assert await is_found(storage, text), text
    for text in (word(129_000), "last"):
        assert not await is_found(storage, text), text


async def test_message_of_few_different_words_is_found_by_its_last(storage: Storage) -> None:
    await append(storage, f"{'many equal words ' * 100_000} last")
    assert await is_found(storage, "last")


async def test_text_and_outputs_share_the_limit(storage: Storage) -> None:
    await append(storage, f"needle {words(100_000)}", f"needle {word(100_001)} {words(200_000)}")
    found: list[tuple[str, SearchScope]] = [
        (word(99_999), "text"),
        ("needle", "tools"),
        (word(100_001), "tools"),
        (word(120_000), "all"),
    ]
    for text, scope in found:
        assert await is_found(storage, text, scope), text
    assert not await is_found(storage, word(130_000))
    assert not await is_found(storage, word(130_000), "tools")


async def test_output_after_a_long_text_is_not_found(storage: Storage) -> None:
    await append(storage, words(140_000), "needle in an output")
    assert not await is_found(storage, "needle")
    assert not await is_found(storage, "needle", "tools")


async def test_ligatures_and_a_long_output_are_kept(storage: Storage) -> None:
    # Each ligature stands for three or four letters, and six of them have fifteen forms.
    ligatures = "".join(chr(0xFDF2 + number % 8) + ("." if number % 7 else " ") for number in range(2_000))
    await append(storage, f"needle {ligatures}", words(200_000))
    assert await is_found(storage, "needle")
    assert await is_found(storage, word(60_000), "tools")
