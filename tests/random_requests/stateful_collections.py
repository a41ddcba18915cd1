"""Random changes and deletions of collections and modules, during which sessions must keep their plans."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec import Raw

from amplifierd.storage.model.collections import CollectionContent
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import ModuleScope, ModuleSummary, NewModuleSource
from amplifierd.storage.model.profile_records import ModuleConfig, NewProfile, ProfileOrigin, ProfilePatch
from amplifierd.storage.model.records import NewSession
from amplifierd.testing.storage.steps import records
from random_requests.model_compare import INSTALLED, SECOND, Change, Comparison, tool_of

PLACES = st.integers(0, 1)
NUMBERS = st.integers(0, 5)
IDENTIFIERS = st.sampled_from(["one", "x/one", "two"])
NAMES = ["p", "q", "r"]
TOOLS = [ModuleConfig(name) for name in ("bash", "two/tool/bash", "grep", "a\0b")]
MODULE_IDS = st.sampled_from(["one/tool/bash", "two/tool/bash", "two/tool/grep", *INSTALLED.modules])
SCOPES: st.SearchStrategy[ModuleScope] = st.sampled_from(["user", "project", "local"])
SOURCES = st.builds(NewModuleSource, st.sampled_from(["git+https://example.com/a", "b"]), SCOPES)
TEXTS = st.dictionaries(st.sampled_from(["a.md", "b.md"]), st.sampled_from(["", "a\0", "long " * 100]), max_size=2)
OVERRIDES = st.none() | st.just(ProfilePatch(tools=Raw(b'[{"module":"grep"}]')))


def content_of(
    identifier: str,
    source: str,
    profiles: Mapping[str, str],
    tools: list[ModuleConfig],
    modules: Mapping[str, str],
    texts: Mapping[str, str],
) -> CollectionContent:
    """The content of a collection, from the descriptions of its profiles and the versions of its modules."""
    name = identifier.rpartition("/")[2]
    return CollectionContent(
        identifier=identifier,
        source=source,
        kind="folder",
        commit=None,
        profiles=[
            NewProfile(profile_name, description=description, tools=tools)
            for profile_name, description in profiles.items()
        ],
        agents=[],
        context=[],
        modules=[tool_of(f"{name}/tool/{tool}", version) for tool, version in modules.items()],
        problems=[],
        texts={profile_name: dict(texts) for profile_name in profiles},
    )


CONTENTS = st.builds(
    content_of,
    IDENTIFIERS,
    st.sampled_from(["/a", "/a", "/b"]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "old", "new"]), max_size=3),
    st.lists(st.sampled_from(TOOLS), max_size=3),
    st.dictionaries(st.sampled_from(["bash", "grep"]), st.sampled_from(["1", "2"]), max_size=2),
    TEXTS,
)


class CollectionHistory(Comparison):
    """Collections in two workspaces, their modules, and sessions with their profiles."""

    @rule(place=PLACES, content=CONTENTS)
    def create_collection(self, place: int, content: CollectionContent) -> None:
        async def read() -> CollectionContent:
            return content

        self.same(lambda storage: storage.create_collection(self._names[place], content.identifier, read))
        self.same_contents(place)

    @rule(place=PLACES, content=CONTENTS)
    def replace_collection(self, place: int, content: CollectionContent) -> None:
        self._clock.microseconds += SECOND
        self.same(lambda storage: storage.replace_collection(self._names[place], content))
        self.same_contents(place)

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def fail_collection(self, place: int, identifier: str) -> None:
        self.same(lambda storage: storage.fail_collection(self._names[place], identifier, "It is away."))

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def delete_collection(self, place: int, identifier: str) -> None:
        self.same(lambda storage: storage.delete_collection(self._names[place], identifier))
        self.same_contents(place)

    @rule(place=PLACES, identifier=IDENTIFIERS)
    def get_collection(self, place: int, identifier: str) -> None:
        self.same(lambda storage: storage.get_collection(self._names[place], identifier))

    @rule(place=PLACES, number=NUMBERS)
    def create_session_of_collection(self, place: int, number: int) -> None:
        self.create_session_with(place, self.profile(place, number))

    @rule(place=PLACES, module_id=MODULE_IDS, new=SOURCES)
    def create_module_source(self, place: int, module_id: str, new: NewModuleSource) -> None:
        self.same(lambda storage: storage.create_module_source(self._names[place], module_id, new))

    @rule(place=PLACES, module_id=MODULE_IDS, new=SOURCES)
    def replace_module_source(self, place: int, module_id: str, new: NewModuleSource) -> None:
        self.same(lambda storage: storage.replace_module_source(self._names[place], module_id, new))

    @rule(place=PLACES, number=NUMBERS, new=SOURCES)
    def set_source_between_sessions(self, place: int, number: int, new: NewModuleSource) -> None:
        profile = NewProfile(f"tool-{number}", tools=[ModuleConfig("two/tool/bash")])
        self.same(lambda storage: storage.create_profile(self._names[place], profile))
        for _ in range(2):
            self.create_session_with(place, profile.name)
            self.replace_module_source(place, "two/tool/bash", new)

    @rule(place=PLACES, module_id=MODULE_IDS, scope=SCOPES)
    def delete_module_source(self, place: int, module_id: str, scope: ModuleScope) -> None:
        self.same(lambda storage: storage.delete_module_source(self._names[place], module_id, scope))

    @rule(place=PLACES, module_id=MODULE_IDS, after=st.just("") | MODULE_IDS)
    def read_module(self, place: int, module_id: str, after: str) -> None:
        name = self._names[place]
        self.same(lambda storage: storage.get_module(name, module_id))
        self.same(lambda storage: storage.module_sources(name, module_id))
        self.same(lambda storage: storage.modules_with_sources(name, after=after, most=2))

    @rule(place=PLACES, number=NUMBERS, tools=st.lists(st.sampled_from(TOOLS), max_size=2), texts=TEXTS)
    def create_profile_of_another_database(
        self, place: int, number: int, tools: list[ModuleConfig], texts: dict[str, str]
    ) -> None:
        new = NewProfile(f"copy-{number}", tools=tools)
        origin = ProfileOrigin("one", texts)
        self.same(lambda storage: storage.create_profile(self._names[place], new, origin=origin))

    @rule(place=PLACES, number=NUMBERS, overrides=OVERRIDES)
    def profile_plan(self, place: int, number: int, overrides: ProfilePatch | None) -> None:
        name, workspace = self.profile(place, number), self._names[place]
        if overrides is None:
            self.same(lambda storage: storage.profile_plan(workspace, name))
        else:
            self.same(lambda storage: storage.profile_plan(workspace, name, overrides))
        self.same(lambda storage: storage.profile_texts(workspace, name))

    @rule(place=PLACES, number=st.integers(0, 20))
    def session_plan(self, place: int, number: int) -> None:
        session_id = self.pick(place, number)
        self.same(lambda storage: storage.session_plan(self._names[place], session_id))

    def create_session_with(self, place: int, name: str) -> None:
        """Create a session with a profile, and compare its plan."""
        self.change(Change("create_session", place, (NewSession(profile=name),)))
        newest = self._ids[-1]
        self.same(lambda storage: storage.session_plan(self._names[place], newest))

    def profile(self, place: int, number: int) -> str:
        """A profile of the workspace, preferably one of a collection."""
        stored = self.contents(place).profiles
        names = sorted(stored, key=lambda name: (stored[name].origin is None, name))
        return names[number % len(names)] if names else "default"

    def same_contents(self, place: int) -> None:
        """Compare the profiles and modules of both storages."""

        async def profiles(storage: Storage) -> list[Any]:
            return await records(await storage.list_profiles(self._names[place]), dict[str, Any])

        async def modules(storage: Storage) -> list[ModuleSummary]:
            return await records(await storage.list_modules(self._names[place], "tool"), ModuleSummary)

        self.same(profiles)
        self.same(modules)
