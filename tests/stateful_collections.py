"""Histories of collections: their profiles change and go, and sessions keep those that they have."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from amplifierd.storage.model.collections import CollectionContent
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.records import NewSession
from amplifierd.testing.storage.steps import records
from model_compare import SECOND, Change, Comparison

PLACES = st.integers(0, 1)
IDENTIFIERS = st.sampled_from(["one", "x/one", "two"])
NAMES = ["p", "q", "r"]
CONTENTS = st.builds(
    lambda identifier, source, profiles: CollectionContent(
        identifier=identifier,
        source=source,
        kind="folder",
        commit=None,
        profiles=[NewProfile(name, description=description) for name, description in profiles.items()],
        agents=[],
        context=[],
        modules=[],
        problems=[],
    ),
    IDENTIFIERS,
    st.sampled_from(["/a", "/a", "/b"]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "old", "new"]), max_size=3),
)


class CollectionHistory(Comparison):
    """Collections in two workspaces, and sessions with their profiles."""

    @rule(place=PLACES, content=CONTENTS)
    def create_collection(self, place: int, content: CollectionContent) -> None:
        async def read() -> CollectionContent:
            return content

        self.same(lambda storage: storage.create_collection(self._names[place], content.identifier, read))
        self.same_profiles(place)

    @rule(place=PLACES, content=CONTENTS)
    def replace_collection(self, place: int, content: CollectionContent) -> None:
        self._clock.microseconds += SECOND
        self.same(lambda storage: storage.replace_collection(self._names[place], content))
        self.same_profiles(place)

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def fail_collection(self, place: int, identifier: str) -> None:
        self.same(lambda storage: storage.fail_collection(self._names[place], identifier, "It is away."))

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def delete_collection(self, place: int, identifier: str) -> None:
        self.same(lambda storage: storage.delete_collection(self._names[place], identifier))
        self.same_profiles(place)

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def get_collection(self, place: int, identifier: str) -> None:
        self.same(lambda storage: storage.get_collection(self._names[place], identifier))

    @rule(place=PLACES, number=st.integers(0, 5))
    def create_session_of_collection(self, place: int, number: int) -> None:
        profiles = sorted(name for name, it in self.contents(place).profiles.items() if it.collection is not None)
        if profiles:
            self.change(Change("create_session", place, (NewSession(profile=profiles[number % len(profiles)]),)))

    def same_profiles(self, place: int) -> None:
        """Both have the same profiles."""

        async def profiles(storage: Storage) -> list[Any]:
            return await records(await storage.list_profiles(self._names[place]), dict[str, Any])

        self.same(profiles)
