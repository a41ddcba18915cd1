"""Collections as handlers see them, and as on the wire: snake_case in requests, camelCase in responses.

A collection is a folder or a git repository that provides profiles, agents, context and modules. Its profiles are named
`name/profile`, where the name is the last segment of its identifier.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from .errors import StorageError
from .modules import Module
from .profile_records import NewProfile
from .queries import all_records
from .records import IdempotentRequest, Listing

CollectionKind = Literal["folder", "git"]
CollectionStatus = Literal["synced", "failed"]


class NewCollection(Struct, frozen=True, forbid_unknown_fields=True):
    """A request to add a collection."""

    identifier: str
    source: str


class CollectionProblem(Struct, frozen=True):
    """A fault in a file of a collection, or in the whole collection; lines count from 1."""

    detail: str
    file: str | UnsetType = UNSET
    line: int | UnsetType = UNSET


class CollectionSummary(Struct, frozen=True, rename="camel", kw_only=True):
    """A collection as in a list, with the names of its profiles; `synced_at` is when its present content was read."""

    identifier: str
    source: str
    kind: CollectionKind
    status: CollectionStatus
    commit: str | UnsetType = UNSET
    created_at: str
    synced_at: str
    profiles: list[str] = []
    problem_count: int = 0


class Collection(CollectionSummary, frozen=True, rename="camel", kw_only=True):
    """A collection with the paths of its agents and context, the ids of its modules, and its problems."""

    agents: list[str]
    context: list[str]
    modules: list[str]
    problems: list[CollectionProblem]


@dataclass(frozen=True, slots=True)
class CollectionContent:
    """The content that was read from a source. Profile names do not include the name of the collection.

    The ids of modules begin with its name. `texts` has the texts to which the agents and the context of a profile
    refer, by the profile's name and the text's path.
    """

    identifier: str
    source: str
    kind: CollectionKind
    commit: str | None
    profiles: list[NewProfile]
    agents: list[str]
    context: list[str]
    modules: list[Module]
    problems: list[CollectionProblem]
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


# Reads a source.
ReadCollection = Callable[[], Awaitable[CollectionContent]]


class CollectionNotFound(StorageError):
    """The workspace has no collection of this identifier."""

    def __init__(self, identifier: str) -> None:
        super().__init__(f"Collection {identifier} not found")
        self.identifier = identifier


class CollectionExists(StorageError):
    """A collection of this identifier, or of the same last segment, already exists: it is `existing`."""

    def __init__(self, identifier: str, existing: str) -> None:
        same = f": {existing} has the same last segment" if existing != identifier else ""
        super().__init__(f"Collection {identifier} already exists{same}")
        self.identifier = identifier
        self.existing = existing


class CollectionIdentifierReserved(StorageError):
    """The identifier is reserved: it occurs in paths of the API."""

    def __init__(self, identifier: str) -> None:
        super().__init__(f"The collection identifier {identifier} is reserved")
        self.identifier = identifier


class CollectionSourceInvalid(StorageError):
    """The collection cannot be read from its source."""

    pointer = "/source"

    def __init__(self, source: str, detail: str) -> None:
        super().__init__(f"Cannot read a collection from {source}: {detail}.")
        self.source = source
        self.detail = detail


class ProfileOfCollection(StorageError):
    """The profile belongs to a collection and cannot be changed."""

    def __init__(self, name: str, identifier: str) -> None:
        super().__init__(f"Profile {name} belongs to collection {identifier} and cannot be changed")
        self.name = name
        self.identifier = identifier


_AT_ONCE = 100

_summaries = msgspec.json.Decoder(list[CollectionSummary]).decode


class Collections(ABC):
    """Keeps collections, each in a workspace, with their content when they were last read.

    Methods of one collection raise `CollectionNotFound`.
    """

    @abstractmethod
    async def create_collection(
        self, workspace: str, identifier: str, read: ReadCollection, *, once: IdempotentRequest | None = None
    ) -> Collection:
        """Store a collection with its profiles; `read` is called unless the response is recorded or an error is raised.

        A profile with the name of another one is left out, with a problem.

        Raises `CollectionExists`, `CollectionIdentifierReserved`, and what `read` raises.
        """

    @abstractmethod
    async def get_collection(self, workspace: str, identifier: str) -> Collection:
        """Read a collection."""

    @abstractmethod
    async def list_collections(self, workspace: str, *, limit: int | None = None, cursor: str | None = None) -> Listing:
        """List `CollectionSummary` records by identifier; a cursor is a position in the order of identifiers."""

    @abstractmethod
    async def replace_collection(
        self, workspace: str, content: CollectionContent, *, once: IdempotentRequest | None = None
    ) -> Collection:
        """Replace the content of a collection as a whole; sessions keep the profiles that they got before.

        Raises `CollectionNotFound` also if it was deleted meanwhile and added with another source.
        A profile that is active stays, with a problem, if the new content lacks it.
        """

    @abstractmethod
    async def fail_collection(
        self, workspace: str, identifier: str, detail: str, *, once: IdempotentRequest | None = None
    ) -> Collection:
        """Record why a sync failed. The collection keeps its content, and the reason becomes its only problem."""

    @abstractmethod
    async def delete_collection(self, workspace: str, identifier: str) -> None:
        """Delete a collection with its profiles; sessions keep them. Raises `ProfileActive`."""


def all_collections(stored: Collections, workspace: str) -> AsyncIterator[CollectionSummary]:
    """All collections of a workspace, in the order of their identifiers, read in pages."""
    return all_records(lambda cursor: stored.list_collections(workspace, limit=_AT_ONCE, cursor=cursor), _summaries)
