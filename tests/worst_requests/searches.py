"""The most expensive searches."""

from string import ascii_lowercase
from urllib.parse import quote

from worst_requests.clients import KIB, MIB, Ask
from worst_requests.data import Data


def _search(words: str) -> Ask:
    return Ask("GET", f"/search?q={quote(words)}")


def same_word_ten_times(data: Data) -> Ask:
    data.of_one_text("tenfold " * (100 * KIB // 8))
    return _search(" ".join(["tenfold"] * 10))


def prefix_of_one_letter(data: Data) -> Ask:
    data.of_one_text("a" * 10 + " apple axe" * (10 * KIB))
    return _search("a* " * 333)


def long_message(data: Data) -> Ask:
    data.of_one_text("longword " * ((8 * MIB - 1_000) // 9))
    return _search("longword")


def long_phrases(data: Data) -> list[Ask]:
    session_id = data.session()
    for text in ("fox " * 2_000_000, *["ab " * 2_600_000] * 2):
        data.append(session_id, text)
    data.wait_until_found("/search?q=ab", session_id)
    phrases = ['"' + "fox " * 200 + '"', '"' + "ab " * 300 + '"', " ".join(['"ab ab ab ab ab ab"'] * 40)]
    different = " ".join('"' + "ab " * words + '"' for words in range(13, 26))
    return [
        Ask("GET", f"/search?group=session&q={quote(phrase)}")
        for phrase in (*phrases, different, *phrases, '"ab" -"' + "ab " * 300 + 'fox"')
    ]


def message_of_hyphens(data: Data) -> Ask:
    data.of_one_text("hyphened " + "-" * (8 * MIB - 1_000))
    return _search("hyphened")


def message_of_different_words(data: Data) -> Ask:
    data.of_one_text("differing " + " ".join(f"w{number:x}" for number in range(MIB)))
    return _search("differing")


def five_prefixes(data: Data) -> Ask:
    data.long_session()
    return _search("t* f* q* o* d*")


def words_without_spaces(data: Data) -> list[Ask]:
    text = "株式会社キロメートル数据库"
    for _ in range(max(2, round(10 * data.scale))):
        data.append_batch(data.session(), [{"content": text * 4}] * 1_000)
    # Each of these characters becomes several characters of words.
    return [_search(character * 1_000) for character in ("\u3316", "\ufdfa")] * 2 + [_search("数据库" * 333)] * 4


def search_in_outputs(data: Data) -> Ask:
    session_id = data.session()
    part = {"type": "tool_result", "call": "x", "output": "outword " * (MIB // 8)}
    for _ in range(8):
        data.append_parts(session_id, [part])
    return Ask("GET", f"/search?q=outword&in=tools&session_id={session_id}")


def filters_in_the_text(data: Data) -> Ask:
    labels = {f"key {number}": "value" for number in range(64)}
    session_id = data.session(labels=labels)
    for _ in range(max(2, round(10 * data.scale))):
        data.append_batch(session_id, [{"content": "filtered"}] * 1_000)
    named = " ".join(f'label:"key {60 + number}:value"' for number in range(4))
    return _search(f"filtered {named} after:2001-01-01 before:9998-12-31")


def calls_by_session(data: Data) -> Ask:
    parts = [{"type": "tool_call", "call": "c", "name": "wide_tool", "input": "{}"}]
    messages = [{"role": "assistant", "parts": parts}] * 1_000
    for _ in range(max(2, round(10 * data.scale))):
        data.append_batch(data.session(), messages)
    return Ask("GET", "/search?q=tool:wide_tool&group=session&limit=1000")


def excluding_filters(data: Data) -> list[Ask]:
    """As many excluded tools and labels as a query has room for, in the index and in the texts of messages."""
    parts = [{"type": "text", "text": "kept"}, {"type": "tool_call", "call": "c", "name": "x", "input": "y" * 500}]
    for _ in range(max(2, round(10 * data.scale))):
        data.append_batch(data.session(labels={"kept": "x"}), [{"role": "assistant", "parts": parts}] * 1_000)
    excluded = [*(f"-tool:{number}x" for number in range(100)), *(f"-label:{number}" for number in range(8))]
    target = f"/search?limit=1000&q={quote(' '.join(['kept', '-role:user', *excluded])[:1_000].rpartition(' ')[0])}"
    return [Ask("GET", each) for each in (target, f"{target}&in=text") for _ in range(4)]


def by_meaning(data: Data) -> Ask:
    # As many messages as a search compares.
    *_, last = data.imported([1_000] * max(2, round(200 * data.scale)))
    target = f"/search?q={quote('an animal leaps')}&mode=hybrid&limit=1000"
    data.wait_until_found(target, last)
    return Ask("GET", target)


def by_meaning_without_a_word(data: Data) -> Ask:
    # Each message is read, because it may contain the word.
    text = "A fox jumps. " + "It is over words that differ from others. " * (4 * MIB // 42)
    *_, last = [data.of_one_text(text) for _ in range(max(2, round(16 * data.scale)))]
    target = f"/search?q={quote('an animal leaps -zebra')}&mode=hybrid"
    data.wait_until_found(target, last)
    return Ask("GET", target)


def mistyped_words(data: Data) -> Ask:
    data.long_session()
    # Words with more neighbors together are not looked up.
    words = " ".join(letter * 32 for letter in "xyz")
    return Ask("GET", f"/search/suggestions?q={quote(words)}")


def words_of_identifiers(data: Data) -> Ask:
    letters = [f"q{first}{second}" for first in ascii_lowercase for second in ascii_lowercase]
    for _ in range(max(2, round(10 * data.scale))):
        data.append_batch(data.session(), [{"content": " ".join(letters)}] * 100)
    names = ["_".join(letters[at : at + 6]) for at in range(0, 246, 6)]
    return Ask("GET", f"/search/suggestions?q={quote(' '.join(names)[:1_000])}")


def words_with_two_errors(data: Data) -> Ask:
    data.long_session()
    words = " ".join([ascii_lowercase[:20], ascii_lowercase[20::-1][:20]])
    return Ask("GET", f"/search/suggestions?q={quote(words)}")


def beside_batches(data: Data) -> list[Ask]:
    messages = {"messages": [{"content": f"indexed word{number} other{number}"} for number in range(1_000)]}
    batches = [Ask.of_json("POST", f"/sessions/{data.session()}/messages/batch", messages) for _ in range(2)]
    return [*batches, *[_search("indexed")] * 6]
