"""The workloads of the benchmark, and amplifierd's goals relative to the other programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .data import APPENDED_TO, CORPUS, NEW_MESSAGE, NEW_PARTS, NEW_SESSION, SESSIONS, Prepared, messages_of
from .load import Load
from .programs import Server


@dataclass(frozen=True)
class Workload:
    """One kind of request, from a number of concurrent clients, which cycle through `paths` and `bodies`."""

    name: str
    method: str
    server: Callable[[Prepared], Server]
    paths: Callable[[Prepared], list[str]]
    times_baseline: float
    bodies: Sequence[str] = ()
    clients: int = 16
    of_limit: float = 0.75

    def load(self, data: Prepared) -> Load:
        """The requests to a program with its data."""
        return Load(self.method, self.paths(data), self.bodies, self.clients)


def _readable(data: Prepared) -> Server:
    return data.read


def _writable(data: Prepared) -> Server:
    return data.written


def _appended_to(data: Prepared) -> list[str]:
    return [messages_of(session_id) for session_id in data.appended_to]


WORKLOADS = (
    Workload("create session", "POST", _writable, lambda _: [SESSIONS], 8, [NEW_SESSION]),
    Workload("append to 1,000 sessions", "POST", _writable, _appended_to, 15, [NEW_MESSAGE]),
    Workload(
        "append to one session",
        "POST",
        _writable,
        lambda data: [messages_of(data.appended_to[0])],
        20,
        [NEW_MESSAGE],
    ),
    Workload("append to 1,000 sessions, corpus", "POST", _writable, _appended_to, 20, CORPUS),
    Workload(
        "append to one session, corpus",
        "POST",
        _writable,
        lambda data: [messages_of(data.appended_to[0])],
        20,
        CORPUS,
    ),
    Workload("append of five parts", "POST", _writable, _appended_to, 12, [NEW_PARTS]),
    Workload(
        "get session",
        "GET",
        _readable,
        lambda data: [f"{SESSIONS}/{session_id}" for session_id in data.listed[:APPENDED_TO]],
        15,
    ),
    Workload("transcript of 50", "GET", _readable, lambda data: [messages_of(data.short_transcript)], 20),
    Workload(
        "transcript of 50, corpus",
        "GET",
        _readable,
        lambda data: [messages_of(data.corpus_transcript)],
        20,
        of_limit=0.85,
    ),
    Workload("transcript of 10,000", "GET", _readable, lambda data: [messages_of(data.long_transcript)], 25, clients=1),
    Workload("page of 50 sessions", "GET", _readable, lambda _: [f"{SESSIONS}?limit=50"], 8),
    Workload("all 10,000 sessions", "GET", _readable, lambda _: [SESSIONS], 10, clients=1),
)
