"""Random series of requests in two workspaces, to which a storage must respond as the memory storage does."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from msgspec.structs import replace

from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.files import NewFile
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.queries import (
    MessageQuery,
    SearchHit,
    SearchQuery,
    SessionDeletion,
    SessionFilter,
    SessionQuery,
)
from amplifierd.storage.model.records import (
    BatchMessage,
    CleanUp,
    Failure,
    Fork,
    Message,
    MessagePatch,
    NewMessage,
    NewMessages,
    NewSession,
    SessionPatch,
    SessionSummary,
    Versions,
)
from amplifierd.testing.storage.exports import older, transcripts
from amplifierd.testing.storage.steps import records
from random_requests import strategies
from random_requests.model_compare import Change, Near, assert_equal
from random_requests.search_terms import Term
from random_requests.stateful_collections import CollectionHistory

PLACES = st.integers(0, 1)
NUMBERS = st.integers(0, 19)
DISTANCES = st.lists(st.integers(-1, 1), max_size=2)
VERSIONS = st.none() | st.none() | st.just([0]) | DISTANCES | DISTANCES.map(tuple)
OFF = st.none() | st.just(0) | st.integers(-1, 1)
FILES = st.integers(0, len(strategies.CONTENTS) - 1)
SEQUENCES = st.integers(1, 4)
MESSAGE_VERSIONS = st.none() | st.none() | st.sampled_from([(1,), (2,), (1, 3), ()])
LIMITS = st.none() | st.integers(1, 4)


class History(CollectionHistory):
    """Sends requests in any order, and at the end compares everything that is stored."""

    @initialize(sizes=st.lists(st.lists(strategies.TEXTS, max_size=3), min_size=3, max_size=5))
    def begin(self, sizes: list[list[str]]) -> None:
        for name in self._names:
            self.run(_prepare(self._storage, name))
            self.run(_prepare(self._model, name))
        for place in range(len(self._names)):
            self.create_file(place, place)
        for number, texts in enumerate(sizes):
            self.create_session(number % 2, NewSession(), None)
            if texts:
                new = NewMessages([BatchMessage(text) for text in texts])
                self.append_messages(number % 2, number // 2, None, new, None, None)

    @rule(place=PLACES, number=FILES)
    def create_file(self, place: int, number: int) -> None:
        async def chunks() -> AsyncGenerator[bytes, None]:
            yield strategies.CONTENTS[number]

        self.same(lambda storage: storage.create_file(self._names[place], NewFile(chunks())))
        self.same(lambda storage: self.files(storage, place))

    @rule(place=PLACES, number=FILES)
    def delete_file(self, place: int, number: int) -> None:
        self.same(lambda storage: storage.delete_file(self._names[place], strategies.FILE_IDS[number]))

    @rule(place=PLACES, number=FILES, first=st.integers(0, 140_000), length=st.integers(0, 140_000))
    def read_file(self, place: int, number: int, first: int, length: int) -> None:
        async def read(storage: Storage) -> str:
            content = await storage.read_file(self._names[place], strategies.FILE_IDS[number])
            last = min(first + length, content.file.size - 1)
            blocks = [block async for block in content.read(first, last)] if first <= last else []
            return b"".join(blocks).decode()

        self.same(read)

    @rule(place=PLACES, new=strategies.NEW_SESSIONS, key=strategies.KEYS)
    def create_session(self, place: int, new: NewSession, key: str | None) -> None:
        self.change(Change("create_session", place, (new,), key=key))

    @rule(place=PLACES, number=NUMBERS, patch=strategies.PATCHES, near=VERSIONS)
    def update_session(self, place: int, number: int, patch: SessionPatch, near: Near) -> None:
        self.change_session("update_session", place, number, near, patch)

    @rule(
        name=st.sampled_from(["start_session", "complete_session", "terminate_session", "resume_session"]),
        place=PLACES,
        number=NUMBERS,
        near=VERSIONS,
        key=strategies.KEYS,
    )
    def move_on(self, name: str, place: int, number: int, near: Near, key: str | None) -> None:
        self.change_session(name, place, number, near, key=key)

    @rule(place=PLACES, number=NUMBERS, near=VERSIONS, failure=strategies.FAILURES, key=strategies.KEYS)
    def fail_session(self, place: int, number: int, near: Near, failure: Failure, key: str | None) -> None:
        self.change_session("fail_session", place, number, near, failure, key=key)

    @rule(place=PLACES, number=NUMBERS, near=VERSIONS)
    def delete_session(self, place: int, number: int, near: Near) -> None:
        self.change_session("delete_session", place, number, near)

    @rule(place=PLACES, number=NUMBERS, near=VERSIONS, fork=strategies.FORKS, key=strategies.KEYS)
    def fork_session(self, place: int, number: int, near: Near, fork: Fork, key: str | None) -> None:
        self.change_session("fork_session", place, number, near, fork, key=key)

    @rule(place=PLACES, number=NUMBERS, near=VERSIONS, new=strategies.ONE, off=OFF, key=strategies.KEYS)
    def append_message(
        self, place: int, number: int, near: Near, new: NewMessage, off: int | None, key: str | None
    ) -> None:
        expected = self.expected_sequence(place, number, off)
        self.change_session("append_message", place, number, near, replace(new, expected_sequence=expected), key=key)

    @rule(
        place=PLACES,
        number=NUMBERS,
        near=VERSIONS,
        new=strategies.MANY_MESSAGES,
        off=OFF,
        key=strategies.KEYS,
    )
    def append_messages(
        self, place: int, number: int, near: Near, new: NewMessages, off: int | None, key: str | None
    ) -> None:
        expected = self.expected_sequence(place, number, off)
        self.change_session("append_messages", place, number, near, replace(new, expected_sequence=expected), key=key)

    @rule(place=PLACES, number=NUMBERS, sequence=SEQUENCES, near=MESSAGE_VERSIONS, patch=strategies.MESSAGE_PATCHES)
    def update_message(self, place: int, number: int, sequence: int, near: Versions, patch: MessagePatch) -> None:
        session_id = self.pick(place, number)
        self.change(Change("update_message", place, (session_id, sequence, patch), near, conditional=True))

    @rule(place=PLACES, number=NUMBERS, sequence=SEQUENCES, near=MESSAGE_VERSIONS)
    def delete_message(self, place: int, number: int, sequence: int, near: Versions) -> None:
        session_id = self.pick(place, number)
        self.change(Change("delete_message", place, (session_id, sequence), near, conditional=True))

    @precondition(lambda self: self._sent)
    @rule(number=NUMBERS)
    def send_again(self, number: int) -> None:
        self.change(self._sent[number % len(self._sent)])

    @rule(place=PLACES, cleanup=strategies.CLEAN_UPS, key=strategies.KEYS)
    def clean_up_sessions(self, place: int, cleanup: CleanUp, key: str | None) -> None:
        self.change(Change("clean_up_sessions", place, (cleanup,), key=key))

    @rule(
        place=PLACES,
        filters=strategies.SESSION_FILTERS,
        named=st.lists(NUMBERS, min_size=1, max_size=3),
        dry_run=st.booleans(),
        key=strategies.KEYS,
    )
    def delete_sessions(
        self, place: int, filters: dict[str, Any], named: list[int], dry_run: bool, key: str | None
    ) -> None:
        ids = tuple(self.pick(place, number) for number in named)
        deletion = SessionDeletion(SessionFilter(ids=ids, **filters), dry_run)
        self.change(Change("delete_sessions", place, (deletion,), key=key))

    @rule(place=PLACES, earlier=st.booleans())
    def export_sessions(self, place: int, earlier: bool) -> None:
        lines = self.exported(place)
        self._exports.append(older(lines) if earlier else lines)

    @precondition(lambda self: self._exports)
    @rule(
        place=PLACES,
        number=NUMBERS,
        on_conflict=st.sampled_from(["fail", "skip", "new_id", "extend"]),
        key=strategies.KEYS,
    )
    def import_sessions(self, place: int, number: int, on_conflict: str, key: str | None) -> None:
        lines = self._exports[number % len(self._exports)]
        self.change(Change("import_sessions", place, (lines, on_conflict), key=key))
        self._ids += [session_id for session_id in self.contents(place).conversations if session_id not in self._ids]

    @precondition(lambda self: self._exports)
    @rule(place=PLACES, number=NUMBERS, searched=st.booleans())
    def come_back(self, place: int, number: int, searched: bool) -> None:
        lines = self._exports[number % len(self._exports)]
        for session_id in self.contents(place).conversations.keys() & transcripts(lines).keys():
            self.change(Change("delete_session", place, (session_id,), conditional=True))
        if searched:
            self.search_messages(place, [Term("fox")], 50, None, {})
        self.import_sessions(place, number, "skip", None)

    @rule(place=PLACES, number=NUMBERS)
    def get_session(self, place: int, number: int) -> None:
        session_id = self.pick(place, number)
        self.same(lambda storage: storage.get_session(self._names[place], session_id))
        self.same(lambda storage: storage.session_profile(self._names[place], session_id))

    @rule(place=PLACES, number=NUMBERS)
    def lineage(self, place: int, number: int) -> None:
        session_id = self.pick(place, number)
        self.same(lambda storage: storage.lineage(self._names[place], session_id))

    @rule(
        place=PLACES,
        sort=strategies.SORTS,
        limit=LIMITS,
        filters=strategies.SESSION_FILTERS,
        name=st.none() | strategies.NAMES | st.sampled_from(["a", "SS", "i̇", "%", "_", "\0"]),
        named=st.just([]) | st.lists(NUMBERS, max_size=3),
        total=st.booleans(),
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
        named: list[int],
        total: bool,
        parent: int | None,
        times: dict[str, int],
    ) -> None:
        parent_id = None if parent is None else self.pick(place, parent)
        moments: dict[str, Any] = {parameter: self.moment(place, number) for parameter, number in times.items()}
        filters = {**filters, "ids": tuple(self.pick(place, number) for number in named), "total": total}
        query = SessionQuery(sort=sort, parent_session_id=parent_id, name=name, limit=limit, **filters, **moments)
        workspace = self._names[place]
        self.same(lambda store: self.pages(partial(store.list_sessions, workspace), query, SessionSummary))

        async def count(storage: Storage) -> int | None:
            return (await storage.list_sessions(workspace, query)).total

        self.same(count)

    @rule(
        place=PLACES,
        number=NUMBERS,
        query=st.builds(
            MessageQuery,
            limit=LIMITS,
            after_sequence=strategies.SEQUENCES,
            before_sequence=st.none() | st.integers(1, 7),
            role=st.none() | strategies.ROLES,
            order=st.sampled_from(["asc", "desc"]),
            open_calls=st.booleans(),
            id=st.none() | st.none() | strategies.MESSAGE_IDS,
        ),
    )
    def list_messages(self, place: int, number: int, query: MessageQuery) -> None:
        session_id = self.pick(place, number)
        self.same(lambda storage: self._messages(storage, place, session_id, query))

    @rule(place=PLACES, number=NUMBERS, sequence=st.integers(1, 7))
    def get_message(self, place: int, number: int, sequence: int) -> None:
        session_id = self.pick(place, number)
        self.same(lambda storage: storage.get_message(self._names[place], session_id, sequence))

    @rule(
        place=PLACES,
        terms=strategies.TERMS,
        limit=st.sampled_from([1, 3, 50]),
        within=st.none() | st.none() | NUMBERS,
        filters=st.just({})
        | st.dictionaries(st.just("role"), strategies.ROLES)
        | st.dictionaries(st.just("scope"), strategies.SCOPES)
        | st.fixed_dictionaries({"profile": strategies.PROFILES, "amplified_dir": strategies.DIRECTORIES}),
    )
    def search_messages(
        self, place: int, terms: list[Term], limit: int, within: int | None, filters: dict[str, Any]
    ) -> None:
        session_id = None if within is None else self.pick(place, within)
        text = " ".join(term.text for term in terms)
        query = SearchQuery(text, session_id=session_id, limit=limit, **filters)

        async def search(storage: Storage) -> list[SearchHit]:
            hits = await self.pages(partial(storage.search_messages, self._names[place]), query, SearchHit)
            # A database may count in another precision.
            return [replace(hit, score=round(hit.score, 6)) for hit in hits]

        self.same(search)

    @rule(place=PLACES, number=NUMBERS, seen=st.none() | st.integers(0, 6), name=strategies.NAMES)
    def follow_session(self, place: int, number: int, seen: int | None, name: str) -> None:
        session_id = self.pick(place, number)
        after = None if seen is None else self.event(place, session_id, seen)
        streams = self.both(lambda storage: storage.follow_session(self._names[place], session_id, after_event=after))
        if streams is None:
            return
        self.change(Change("update_session", place, (session_id, SessionPatch(name=name)), conditional=True))
        events, expected = self.events_of_both(streams)
        assert_equal([event.id for event in events], [event.id for event in expected])
        self._event_ids[place, session_id].append(str(events[-1].id))

    @rule(place=PLACES, seen=st.none() | NUMBERS)
    def follow_sessions(self, place: int, seen: int | None) -> None:
        known, name = self._seen[place], self._names[place]
        after = (None, None) if seen is None else known[-1 - seen % len(known)]
        streams = (
            self.run(self._storage.follow_sessions(name, after_event=after[0])),
            self.run(self._model.follow_sessions(name, after_event=after[1])),
        )
        self.change(Change("create_session", place, (NewSession(),)))
        events, expected = self.events_of_both(streams)
        numbers = [int(event.id or 0) for event in events]
        assert numbers == sorted(set(numbers))
        known += [(str(one.id), str(other.id)) for one, other in zip(events, expected, strict=True)]

    @invariant()
    def each_workspace_has_its_own(self) -> None:
        self._tally.steps += 1
        for place in (0, 1):
            count = self.run(self._storage.count_sessions(self._names[place]))
            assert count == len(self.contents(place).conversations)

    def teardown(self) -> None:
        for place in (0, 1):
            self.exported(place)
        self.run(self._model.close())

    async def _messages(self, storage: Storage, place: int, session_id: str, query: MessageQuery) -> list[Message]:
        """The messages; the pages of a filtered list are read to the end."""
        listed: list[Message] = []
        while True:
            transcript = await storage.list_messages(self._names[place], session_id, query)
            assert transcript.session_id == session_id
            page = await records(transcript.messages, Message)
            assert query.limit is None or len(page) <= query.limit
            first_goes_last = query.from_end and query.order == "asc"
            listed = [*page, *listed] if first_goes_last else [*listed, *page]
            if transcript.messages.next_cursor is None:
                return listed
            sequence: dict[str, Any] = {query.page_after: int(transcript.messages.next_cursor)}
            query = replace(query, **sequence)


async def _prepare(storage: Storage, workspace: str) -> None:
    for profile in strategies.PROFILE_NAMES:
        await storage.create_profile(workspace, NewProfile(profile))
    for path in strategies.DIRECTORY_PATHS:
        await storage.create_directory(workspace, NewDirectory(path))
