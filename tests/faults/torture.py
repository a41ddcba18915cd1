"""Clients that write while the server is killed, and checks of what must be stored afterwards."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from daemon import http_client, http_post
from faults.load import AGAIN_SECONDS, RETRIED
from random_requests.writes import WORD, Author, Conversation, Known, Write
from waits import until

CLIENTS = 16
# How long a round lasts, from its first acknowledged write until the server is killed.
SHORTEST_SECONDS, MAX_SECONDS = 0.05, 1.0
SHARED_SHARE = 0.15
SEARCHED_BY_WORD = 20


@dataclass
class Figures:
    """Counts of what was done, and of the faults that were found."""

    rounds: int = 0
    kills: int = 0
    acknowledged: int = 0
    unanswered: int = 0
    lost: int = 0
    duplicated: int = 0

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.kills} kills, {self.acknowledged} writes acknowledged, "
            f"{self.unanswered} in flight at an end, {self.lost} messages lost, {self.duplicated} duplicated"
        )


@dataclass
class Shared:
    """A session that every client appends to: acknowledged messages by sequence, and others that may be stored."""

    acknowledged: dict[int, str] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)


@dataclass
class Found:
    """What a daemon has stored: conversations by tag, with the ids of their sessions."""

    known: Known
    ids: dict[str, str]


class Client:
    """Sends one write after another. It retries a write without a response, unless it `leaves`."""

    def __init__(self, number: int, random: Random, *, leaves: bool) -> None:
        self.name = f"client{number}"
        self.known: Known = {}
        self.in_doubt: Write | None = None
        self.acknowledged = 0
        self._ids: dict[str, str] = {}
        self._random = random
        self._author = Author(self.name, random)
        self._leaves = leaves

    def play(self, api: str, shared: dict[str, Shared], stopping: threading.Event) -> None:
        """Write until the server is gone, or until `stopping`; some writes go to the latest shared session."""
        with http_client(base_url=f"{api}/sessions", timeout=60) as http:
            while not stopping.is_set():
                write = self.in_doubt or self._next(shared)
                again, self.in_doubt = write is self.in_doubt, write
                try:
                    response = self._send(http, write)
                except httpx.TransportError:
                    return
                if response.status_code in RETRIED:
                    time.sleep(AGAIN_SECONDS)
                    if self._leaves:
                        return
                    continue
                is_deleted = again and write.method == "DELETE" and response.status_code == 404
                assert response.is_success or is_deleted, (write.method, write.path, response.text)
                self._acknowledge(write, response.json() if response.content else {}, shared)

    def check(self, found: Found, *, all_answered: bool) -> tuple[int, int]:
        """Compare what is stored with what is known. Returns the numbers of lost and of duplicated messages."""
        mine = {tag: conversation for tag, conversation in found.known.items() if tag.split(".")[0] == self.name}
        if self.in_doubt is not None and mine == self.in_doubt.after and not all_answered:
            self.known = mine
        # The ids of deleted sessions are kept: a deletion may have to be sent again.
        self._ids |= {tag: found.ids[tag] for tag in mine}
        if self._leaves:
            self.in_doubt = None
        expected, actual = _messages(self.known), _messages(mine)
        lost, duplicated = (expected - actual).total(), (actual - Counter(set(actual))).total()
        wrong = [
            (conversation, self.known.get(tag))
            for tag, conversation in mine.items()
            if conversation != self.known.get(tag)
        ]
        missing = self.known.keys() - mine.keys()
        assert (lost, duplicated) != (0, 0) or not (wrong or missing), f"Found and known: {wrong}; missing: {missing}"
        return lost, duplicated

    def _next(self, shared: dict[str, Shared]) -> Write:
        if self._random.random() > SHARED_SHARE:
            return self._author.next(self.known)
        content = self._author.content()
        session_id, last = [*shared.items()][-1]
        last.in_doubt.add(content)
        return Write("POST", None, f"/{session_id}/messages", {"content": content}, self.known)

    def _send(self, http: httpx.Client, write: Write) -> httpx.Response:
        path = write.path if write.tag is None else f"/{self._ids[write.tag]}{write.path}"
        headers = {"Idempotency-Key": write.key} if write.method == "POST" and not self._leaves else {}
        return http.request(write.method, path, json=write.body, headers=headers)

    def _acknowledge(self, write: Write, response: dict[str, Any], shared: dict[str, Shared]) -> None:
        for tag in write.after.keys() - self.known.keys():
            self._ids[tag] = response["id"]
        if write.tag is None and write.path:
            _, session_id, _ = write.path.split("/")
            shared[session_id].acknowledged[response["sequence"]] = response["content"]
        self.known = write.after
        self.in_doubt = None
        self.acknowledged += 1


class Torture:
    """Sixteen clients that write in rounds; each round ends with a kill without warning, and a check."""

    def __init__(self, seed: int) -> None:
        self.figures = Figures()
        self._random = Random(seed)  # noqa: S311  # no secret
        self._clients = [Client(number, Random(seed + number), leaves=number % 2 == 1) for number in range(CLIENTS)]  # noqa: S311
        self._shared: dict[str, Shared] = {}

    def round(self, api: str, end: Callable[[], None]) -> None:
        """Let the clients write until `end` stops the server, at a random moment."""
        session_id = http_post(f"{api}/sessions", json={"name": "shared"}, timeout=60).json()["id"]
        self._shared[session_id] = Shared()
        stopping = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as threads:
            playing = [threads.submit(client.play, api, self._shared, stopping) for client in self._clients]
            try:
                self._wait_until_written(playing)
                time.sleep(self._random.uniform(SHORTEST_SECONDS, MAX_SECONDS))
                end()
            finally:
                stopping.set()
            for played in playing:
                played.result()
        self.figures.rounds += 1
        self.figures.acknowledged = self._acknowledged
        self.figures.unanswered += sum(client.in_doubt is not None for client in self._clients)

    @property
    def _acknowledged(self) -> int:
        return sum(client.acknowledged for client in self._clients)

    def _wait_until_written(self, playing: list[Future[None]]) -> None:
        """Wait until something is acknowledged, however slow the machine is."""
        before = self._acknowledged
        until(lambda: self._acknowledged != before or all(played.done() for played in playing))

    def check(self, api: str, *, all_answered: bool = False) -> None:
        """Check that only acknowledged writes are stored, once and in order, apart from those in flight at a kill.

        With `all_answered`, the server stopped in order and nothing was in flight.
        """
        with http_client(base_url=api, timeout=60) as http:
            found = _read(http)
            for client in self._clients:
                lost, duplicated = client.check(found, all_answered=all_answered)
                self.figures.lost += lost
                self.figures.duplicated += duplicated
            for session_id in [*self._shared][-1:]:
                self._check_shared(http, session_id, all_answered=all_answered)
            self._check_search(http, found)
        assert (self.figures.lost, self.figures.duplicated) == (0, 0), str(self.figures)

    def check_shared(self, api: str) -> None:
        """Check the shared sessions of all rounds in the same way."""
        with http_client(base_url=api, timeout=60) as http:
            for session_id in self._shared:
                self._check_shared(http, session_id, all_answered=False)

    def _check_shared(self, http: httpx.Client, session_id: str, *, all_answered: bool) -> None:
        shared = self._shared[session_id]
        _, contents = _transcript(http, session_id)
        actual = dict(enumerate(contents, 1))
        self.figures.lost += len(shared.acknowledged.items() - actual.items())
        self.figures.duplicated += len(contents) - len(set(contents))
        in_doubt = set() if all_answered else shared.in_doubt
        unknown = set(contents) - set(shared.acknowledged.values()) - in_doubt
        assert not unknown, f"No client wrote {unknown}"

    def _check_search(self, http: httpx.Client, found: Found) -> None:
        for tag, session_id in found.ids.items():
            hits = http.get("/search", params={"q": WORD, "session_id": session_id, "limit": 1_000}).json()
            assert len(hits) == len(found.known[tag].contents), f"{tag}: {len(hits)} messages are found."
        words = Counter(
            content.split()[1] for conversation in found.known.values() for content in conversation.contents
        )
        for word in self._random.sample(sorted(words), min(SEARCHED_BY_WORD, len(words))):
            assert len(http.get("/search", params={"q": word}).json()) == words[word]


def _messages(known: Known) -> Counter[tuple[str, str]]:
    return Counter((tag, content) for tag, conversation in known.items() for content in conversation.contents)


def _read(http: httpx.Client) -> Found:
    found = Found({}, {})
    for summary in http.get("/sessions").json():
        name: str = summary["name"]
        if name == "shared":
            continue
        session, contents = _transcript(http, summary["id"])
        listed = {member: value for member, value in session.items() if member != "context"}
        if contents:
            listed["lastMessage"] = summary.get("lastMessage")
            assert listed["lastMessage"]["content"] == contents[-1][:200], f"A list has {summary} of {session}."
        assert listed == summary, f"A list has {summary} of {session}."
        tag = name.split(maxsplit=1)[0]
        assert tag not in found.known, f"{tag} was created twice."
        found.known[tag] = Conversation(name, session["status"], session["context"]["note"], tuple(contents))
        found.ids[tag] = summary["id"]
    return found


def _transcript(http: httpx.Client, session_id: str) -> tuple[dict[str, Any], list[str]]:
    session: dict[str, Any] = http.get(f"/sessions/{session_id}").json()
    messages = http.get(f"/sessions/{session_id}/messages").json()["messages"]
    sequences = [message["sequence"] for message in messages]
    assert sequences == list(range(1, session["messageCount"] + 1)), f"{session} has the messages {sequences}."
    times = [message["timestamp"] for message in messages]
    assert times == sorted(times), f"The times of {session_id} go back."
    return session, [message["content"] for message in messages]
