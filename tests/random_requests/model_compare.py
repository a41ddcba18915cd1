"""Compares a storage with the memory storage: sends each request to both, and compares the results."""

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
    AlreadyApplied,
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
from random_requests.exact_json import tree

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


# The modules of the packages that are installed with both storages.
INSTALLED = InstalledModules(
    lambda: {name: tool_of(name, "0") for name in ("installed/tool/bash", "installed/tool/more")}
)

# A condition on a session's version, as distances from it: a list of allowed versions, or a tuple of excluded ones.
Near = list[int] | tuple[int, ...] | None

Record = TypeVar("Record")
Result = TypeVar("Result")
# A request to either storage.
Ask = Callable[[Storage], Coroutine[Any, Any, Result]]


class StepClock(Clock):
    """A clock that stands still during a step, so that both storages return the same times; a step takes a second."""

    def __init__(self) -> None:
        super().__init__()
        self.microseconds = BEGIN

    def now(self) -> str:
        return text_at(self.microseconds)

    def catch_up(self, moment: str | None) -> None:
        """Do nothing: both storages share this clock."""

    def machine_time(self) -> str:
        return self.now()

    def horizon(self) -> str:
        return text_at(self.microseconds + DAY_SECONDS * SECOND)


class Model(MemoryStorage):
    """The memory storage; a new session gets the id that the other storage gave it."""

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
    """Counts of histories and steps."""

    histories: int = 0
    steps: int = 0


@dataclass(frozen=True)
class Change:
    """A request for a change: the operation, the workspace, the arguments and the key."""

    name: str
    workspace: int
    arguments: tuple[Any, ...]
    versions: Versions = None
    conditional: bool = False
    key: str | None = None

    @property
    def once(self) -> IdempotentRequest | None:
        """The request's idempotency key, with a digest of the request."""
        return None if self.key is None else IdempotentRequest(self.key, hashlib.sha256(repr(self).encode()))


class Comparison(RuleBasedStateMachine):
    """Both storages with two workspaces; a number selects a session of a workspace."""

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
        self._event_ids: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        self.run(self._model.open())
        tally.histories += 1

    def contents(self, place: int) -> Workspace:
        """The content of a workspace in the model."""
        return self._model.database.workspaces.get(self._names[place], Workspace())

    def conversation(self, place: int, session_id: str) -> Conversation | None:
        """The session in the model."""
        return self.contents(place).conversations.get(session_id)

    def change_session(
        self, name: str, place: int, number: int, near: Near, *arguments: Any, key: str | None = None
    ) -> None:
        """Change a session; `near` is the condition on its version."""
        session_id = self.pick(place, number)
        conversation = self.conversation(place, session_id)
        version = 1 if conversation is None else conversation.session.version
        distant = tuple(version + distance for distance in near or ())
        versions: Versions = None if near is None else distant
        if isinstance(near, tuple):
            versions = OtherVersions(distant or None)
        self.change(Change(name, place, (session_id, *arguments), versions, conditional=True, key=key))

    def change(self, change: Change) -> None:
        """Make a change in both storages, and compare the results."""
        if change.key is not None:
            self._sent.append(change)
        self._clock.microseconds += SECOND
        outcome = self.outcome(lambda: self._ask(self._storage, change))
        self._model.next_id = ""
        if isinstance(outcome, Session):
            self._model.next_id = outcome.id
            self._ids += [] if outcome.id in self._ids else [outcome.id]
        expected = self.outcome(lambda: self._ask(self._model, change))
        assert_equal(plain(outcome), plain(expected))
        if change.name in FORGETTING:
            self.wait_for_files(change.workspace)

    def wait_for_files(self, place: int) -> None:
        """Wait until both have the same files, because files are removed with messages in the background."""

        async def wait() -> None:
            while await self.files(self._storage, place) != await self.files(self._model, place):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

        self.run(wait())

    async def files(self, storage: Storage, place: int) -> list[File]:
        """All files of a workspace."""
        return await records(await storage.list_files(self._names[place]), File)

    def exported(self, place: int) -> list[ExportLine]:
        """An export, which must be the same from both."""
        lines: list[ExportLine] = self.run(exported(self._storage, self._names[place]))
        assert_equal(plain(lines), plain(self.run(exported(self._model, self._names[place]))))
        return lines

    def same(self, ask: Ask[Result]) -> Result | None:
        """The result of both storages, which must agree; None if both raise an error."""
        outcome, expected = self.outcome(lambda: ask(self._storage)), self.outcome(lambda: ask(self._model))
        assert_equal(plain(outcome), plain(expected))
        return None if isinstance(outcome, Error) else outcome

    def both(self, ask: Ask[Events]) -> tuple[Events, Events] | None:
        """The streams of both; None if both raise an error."""
        outcome, expected = self.outcome(lambda: ask(self._storage)), self.outcome(lambda: ask(self._model))
        if isinstance(outcome, Error) or isinstance(expected, Error):
            assert_equal(outcome, expected)
            return None
        return outcome, expected

    def outcome(self, ask: Callable[[], Coroutine[Any, Any, Result]]) -> "Result | Error":
        """The result of a storage, or its error."""
        try:
            return self.run(ask())
        except StorageError as error:
            return Error(type(error), str(error), plain(list(error.members.items())))

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        result: Result = self._run(asyncio.wait_for(coroutine, SECONDS))
        return result

    async def pages(
        self, ask: Callable[[Any], Coroutine[Any, Any, Listing]], query: Any, kind: type[Record]
    ) -> list[Record]:
        """All records of a list, read page by page; a page may have fewer records than the limit, but not more."""
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

    def events_of_both(self, streams: tuple[Events, Events]) -> tuple[list[Event], list[Event]]:
        """The events of both streams: all of the model's, and as many of the storage's; only their ids may differ."""
        expected = self.run(_first(streams[1], 1))
        events = self.run(_first(streams[0], len(expected)))
        assert_equal(
            [(each.kind, tree(each.data)) for each in events], [(each.kind, tree(each.data)) for each in expected]
        )
        return events, expected

    def pick(self, place: int, number: int) -> str:
        """The id of a session: of the workspace, or for the last numbers, a recent id of either workspace."""
        sessions = sorted(
            self.contents(place).conversations.values(),
            key=lambda each: (each.session.created_at, each.written),
        )
        if number < LATEST and sessions:
            return sessions[number % len(sessions)].session.id
        return self._ids[-1 - number % len(self._ids)]

    def expected_sequence(self, place: int, number: int, off: int | None) -> int | None:
        """A sequence near that of the next message."""
        conversation = self.conversation(place, self.pick(place, number))
        return None if off is None else max(1 + off + (len(conversation.messages) if conversation else 0), 1)

    def moment(self, place: int, number: int) -> str:
        """A time of a session, some with fewer digits, or the current time."""
        conversation = self.conversation(place, self.pick(place, number))
        if conversation is None:
            return self._clock.now()
        moment = conversation.session.updated_at if number % 2 else conversation.session.created_at
        return moment if number % 3 else f"{moment[:22]}Z"

    def event(self, place: int, session_id: str, seen: int) -> str:
        """The id of an event of the session."""
        conversation = self.conversation(place, session_id)
        if conversation is None:
            return "0"
        last, version = conversation.changed_sequence, conversation.changed_version
        events = [*map(str, range(len(conversation.messages) + 1)), f"{last}.{version}"]
        events += [
            each for each in self._event_ids[place, session_id] if tuple(map(int, each.split("."))) <= (last, version)
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
        except AlreadyApplied as recorded:
            return "recorded", recorded.response


@dataclass(frozen=True)
class Error:
    """An error: its class, sentence and members."""

    kind: type[StorageError]
    sentence: str
    members: Any


async def _first(events: Events, count: int) -> list[Event]:
    """At least this number of events of a stream."""
    found: list[Event] = []
    async with aclosing(events.batches) as batches:
        async for batch in batches:
            found += batch
            if len(found) >= count:
                break
    return found


def _changed(query: Any, values: dict[str, Any]) -> Any:
    return msgspec.structs.replace(query, **values) if isinstance(query, msgspec.Struct) else replace(query, **values)


def assert_equal(actual: Any, expected: Any) -> None:
    """Assert that both are equal; for long lists, show the first difference."""
    if isinstance(actual, list) and isinstance(expected, list) and actual != expected:
        pairs = zip_longest(actual, expected)
        actual, expected = next((first, other) for first, other in pairs if first != other)
    assert actual == expected, f"The storage returned {actual!r:.2000}, the model {expected!r:.2000}"


def plain(result: Any) -> Any:
    """The exact JSON of a result."""
    return result if isinstance(result, Error) else tree(msgspec.json.encode(result))
