"""Any content of a source is read or reported as a fault; no text of a sample is lost."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplifierd.formats.history import (
    time_of,
)
from samples.histories import (
    SAMPLES,
    lines,
)
from samples.history_reading import Object, Read, joined
from samples.llm_log import fill_threads
from samples.opencode_database import ANSWER, READ, add_message, fill_opencode, opencode_files


def test_llm_s_threads_may_be_damaged(tmp_path: FilePath) -> None:
    path = tmp_path / "logs.db"
    with closing(fill_threads(path)) as database:
        database.execute("DELETE FROM messages WHERE hash = 'b2:1'")
        database.execute("INSERT INTO threads VALUES ('01k3', NULL, 'b2:9', '01k3', NULL)")
        database.execute("INSERT INTO messages VALUES ('b2:8', 'b2:9', 'user', NULL), ('b2:9', 'b2:8', 'robot', '{')")
        for number, value in enumerate(OTHER_VALUES, 20):
            row = (number, "b2:5", number, "tool_result", None, None, json.dumps({"output": value, "text_ref": value}))
            database.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    read = Read(path.read_bytes())
    assert {kind for kind, _ in read.faults} == {"missing message", "cycle"}
    assert len(read.sessions) == 3


def test_opencode_files_may_contain_anything() -> None:
    files = opencode_files()
    for place in [*paths_in(files)][1:]:
        for value in OTHER_VALUES:
            read = Read(joined(with_other(files, {place: value})), "opencode")
            assert {kind for kind, _ in read.faults} <= {
                "invalid time",
                "missing session",
                "no message",
                "no session",
                "not complete",
                "kept as a file",
            }, place


OTHER_VALUES = [None, True, 5, -1e300, "", "u1", [], {}, [None], {"type": "text"}, "\x00\x1f", "9" * 300, "root"]


Path = tuple[str | int, ...]


def paths_in(value: Any, path: Path = ()) -> Iterator[Path]:
    """The places of all values in a value."""
    yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in below:
        yield from paths_in(each, (*path, step))


def with_other(value: Any, changes: dict[Path, Any], path: Path = ()) -> Any:
    """The value with some parts replaced."""
    if path in changes:
        return changes[path]
    if isinstance(value, dict):
        return {step: with_other(each, changes, (*path, step)) for step, each in value.items()}
    if isinstance(value, list):
        return [with_other(each, changes, (*path, step)) for step, each in enumerate(value)]
    return value


def mutated(name: str) -> st.SearchStrategy[bytes]:
    """A sample with some of its bytes replaced, or some of its values."""
    sample = SAMPLES[name]()
    place = st.integers(0, len(sample))
    cut = st.builds(
        lambda a, b, new: sample[: min(a, b)] + new + sample[max(a, b) :], place, place, st.binary(max_size=9)
    )
    if sample[:1] not in b"[{":
        return cut
    records, is_lines = records_in(sample)
    changes = st.dictionaries(st.sampled_from([*paths_in(records)][1:]), st.sampled_from(OTHER_VALUES), max_size=4)
    return cut | changes.map(lambda each: lines_or_array(with_other(records, each), is_lines=is_lines))


def lines_or_array(found: Any, *, is_lines: bool) -> bytes:
    """The records in the form of the sample."""
    return lines(*found) if is_lines else json.dumps(found).encode()


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=40)
@given(data=st.data())
def test_reader_reads_or_reports_a_fault(name: str, data: st.DataObject) -> None:
    read = Read(data.draw(st.binary(max_size=200) | mutated(name)), name)
    assert all(line >= 1 for _, line in read.faults)


JSON_SAMPLES = [name for name, sample in SAMPLES.items() if sample()[:1] in b"[{"]


# Types of records and blocks that have other names here, a root that is no message, and a state that another followed.
OTHER_WORDS = {
    *("summary", "thinking", "think", "tool_use", "function", "response_item", "session_meta", "summary_text"),
    "tool-weather",
    *("00000000-0000-0000-0000-000000000000", "executing"),
}


def records_in(sample: bytes) -> tuple[list[Any] | Object, bool]:
    """The records of a sample, and whether each is a line."""
    is_lines = sample[:2] == b'{"'
    return [json.loads(line) for line in sample.splitlines()] if is_lines else json.loads(sample), is_lines


def texts_in(value: Any) -> Iterator[str]:
    """All texts in a value."""
    if isinstance(value, str):
        yield value
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in below:
        yield from texts_in(each)


@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_sample_texts_are_all_kept(name: str) -> None:
    records, _ = records_in(SAMPLES[name]())
    read = Read(SAMPLES[name](), name)
    text_of_result = json.dumps([read.sessions, read.messages])
    missing = {each for each in texts_in(records) if json.dumps(time_of(each) or each)[1:-1] not in text_of_result}
    assert {each for each in missing if json.dumps(each)[1:-1] not in text_of_result} <= OTHER_WORDS


@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_array_in_any_place_is_read_or_a_fault(name: str) -> None:
    records, is_lines = records_in(SAMPLES[name]())
    # The rest has the same shapes.
    records = records[:8] if isinstance(records, list) else records
    for place in [*paths_in(records)][1:]:
        Read(lines_or_array(with_other(records, {place: []}), is_lines=is_lines), name)


def test_opencode_columns_may_contain_anything(tmp_path: FilePath) -> None:
    path = tmp_path / "opencode.db"
    places = [place for place in paths_in([ANSWER, READ]) if place]
    with closing(fill_opencode(path)) as database:
        database.execute("BEGIN")
        for number, (place, value) in enumerate(product(places, OTHER_VALUES), 10):
            message, part = with_other([ANSWER, READ], {place: value})
            add_message(database, number, message, part)
        database.execute("INSERT INTO message VALUES ('odd', 'ses_1', 'x', x'00', x'ff')")
        database.execute("INSERT INTO part VALUES (x'ff', 'msg_1', 'ses_1', 'x', x'00', '{broken')")
        database.execute("INSERT INTO session VALUES ('ses_3', x'ff', 5, x'00', '', '', '', '[]', 'x', -1, x'00')")
        database.execute("COMMIT")
    read = Read(path.read_bytes())
    assert {kind for kind, _ in read.faults} <= {"no message", "kept as a file"}
    assert len(read.messages[read.sessions[0]["id"]]) > len(places)
