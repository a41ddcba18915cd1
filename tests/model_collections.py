"""What a storage should know of collections: written from the contract's words."""

from dataclasses import dataclass, field, replace

from amplifierd.storage.model.collections import (
    Collection,
    CollectionContent,
    CollectionExists,
    CollectionNotFound,
)


@dataclass(frozen=True)
class Shown:
    """What a collection shows, but for its times."""

    source: str
    status: str
    profiles: list[str]
    problems: list[str]


def shown(collection: Collection) -> Shown:
    problems = [problem.detail for problem in collection.problems]
    return Shown(collection.source, collection.status, collection.profiles, problems)


@dataclass
class Collections:
    """The collections of a workspace by identifier, and the descriptions of their profiles by name."""

    held: dict[str, Shown] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)

    def create(self, content: CollectionContent) -> Shown:
        """Add a collection whose last segment is new."""
        name = _name(content.identifier)
        for identifier in self.held:
            if _name(identifier) == name:
                raise CollectionExists(content.identifier, identifier)
        return self._set(content)

    def replace(self, content: CollectionContent) -> Shown:
        """Replace the content of a collection that still has its source."""
        if self.find(content.identifier).source != content.source:
            raise CollectionNotFound(content.identifier)
        return self._set(content)

    def fail(self, identifier: str, detail: str) -> Shown:
        """Keep the content of a collection that cannot be read."""
        self.held[identifier] = replace(self.find(identifier), status="failed", problems=[detail])
        return self.held[identifier]

    def delete(self, identifier: str) -> None:
        """Delete a collection with its profiles."""
        self.find(identifier)
        del self.held[identifier]
        self._drop(identifier)

    def find(self, identifier: str) -> Shown:
        if identifier not in self.held:
            raise CollectionNotFound(identifier)
        return self.held[identifier]

    def _set(self, content: CollectionContent) -> Shown:
        self._drop(content.identifier)
        new = {f"{_name(content.identifier)}/{it.name}": it.description for it in content.profiles}
        self.profiles |= new
        self.held[content.identifier] = Shown(content.source, "synced", sorted(new), [])
        return self.held[content.identifier]

    def _drop(self, identifier: str) -> None:
        first = f"{_name(identifier)}/"
        self.profiles = {name: it for name, it in self.profiles.items() if not name.startswith(first)}


def _name(identifier: str) -> str:
    return identifier.rpartition("/")[2]
