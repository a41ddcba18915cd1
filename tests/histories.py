"""Histories of requests to a storage, at random, in two workspaces: each answer is held against the model's."""

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
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET
from msgspec.structs import replace

import what_clients_say as said
from amplifierd.storage.clock import DAY_SECONDS, Clock, after
from amplifierd.storage.directory_records import NewDirectory
from amplifierd.storage.errors import StorageError
from amplifierd.storage.identity import new_session_id
from amplifierd.storage.interface import Storage
from amplifierd.storage.profile_records import NewProfile
from amplifierd.storage.records import (
    BatchMessage,
    CleanUp,
    Event,
    Events,
    ExportLine,
    Failure,
    Fork,
    Listing,
    Message,
    MessageQuery,
    NewMessage,
    NewMessages,
    NewSession,
    Once,
    SearchHit,
    SearchQuery,
    Session,
    SessionPatch,
    SessionQuery,
    SessionSummary,
)
from exact_json import tree
from model import Told, Transcripts, Workspace, transcripts
from model_search import Term, found
from reading import export_of, exported, records

SECONDS = 30
TIMES = ("created_at", "updated_at", "started_at", "ended_at")
WITHOUT_KEY = {"update_session", "delete_session"}
PLACES = st.integers(0, 1)
NUMBERS = st.integers(0, 19)
LATEST = 17
VERSIONS = st.none() | st.none() | st.just([0]) | st.lists(st.integers(-1, 1), max_size=2)
OFF = st.none() | st.just(0) | st.integers(-1, 1)
LIMITS = st.none() | st.integers(1, 4)

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
    versions: tuple[int, ...] | None = None
    conditional: bool = False
    key: str | None = None

    @property
    def once(self) -> Once | None:
        """The request's key, with what tells it from another request."""
        return None if self.key is None else Once(self.key, hashlib.sha256(repr(self).encode()))


class History(RuleBasedStateMachine):
    """One history; a session is named by a number, which is one of the workspace's, or any that ever was."""

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

    @initialize(sizes=st.lists(st.lists(said.TEXTS, max_size=3), min_size=3, max_size=5))
    def begin(self, sizes: list[list[str]]) -> None:
        for name in self._names:
            self.run(self._prepare(name))
        for number, texts in enumerate(sizes):
            self.create_session(number % 2, NewSession(), None)
            if texts:
                new = NewMessages([BatchMessage(text) for text in texts])
                self.append_messages(number % 2, number // 2, None, new, None, None)

    @rule(place=PLACES, new=said.NEW_SESSIONS, key=said.KEYS)
    def create_session(self, place: int, new: NewSession, key: str | None) -> None:
        self.change(Change("create_session", place, (new,), key=key))

    @rule(place=PLACES, number=NUMBERS, patch=said.PATCHES, near=VERSIONS)
    def update_session(self, place: int, number: int, patch: SessionPatch, near: list[int] | None) -> None:
        self.change_session("update_session", place, number, near, patch)

    @rule(
        name=st.sampled_from(["start_session", "complete_session", "terminate_session", "resume_session"]),
        place=PLACES,
        number=NUMBERS,
        near=VERSIONS,
        key=said.KEYS,
    )
    def move_on(self, name: str, place: int, number: int, near: list[int] | None, key: str | None) -> None:
        self.change_session(name, place, number, near, key=key)

    @rule(place=PLACES, number=NUMBERS, near=VERSIONS, failure=said.FAILURES, key=said.KEYS)
    def fail_session(self, place: int, number: int, near: list[int] | None, failure: Failure, key: str | None) -> None:
        self.change_session("fail_session", place, number, near, failure, key=key)

    @rule(place=PLACES, number=NUMBERS, near=VERSIONS)
    def delete_session(self, place: int, number: int, near: list[int] | None) -> None:
        self.change_session("delete_session", place, number, near)

    @rule(place=PLACES, number=NUMBERS, fork=said.FORKS, key=said.KEYS)
    def fork_session(self, place: int, number: int, fork: Fork, key: str | None) -> None:
        self.change(Change("fork_session", place, (self.pick(place, number), fork), key=key))

    @rule(place=PLACES, number=NUMBERS, near=VERSIONS, new=said.ONE, off=OFF, key=said.KEYS)
    def append_message(
        self, place: int, number: int, near: list[int] | None, new: NewMessage, off: int | None, key: str | None
    ) -> None:
        expected = self.expected_sequence(place, number, off)
        self.change_session("append_message", place, number, near, replace(new, expected_sequence=expected), key=key)

    @rule(
        place=PLACES,
        number=NUMBERS,
        near=VERSIONS,
        new=said.MANY_MESSAGES,
        off=OFF,
        key=said.KEYS,
    )
    def append_messages(
        self, place: int, number: int, near: list[int] | None, new: NewMessages, off: int | None, key: str | None
    ) -> None:
        expected = self.expected_sequence(place, number, off)
        self.change_session("append_messages", place, number, near, replace(new, expected_sequence=expected), key=key)

    @precondition(lambda self: self._sent)
    @rule(number=NUMBERS)
    def send_again(self, number: int) -> None:
        self.change(self._sent[number % len(self._sent)])

    @rule(place=PLACES, which=said.CLEAN_UPS, key=said.KEYS)
    def clean_up_sessions(self, place: int, which: CleanUp, key: str | None) -> None:
        self.change(Change("clean_up_sessions", place, (which,), key=key))

    @rule(place=PLACES, older=st.booleans())
    def export_sessions(self, place: int, older: bool) -> None:
        lines = self.exported(place)
        agree(plain(lines), plain(self._models[place].export_sessions()))
        self._exports.append(_older(lines) if older else lines)

    @precondition(lambda self: self._exports)
    @rule(place=PLACES, number=NUMBERS, on_conflict=st.sampled_from(["fail", "skip", "new_id"]), key=said.KEYS)
    def import_sessions(self, place: int, number: int, on_conflict: str, key: str | None) -> None:
        lines = self._exports[number % len(self._exports)]
        if _has_copies(lines):
            # Which of two new ids is whose would be anybody's guess.
            on_conflict = "skip"
        self.change(Change("import_sessions", place, (lines, on_conflict), key=key))
        self._ids += [session_id for session_id in self._models[place].conversations if session_id not in self._ids]

    @precondition(lambda self: self._exports)
    @rule(place=PLACES, number=NUMBERS, searched=st.booleans())
    def come_back(self, place: int, number: int, searched: bool) -> None:
        lines = self._exports[number % len(self._exports)]
        for session_id in self._models[place].conversations.keys() & transcripts(lines).keys():
            self.change(Change("delete_session", place, (session_id,), conditional=True))
        if searched:
            self.search_messages(place, [Term("fox")], 50, None, {})
        self.import_sessions(place, number, "skip", None)

    @rule(place=PLACES, number=NUMBERS)
    def get_session(self, place: int, number: int) -> None:
        session_id = self.pick(place, number)
        self.same(
            lambda: self._storage.get_session(self._names[place], session_id),
            lambda: self._models[place].find(session_id).session,
        )

    @rule(place=PLACES, number=NUMBERS)
    def lineage(self, place: int, number: int) -> None:
        session_id = self.pick(place, number)
        self.same(
            lambda: self._storage.lineage(self._names[place], session_id),
            lambda: self._models[place].lineage(session_id),
        )

    @rule(
        place=PLACES,
        sort=said.SORTS,
        limit=LIMITS,
        filters=st.fixed_dictionaries(
            {}, optional={"status": said.STATUSES, "profile": said.PROFILES, "amplified_dir": said.DIRECTORIES}
        ),
        name=st.none() | said.NAMES | st.sampled_from(["a", "SS", "i̇", "%", "_", "\0"]),
        parent=st.none() | NUMBERS,
        times=st.dictionaries(
            st.sampled_from(["created_after", "created_before", "updated_after", "updated_before"]), NUMBERS, max_size=2
        ),
    )
    def list_sessions(
        self,
        place: int,
        sort: Any,
        limit: int | None,
        filters: dict[str, Any],
        name: str | None,
        parent: int | None,
        times: dict[str, int],
    ) -> None:
        parent_id = None if parent is None else self.pick(place, parent)
        moments: dict[str, Any] = {which: self.moment(place, number) for which, number in times.items()}
        query = SessionQuery(sort, parent_session_id=parent_id, name=name, limit=limit, **filters, **moments)
        listed = self.pages(lambda it: self._storage.list_sessions(self._names[place], it), query, SessionSummary)
        agree(plain(listed), plain(self._models[place].list_sessions(query)))

    @rule(
        place=PLACES,
        number=NUMBERS,
        query=st.builds(
            MessageQuery,
            limit=LIMITS,
            after_sequence=said.SEQUENCES,
            before_sequence=st.none() | st.integers(1, 7),
            role=st.none() | said.ROLES,
            order=st.sampled_from(["asc", "desc"]),
        ),
    )
    def list_messages(self, place: int, number: int, query: MessageQuery) -> None:
        session_id = self.pick(place, number)

        async def read() -> list[Message]:
            transcript = await self._storage.list_messages(self._names[place], session_id, query)
            assert transcript.session_id == session_id
            return await records(transcript.messages, Message)

        self.same(read, lambda: self._models[place].list_messages(session_id, query))

    @rule(place=PLACES, number=NUMBERS, sequence=st.integers(1, 7))
    def get_message(self, place: int, number: int, sequence: int) -> None:
        session_id = self.pick(place, number)
        self.same(
            lambda: self._storage.get_message(self._names[place], session_id, sequence),
            lambda: self._models[place].get_message(session_id, sequence),
        )

    @rule(
        place=PLACES,
        terms=said.TERMS,
        limit=st.sampled_from([1, 3, 50]),
        within=st.none() | st.none() | NUMBERS,
        filters=st.just({})
        | st.dictionaries(st.just("role"), said.ROLES)
        | st.fixed_dictionaries({"profile": said.PROFILES, "amplified_dir": said.DIRECTORIES}),
    )
    def search_messages(
        self, place: int, terms: list[Term], limit: int, within: int | None, filters: dict[str, Any]
    ) -> None:
        session_id = None if within is None else self.pick(place, within)
        text = " ".join(term.text for term in terms)
        query = SearchQuery(text, session_id=session_id, limit=limit, **filters)
        hits = self.pages(lambda it: self._storage.search_messages(self._names[place], it), query, SearchHit)
        scores = found(self._models[place], terms, query)
        best_first = sorted(scores, key=lambda it: (round(scores[it], 6), it), reverse=True)
        agree([(hit.session_id, hit.sequence) for hit in hits], best_first)
        agree([round(hit.score, 6) for hit in hits], [round(scores[it], 6) for it in best_first])
        assert all("<mark>" in hit.snippet for hit in hits)

    @rule(place=PLACES, number=NUMBERS, seen=st.none() | st.integers(0, 6), name=said.NAMES)
    def follow_session(self, place: int, number: int, seen: int | None, name: str) -> None:
        session_id = self.pick(place, number)
        model = self._models[place]
        after = None if seen is None else self.event(place, session_id, seen)
        events = self.same(
            lambda: self._storage.follow_session(self._names[place], session_id, after_event=after),
            lambda: model.find(session_id),
        )
        if events is None:
            return
        start = after or model.last_event(session_id)
        self.change(Change("update_session", place, (session_id, SessionPatch(name=name)), conditional=True))
        expected = model.session_events(session_id, start)
        told = self.read(events, lambda event: event.id == expected[-1].id)
        agree(plain_events(told), plain_events(expected))
        self._told[place, session_id].append(model.find(session_id).changed)

    @rule(place=PLACES, seen=st.none() | NUMBERS)
    def follow_sessions(self, place: int, seen: int | None) -> None:
        model, known = self._models[place], self._seen[place]
        after, write = (None, model.writes) if seen is None else known[-1 - seen % len(known)]
        events = self.run(self._storage.follow_sessions(self._names[place], after_event=after))
        self.change(Change("create_session", place, (NewSession(),)))
        last = list(model.conversations)[-1].encode()
        expected = model.workspace_events(write)
        told = self.read(events, lambda event: event.kind == "created" and last in event.data)
        agree([(event.kind, tree(event.data)) for event in told], [(kind, tree(data)) for _, kind, data in expected])
        numbers = [int(event.id or 0) for event in told]
        assert numbers == sorted(set(numbers))
        known += [(event.id or "", write) for event, (write, *_) in zip(told, expected, strict=True)]

    @invariant()
    def each_workspace_has_its_own(self) -> None:
        self._tally.steps += 1
        for name, model in zip(self._names, self._models, strict=True):
            assert self.run(self._storage.count_sessions(name)) == len(model.conversations)

    def teardown(self) -> None:
        for place, model in enumerate(self._models):
            agree(plain(self.exported(place)), plain(model.export_sessions()))

    def change_session(
        self, name: str, place: int, number: int, near: list[int] | None, *said: Any, key: str | None = None
    ) -> None:
        """Change one session, where it is near its version if that is given."""
        session_id = self.pick(place, number)
        version = self._models[place].version(session_id)
        versions = None if near is None else tuple(version + distance for distance in near)
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
        told = Told(answered, began, self._clock.now(), self._stored(change))
        arguments = (*change.arguments, change.versions) if change.conditional else change.arguments
        expected = outcome_of(lambda: model.change(change.name, arguments, change.once, told))
        agree(plain(answered), plain(expected))
        assert isinstance(answered, Refusal) or once is None or once.replayed == replayed

    def exported(self, place: int) -> list[ExportLine]:
        """An export, but for what the profiles of sessions say, which is no part of the model."""
        return [line for line in self.run(exported(self._storage, self._names[place])) if line.profile is UNSET]

    async def _prepare(self, workspace: str) -> None:
        for profile in said.PROFILE_NAMES:
            await self._storage.create_profile(workspace, NewProfile(profile))
        for path in said.DIRECTORY_PATHS:
            await self._storage.create_directory(workspace, NewDirectory(path))

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
        """A list read page by page to its end; every page but the last is full."""
        listing = self.run(ask(query))
        listed = self.run(records(listing, kind))
        while listing.next_cursor is not None:
            assert len(listed) % query.limit == 0
            listing = self.run(ask(dataclasses.replace(query, cursor=listing.next_cursor)))
            page = self.run(records(listing, kind))
            assert page
            listed += page
        return listed

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

    def _ask(self, change: Change, once: Once | None) -> Coroutine[Any, Any, Any]:
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

    def _stored(self, change: Change) -> Transcripts:
        if change.name != "import_sessions":
            return {}
        return transcripts(self.exported(change.workspace))


@dataclass(frozen=True)
class Refusal:
    """An error: its kind, its sentence, the numbers in it."""

    kind: type[StorageError]
    sentence: str
    members: tuple[tuple[str, int], ...]


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


def _has_copies(lines: list[ExportLine]) -> bool:
    """Are two sessions alike but for their ids."""
    alike = [msgspec.json.encode((replace(session, id=""), said)) for session, said in transcripts(lines).values()]
    return len(set(alike)) < len(alike)


def _older(lines: list[ExportLine]) -> list[ExportLine]:
    """The same sessions as others would be that were made fifty days before."""
    moved: list[tuple[Session, list[ExportLine]]] = []
    for session, messages in transcripts(lines).values():
        times = {name: _before(getattr(session, name)) for name in TIMES}
        earlier = replace(session, id=new_session_id(times["created_at"]), **times)
        said = [ExportLine(message=replace(it, timestamp=_before(it.timestamp))) for it in messages]
        moved.append((earlier, said))
    moved.sort(key=lambda each: each[0].id)
    return [lines[0], *(line for session, said in moved for line in (ExportLine(session=session), *said))]


def _before(moment: Any) -> Any:
    return moment if moment is UNSET else after(moment, -50 * DAY_SECONDS)
