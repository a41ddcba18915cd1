"""Compares a storage with the one in memory: sends each request to both, and compares their answers."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from hypothesis.stateful import RuleBasedStateMachine

from amplifierd.storage.memory.contents import Conversation, Database, Workspace
from amplifierd.storage.memory.store import MemoryStorage
from amplifierd.storage.model.backend import StorageOptions
from amplifierd.storage.model.errors import StorageError
from amplifierd.storage.model.files import File
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import InstalledModules, Module
from amplifierd.storage.model.records import (
    AlreadyAnswered,
    Event,
    Events,
    ExportLine,
    IdempotentRequest,
    Listing,
    OtherVersions,
    Session,
    Versions,
)
from amplifierd.storage.values.clock import DAY_SECONDS, Clock, text_at
from amplifierd.testing.storage.exports import export_of, exported
from amplifierd.testing.storage.steps import records
from exact_json import tree

SECONDS = 30
BEGIN = 1_763_726_400_000_000
SECOND = 1_000_000
WITHOUT_KEY = {"update_session", "delete_session", "update_message", "delete_message"}
FORGETTING = {"delete_session", "delete_sessions", "clean_up_sessions"}
LATEST = 17
MAX_PAGES = 1_000


def tool_of(module_id: str, version: str) -> Module:
    """A tool of a collection or of a package."""
    return Module(id=module_id, type="tool", name=f"tool-{version}", version=version, location=f"file:///{module_id}")


# The modules of the packages beside both storages.
INSTALLED = InstalledModules(
    lambda: {name: tool_of(name, "0") for name in ("installed/tool/bash", "installed/tool/more")}
)

# How far from its own the versions are that a session is to have, or, in a tuple, not to have.
Near = list[int] | tuple[int, ...] | None

Record = TypeVar("Record")
Answer = TypeVar("Answer")
# A request, made of either storage.
Ask = Callable[[Storage], Coroutine[Any, Any, Answer]]


class StepClock(Clock):
    """One time for all that happens in a step, so that both storages give the same; each step is a second later."""

    def __init__(self) -> None:
        super().__init__()
        self.microseconds = BEGIN

    def now(self) -> str:
        return text_at(self.microseconds)

    def catch_up(self, moment: str | None) -> None:
        """It is the same for all storages."""

    def machine_time(self) -> str:
        return self.now()

    def horizon(self) -> str:
        return text_at(self.microseconds + DAY_SECONDS * SECOND)


class Model(MemoryStorage):
    """The storage in memory; a new session gets the id that the other storage gave it."""

    def __init__(self, clock: Clock) -> None:
        self.database = Database()
        options = StorageOptions(
            idempotency_ttl=DAY_SECONDS,
            clock=clock,
            upgrade=True,
            create=True,
            single_machine=None,
            temporary_bytes=2**30,
            installed=INSTALLED,
        )
        super().__init__(self.database, options)
        self.next_id = ""

    def _new_session_id(self, now: str) -> str:
        return self.next_id or super()._new_session_id(now)


@dataclass
class Tally:
    """Counts of what was tried."""

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
    """Both storages in two workspaces; a session is named by a number, which is one of the workspace's."""

    def __init__(
        self, run: Callable[[Coroutine[Any, Any, Any]], Any], storage: Storage, clock: StepClock, tally: Tally
    ) -> None:
        super().__init__()
        self._run = run
        self._storage = storage
        self._clock = clock
        self._tally = tally
        self._model = Model(clock)
        self._names = [f"{letter}-{uuid4()}" for letter in "ab"]
        self._ids = ["nobody", "a\0b"]
        self._sent: list[Change] = []
        self._exports: list[list[ExportLine]] = []
        self._seen: list[list[tuple[str, str]]] = [[("0", "0")], [("0", "0")]]
        self._told: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        self.run(self._model.open())
        tally.histories += 1

    def contents(self, place: int) -> Workspace:
        """The model's content of a workspace."""
        return self._model.database.workspaces.get(self._names[place], Workspace())

    def conversation(self, place: int, session_id: str) -> Conversation | None:
        """A session as the model has it."""
        return self.contents(place).conversations.get(session_id)

    def change_session(
        self, name: str, place: int, number: int, near: Near, *arguments: Any, key: str | None = None
    ) -> None:
        """Change one session, where it is near its version if that is given; where it is not, if that is a tuple."""
        session_id = self.pick(place, number)
        conversation = self.conversation(place, session_id)
        version = 1 if conversation is None else conversation.session.version
        distant = tuple(version + distance for distance in near or ())
        versions: Versions = None if near is None else distant
        if isinstance(near, tuple):
            versions = OtherVersions(distant or None)
        self.change(Change(name, place, (session_id, *arguments), versions, conditional=True, key=key))

    def change(self, change: Change) -> None:
        """Make a change in both storages, and compare their answers."""
        if change.key is not None:
            self._sent.append(change)
        self._clock.microseconds += SECOND
        outcome = self.outcome(lambda: self._ask(self._storage, change))
        self._model.next_id = ""
        if isinstance(outcome, Session):
            self._model.next_id = outcome.id
            self._ids += [] if outcome.id in self._ids else [outcome.id]
        expected = self.outcome(lambda: self._ask(self._model, change))
        agree(plain(outcome), plain(expected))
        if change.name in FORGETTING:
            self.wait_for_files(change.workspace)

    def wait_for_files(self, place: int) -> None:
        """Wait until both have the same files: they go with messages, which are removed in the background."""

        async def wait() -> None:
            while await self.files(self._storage, place) != await self.files(self._model, place):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

        self.run(wait())

    async def files(self, storage: Storage, place: int) -> list[File]:
        """All files of a workspace."""
        return await records(await storage.list_files(self._names[place]), File)

    def exported(self, place: int) -> list[ExportLine]:
        """An export, which is the same from both."""
        lines: list[ExportLine] = self.run(exported(self._storage, self._names[place]))
        agree(plain(lines), plain(self.run(exported(self._model, self._names[place]))))
        return lines

    def same(self, ask: Ask[Answer]) -> Answer | None:
        """The answer of both storages, which must agree; None if both refuse."""
        outcome, expected = self.outcome(lambda: ask(self._storage)), self.outcome(lambda: ask(self._model))
        agree(plain(outcome), plain(expected))
        return None if isinstance(outcome, Refusal) else outcome

    def both(self, ask: Ask[Events]) -> tuple[Events, Events] | None:
        """The streams of both; None if both refuse."""
        outcome, expected = self.outcome(lambda: ask(self._storage)), self.outcome(lambda: ask(self._model))
        if isinstance(outcome, Refusal) or isinstance(expected, Refusal):
            agree(outcome, expected)
            return None
        return outcome, expected

    def outcome(self, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> "Answer | Refusal":
        """The answer of a storage, or the error with which it refuses."""
        try:
            return self.run(ask())
        except StorageError as error:
            return Refusal(type(error), str(error), plain(list(error.members.items())))

    def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        result: Answer = self._run(asyncio.wait_for(coroutine, SECONDS))
        return result

    async def pages(
        self, ask: Callable[[Any], Coroutine[Any, Any, Listing]], query: Any, kind: type[Record]
    ) -> list[Record]:
        """A list read page by page to its end; a page may have fewer than its limit, but no more."""
        listed: list[Record] = []
        for _ in range(MAX_PAGES):
            listing = await ask(query)
            page = await records(listing, kind)
            assert query.limit is None or len(page) <= query.limit
            listed += page
            if listing.next_cursor is None:
                return listed
            query = _changed(query, {listing.cursor_name: listing.next_cursor})
        raise AssertionError(f"The list has no end: {query}")

    def told(self, streams: tuple[Events, Events]) -> tuple[list[Event], list[Event]]:
        """The events that the model has, and as many of the other storage; without their ids they are the same."""
        expected = self.run(_first(streams[1], 1))
        events = self.run(_first(streams[0], len(expected)))
        agree([(each.kind, tree(each.data)) for each in events], [(each.kind, tree(each.data)) for each in expected])
        return events, expected

    def pick(self, place: int, number: int) -> str:
        """A session of the workspace; for the last numbers one of the latest that ever were, here or there."""
        sessions = sorted(
            self.contents(place).conversations.values(),
            key=lambda each: (each.session.created_at, each.written),
        )
        if number < LATEST and sessions:
            return sessions[number % len(sessions)].session.id
        return self._ids[-1 - number % len(self._ids)]

    def expected_sequence(self, place: int, number: int, off: int | None) -> int | None:
        """A number near that of the next message."""
        conversation = self.conversation(place, self.pick(place, number))
        return None if off is None else max(1 + off + (len(conversation.messages) if conversation else 0), 1)

    def moment(self, place: int, number: int) -> str:
        """A time of a session, perhaps with fewer digits, or the time that it is."""
        conversation = self.conversation(place, self.pick(place, number))
        if conversation is None:
            return self._clock.now()
        moment = conversation.session.updated_at if number % 2 else conversation.session.created_at
        return moment if number % 3 else f"{moment[:22]}Z"

    def event(self, place: int, session_id: str, seen: int) -> str:
        """The id of an event of the session that was seen."""
        conversation = self.conversation(place, session_id)
        if conversation is None:
            return "0"
        last, version = conversation.changed_sequence, conversation.changed_version
        events = [*map(str, range(len(conversation.messages) + 1)), f"{last}.{version}"]
        events += [
            each for each in self._told[place, session_id] if tuple(map(int, each.split("."))) <= (last, version)
        ]
        return events[seen % len(events)]

    async def _ask(self, storage: Storage, change: Change) -> Any:
        arguments = list(change.arguments)
        options: dict[str, object] = {}
        if change.name == "import_sessions":
            arguments[0] = export_of(arguments[0])
        if change.conditional:
            options["versions"] = change.versions
        if change.name not in WITHOUT_KEY:
            options["once"] = change.once
        try:
            return await getattr(storage, change.name)(self._names[change.workspace], *arguments, **options)
        except AlreadyAnswered as recorded:
            return "already answered", recorded.answer


@dataclass(frozen=True)
class Refusal:
    """An error: its kind, its sentence, what is in it."""

    kind: type[StorageError]
    sentence: str
    members: Any


async def _first(events: Events, count: int) -> list[Event]:
    """At least the first events of a stream."""
    found: list[Event] = []
    async with aclosing(events.batches) as batches:
        async for batch in batches:
            found += batch
            if len(found) >= count:
                break
    return found


def _changed(query: Any, values: dict[str, Any]) -> Any:
    return msgspec.structs.replace(query, **values) if isinstance(query, msgspec.Struct) else replace(query, **values)


def agree(actual: Any, expected: Any) -> None:
    """Assert that both are the same; for long lists, show the first place where they differ."""
    if isinstance(actual, list) and isinstance(expected, list) and actual != expected:
        pairs = zip_longest(actual, expected)
        actual, expected = next((first, other) for first, other in pairs if first != other)
    assert actual == expected, f"The storage says {actual!r:.2000}, the model says {expected!r:.2000}"


def plain(result: Any) -> Any:
    """An answer as its JSON says it, to the letter."""
    return result if isinstance(result, Refusal) else tree(msgspec.json.encode(result))
