"""A storage beside its model: each request is made of both, and what they answer is compared."""

import asyncio
import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from hypothesis.stateful import RuleBasedStateMachine
from msgspec import UNSET

from amplifierd.storage.model.errors import StorageError
from amplifierd.storage.model.files import File
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.records import (
    Event,
    Events,
    ExportLine,
    IdempotentRequest,
    Listing,
    OtherVersions,
    Session,
    Versions,
)
from amplifierd.storage.values.clock import Clock
from amplifierd.testing.storage.exports import Transcripts, export_of, exported, transcripts
from amplifierd.testing.storage.steps import records
from exact_json import tree
from model import Outcome, Workspace

SECONDS = 30
WITHOUT_KEY = {"update_session", "delete_session", "update_message", "delete_message"}
FORGETTING = {"delete_session", "delete_sessions", "clean_up_sessions"}
LATEST = 17
MAX_PAGES = 1_000

# How far from its own the versions are that a session is to have, or, in a tuple, not to have.
Near = list[int] | tuple[int, ...] | None

Record = TypeVar("Record")
Answer = TypeVar("Answer")


@dataclass
class Tally:
    """How much was tried."""

    histories: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Change:
    """A request for a change: the operation, in which workspace, its arguments, its key."""

    name: str
    workspace: int
    arguments: tuple[Any, ...]
    versions: Versions = None
    conditional: bool = False
    key: str | None = None

    @property
    def once(self) -> IdempotentRequest | None:
        """The request's key, with what tells it from another request."""
        return None if self.key is None else IdempotentRequest(self.key, hashlib.sha256(repr(self).encode()))


class Comparison(RuleBasedStateMachine):
    """A storage and its model in two workspaces; a session is named by a number, which is one of the workspace's."""

    def __init__(
        self, run: Callable[[Coroutine[Any, Any, Any]], Any], storage: Storage, clock: Clock, tally: Tally
    ) -> None:
        super().__init__()
        self._run = run
        self._storage = storage
        self._clock = clock
        self._tally = tally
        self._names = [f"{letter}-{uuid4()}" for letter in "ab"]
        self._models = [Workspace(), Workspace()]
        self._ids = ["nobody", "a\0b"]
        self._sent: list[Change] = []
        self._exports: list[list[ExportLine]] = []
        self._told: defaultdict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
        self._seen: list[list[tuple[str, int]]] = [[("0", 0)], [("0", 0)]]
        tally.histories += 1

    def change_session(
        self, name: str, place: int, number: int, near: Near, *said: Any, key: str | None = None
    ) -> None:
        """Change one session, where it is near its version if that is given; where it is not, if that is a tuple."""
        session_id = self.pick(place, number)
        version = self._models[place].version(session_id)
        distant = tuple(version + distance for distance in near or ())
        versions: Versions = None if near is None else distant
        if isinstance(near, tuple):
            versions = OtherVersions(distant or None)
        self.change(Change(name, place, (session_id, *said), versions, conditional=True, key=key))

    def change(self, change: Change) -> None:
        """Make a change in both, and compare what they answer."""
        if change.key is not None:
            self._sent.append(change)
        model = self._models[change.workspace]
        replayed = change.key in model.answers
        once, began = change.once, self._clock.now()
        answered = self.outcome(lambda: self._ask(change, once))
        if isinstance(answered, Session) and answered.id not in self._ids:
            self._ids.append(answered.id)
        told = Outcome(answered, began, self._clock.now(), self._stored(change), self._updated_at(change, answered))
        arguments = (*change.arguments, change.versions) if change.conditional else change.arguments
        expected = outcome_of(lambda: model.change(change.name, arguments, change.once, told))
        agree(plain(answered), plain(expected))
        assert isinstance(answered, Refusal) or once is None or once.replayed == replayed
        if change.name in FORGETTING:
            self.wait_for_files(change.workspace)

    def wait_for_files(self, place: int) -> None:
        """Wait until both have the same files: they go with messages, which are removed in the background."""

        async def wait() -> None:
            while await self._files(place) != sorted(self._models[place].files.held):  # noqa: ASYNC110  # another's task
                await asyncio.sleep(0.001)

        self.run(wait())

    async def _files(self, place: int) -> list[str]:
        listing = await self._storage.list_files(self._names[place])
        return sorted(file.id for file in await records(listing, File))

    def exported(self, place: int) -> list[ExportLine]:
        """An export, but for what the profiles of sessions say, which is no part of the model."""
        return [line for line in self.run(exported(self._storage, self._names[place])) if line.profile is UNSET]

    def same(self, ask: Callable[[], Coroutine[Any, Any, Answer]], expected: Callable[[], object]) -> Answer | None:
        """What the storage answers, which must be what the model does; None where it is refused, as it must be."""
        answered, due = self.outcome(ask), outcome_of(expected)
        if isinstance(answered, Refusal):
            agree(answered, due)
            return None
        if isinstance(answered, Events):
            assert not isinstance(due, Refusal)
        else:
            agree(plain(answered), plain(due))
        return answered

    def outcome(self, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> "Answer | Refusal":
        """What the storage answers, or why it refuses."""
        try:
            return self.run(ask())
        except StorageError as error:
            return refusal(error)

    def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        answered: Answer = self._run(asyncio.wait_for(coroutine, SECONDS))
        return answered

    def pages(self, ask: Callable[[Any], Coroutine[Any, Any, Listing]], query: Any, kind: type[Record]) -> list[Record]:
        """A list read page by page to its end; a page may have fewer than its limit, but no more."""
        listed: list[Record] = []
        for _ in range(MAX_PAGES):
            listing = self.run(ask(query))
            page = self.run(records(listing, kind))
            assert query.limit is None or len(page) <= query.limit
            listed += page
            if listing.next_cursor is None:
                return listed
            query = dataclasses.replace(query, **{listing.cursor_name: listing.next_cursor})
        raise AssertionError(f"The list has no end: {query}")

    def read(self, events: Events, last: Callable[[Event], bool]) -> list[Event]:
        """Events up to the last."""

        async def read() -> list[Event]:
            told: list[Event] = []
            async with aclosing(events.batches) as batches:
                async for batch in batches:
                    told += batch
                    if last(batch[-1]):
                        break
            return told

        return self.run(read())

    def pick(self, place: int, number: int) -> str:
        """A session of the workspace; for the last numbers one of the latest that ever were, here or there."""
        # Not by id: which of two copies has the lower one is chance.
        there = sorted(self._models[place].conversations.values(), key=lambda it: (it.session.created_at, it.written))
        if number < LATEST and there:
            return there[number % len(there)].session.id
        return self._ids[-1 - number % len(self._ids)]

    def expected_sequence(self, place: int, number: int, off: int | None) -> int | None:
        """A number near that of the next message."""
        conversation = self._models[place].conversations.get(self.pick(place, number))
        return None if off is None else max(1 + off + (len(conversation.messages) if conversation else 0), 1)

    def moment(self, place: int, number: int) -> str:
        """A time of a session, perhaps with fewer digits, or the time that it is."""
        conversation = self._models[place].conversations.get(self.pick(place, number))
        if conversation is None:
            return self._clock.now()
        moment = conversation.session.updated_at if number % 2 else conversation.session.created_at
        return moment if number % 3 else f"{moment[:22]}Z"

    def event(self, place: int, session_id: str, seen: int) -> str:
        """The id of an event of the session that was seen."""
        conversation = self._models[place].conversations.get(session_id)
        if conversation is None:
            return "0"
        last, version = conversation.changed
        events = [*map(str, range(len(conversation.messages) + 1)), f"{last}.{version}"]
        events += [f"{it[0]}.{it[1]}" for it in self._told[place, session_id] if it[0] <= last and it[1] <= version]
        return events[seen % len(events)]

    def _ask(self, change: Change, once: IdempotentRequest | None) -> Coroutine[Any, Any, Any]:
        arguments = list(change.arguments)
        options: dict[str, object] = {}
        if change.name == "import_sessions":
            arguments[0] = export_of(arguments[0])
        if change.conditional:
            options["versions"] = change.versions
        if change.name not in WITHOUT_KEY:
            options["once"] = once
        answer: Coroutine[Any, Any, Any] = getattr(self._storage, change.name)(
            self._names[change.workspace], *arguments, **options
        )
        return answer

    def _updated_at(self, change: Change, answered: object) -> str:
        """When a session was updated that got messages: these may have times of their own."""
        if not change.name.endswith(("_message", "_messages")) or isinstance(answered, Refusal):
            return ""
        session_id: str = change.arguments[0]
        return self.run(self._storage.get_session(self._names[change.workspace], session_id)).updated_at

    def _stored(self, change: Change) -> Transcripts:
        if change.name != "import_sessions":
            return {}
        return transcripts(self.exported(change.workspace))


@dataclass(frozen=True)
class Refusal:
    """An error: its kind, its sentence, the numbers in it."""

    kind: type[StorageError]
    sentence: str
    members: tuple[tuple[str, object], ...]


def refusal(error: StorageError) -> Refusal:
    return Refusal(type(error), str(error), tuple(error.members.items()))


def outcome_of(expected: Callable[[], Any]) -> Any:
    """What the model answers, or why it refuses."""
    try:
        return expected()
    except StorageError as error:
        return refusal(error)


def agree(answered: Any, expected: Any) -> None:
    """Both say the same; of long lists the first place is shown where they differ."""
    if isinstance(answered, list) and isinstance(expected, list) and answered != expected:
        pairs = zip_longest(answered, expected)
        answered, expected = next((one, other) for one, other in pairs if one != other)
    assert answered == expected, f"The storage says {answered!r:.2000}, the model says {expected!r:.2000}"


def plain(answer: Any) -> Any:
    """An answer as its JSON says it, to the letter."""
    return answer if isinstance(answer, Refusal) else tree(msgspec.json.encode(answer))


def plain_events(events: list[Event]) -> list[tuple[str, Any, str | None]]:
    """Events, the data of each as its JSON says it."""
    return [(event.kind, tree(event.data), event.id) for event in events]
