"""The most expensive requests for lists of records that are not messages."""

from collections.abc import Callable

from worst_requests.clients import KIB, Ask
from worst_requests.data import Data

# About 100 KiB.
_LABELS = {"large": "x"} | {f"{number:02}" + "🏷" * 190: "🏷" * 200 for number in range(63)}


def all_sessions(data: Data) -> Ask:
    data.many_sessions()
    return Ask("GET", "/sessions")


def sessions_where(query: str) -> Callable[[Data], Ask]:
    def ask(data: Data) -> Ask:
        data.many_sessions()
        return Ask("GET", f"/sessions?limit=50&{query}")

    return ask


def sessions_with(query: str) -> Callable[[Data], Ask]:
    """Request sessions with common labels and a filter that none of them passes."""

    def ask(data: Data) -> Ask:
        data.many_sessions()
        for _ in range(200):
            data.session(labels={str(number): "x" for number in range(4)})
        return Ask("GET", f"/sessions?limit=50&label=0&label=1:x&label=2&label=3:x&{query}")

    return ask


def sessions_with_large_labels(data: Data) -> list[Ask]:
    for _ in range(_count(1_000, data)):
        data.session(labels=_LABELS)
    return [Ask("GET", f"/sessions?label=large{limit}") for limit in ("", "&limit=1000", "&limit=50")]


def lineages_of_large_labels(data: Data) -> list[Ask]:
    """A session with as many ancestors as children."""
    session_id = data.session(labels=_LABELS)
    for _ in range(_count(1_000, data)):
        session_id = data.fork(session_id)
    for _ in range(_count(1_000, data)):
        data.fork(session_id)
    path = f"/sessions/{session_id}/lineage"
    return [Ask("GET", path), Ask("GET", path, headers={"Accept-Encoding": "gzip"})]


def large_directories(data: Data) -> list[Ask]:
    metadata = {f"{number}": "x" * (8 * KIB) for number in range(31)}
    for number in range(_count(1_000, data)):
        data.directory(f"large/{number}", metadata)
    return [Ask("GET", "/amplified-directories"), Ask("GET", "/amplified-directories?limit=1000")]


def large_profiles(data: Data) -> list[Ask]:
    data.profiles(_count(1_000, data), "described", {"description": "说" * (4 * KIB)})
    return [Ask("GET", "/profiles"), Ask("GET", "/profiles?limit=1000")]


def _count(number: int, data: Data) -> int:
    """A number at the scale of the data, but enough for several pages of 4 MiB."""
    return max(number // 5, round(number * data.scale))
