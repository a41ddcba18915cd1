"""Paths of amplified directories, and their ancestors."""

from pathlib import PurePosixPath

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplifierd.storage.model import directory_path
from amplifierd.storage.model.directory_path import normalize
from amplifierd.storage.model.errors import (
    DirectoryPathRefused,
)

SEGMENT = st.one_of(
    st.sampled_from([".", "..", "", "a", "b c", "é", ".x", "a.", "a ", "con", "COM1.txt", "scan", "a:b", "x" * 256]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), max_size=12),
)


@given(st.lists(SEGMENT, max_size=8).map("/".join))
@settings(max_examples=1_000, deadline=None)
def test_normalized_paths_stay_below_the_root(path: str) -> None:
    try:
        whole = normalize(path)
    except DirectoryPathRefused:
        pure = PurePosixPath(path)
        assert (
            not path
            or pure.is_absolute()
            or str(pure) == "scan"
            or any(part[0] == "." or part[-1] in ". " or not harmless(part) for part in pure.parts)
        )
        return
    pure = PurePosixPath(path)
    assert whole == str(pure)
    assert not pure.is_absolute()
    assert all(not part.startswith(".") and harmless(part) for part in pure.parts)
    assert normalize(whole) == whole
    assert PurePosixPath("/root").joinpath(whole).is_relative_to("/root")


def harmless(part: str) -> bool:
    """Whether the name is valid and unambiguous on every file system, including those of Windows."""
    device = part.partition(".")[0].lower()
    return (
        not any(character < " " or character in "\x7f\\:" for character in part)
        and device not in {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}
        and len(part.encode()) <= directory_path.MAX_SEGMENT_BYTES
    )


@pytest.mark.parametrize(
    "path", ["a/" * 33, "/".join(["x" * 250] * 5), "a\0b", "a\nb", "..", "a/../b", "~/.ssh", "C:\\x"]
)
def test_invalid_path_is_refused(path: str) -> None:
    with pytest.raises(DirectoryPathRefused):
        normalize(path)


@pytest.mark.parametrize(
    ("path", "lineage"), [(".", ["."]), ("a", ["a", "."]), ('a/"b"/c', ['a/"b"/c', 'a/"b"', "a", "."])]
)
def test_lineage_leads_to_the_root(path: str, lineage: list[str]) -> None:
    assert msgspec.json.decode(directory_path.lineage_of(path)) == lineage
