"""Histories of collections: their profiles change and go, and sessions keep those that they have."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from amplifierd.storage.model.collections import CollectionContent
from amplifierd.storage.model.profile_records import NewProfile, ProfileSettings
from amplifierd.storage.model.records import NewSession
from amplifierd.testing.storage.steps import records
from model_collections import Collections, Shown, shown
from model_compare import Change, Comparison, agree
from model_reading import Conversation

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

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._collections = [Collections(), Collections()]
        self._kept: list[list[tuple[Conversation, str, str]]] = [[], []]

    @rule(place=PLACES, content=CONTENTS)
    def create_collection(self, place: int, content: CollectionContent) -> None:
        async def read() -> CollectionContent:
            return content

        async def create() -> Shown:
            return shown(await self._storage.create_collection(self._names[place], content.identifier, read))

        self.same(create, lambda: self._collections[place].create(content))
        self.same_profiles(place)

    @rule(place=PLACES, content=CONTENTS)
    def replace_collection(self, place: int, content: CollectionContent) -> None:
        async def replace() -> Shown:
            return shown(await self._storage.replace_collection(self._names[place], content))

        self.same(replace, lambda: self._collections[place].replace(content))
        self.same_profiles(place)

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def fail_collection(self, place: int, identifier: str) -> None:
        async def fail() -> Shown:
            return shown(await self._storage.fail_collection(self._names[place], identifier, "It is away."))

        self.same(fail, lambda: self._collections[place].fail(identifier, "It is away."))

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def delete_collection(self, place: int, identifier: str) -> None:
        self.same(
            lambda: self._storage.delete_collection(self._names[place], identifier),
            lambda: self._collections[place].delete(identifier),
        )
        self.same_profiles(place)

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def get_collection(self, place: int, identifier: str) -> None:
        async def get() -> Shown:
            return shown(await self._storage.get_collection(self._names[place], identifier))

        self.same(get, lambda: self._collections[place].find(identifier))

    @rule(place=PLACES, number=st.integers(0, 5))
    def create_session_of_collection(self, place: int, number: int) -> None:
        profiles = sorted(self._collections[place].profiles.items())
        if not profiles:
            return
        name, description = profiles[number % len(profiles)]
        self.change(Change("create_session", place, (NewSession(profile=name),)))
        session = list(self._models[place].conversations.values())[-1]
        self._kept[place].append((session, name, description))

    @rule(place=PLACES, number=st.integers(0, 5))
    def read_kept_profile(self, place: int, number: int) -> None:
        # Not of those that were deleted, even if they were imported again, or have another profile.
        kept = [
            (it.session.id, description)
            for it, name, description in self._kept[place]
            if self._models[place].conversations.get(it.session.id) is it and it.session.profile == name
        ]
        if not kept:
            return
        session_id, description = kept[number % len(kept)]
        profile = self.run(self._storage.session_profile(self._names[place], session_id))
        assert profile.description == description

    def same_profiles(self, place: int) -> None:
        """The profiles of collections are those of the model."""
        listing = self.run(self._storage.list_profiles(self._names[place]))
        profiles = self.run(records(listing, ProfileSettings))
        found = {it.name: it.description for it in profiles if it.name.startswith(("one/", "two/"))}
        agree(found, self._collections[place].profiles)
