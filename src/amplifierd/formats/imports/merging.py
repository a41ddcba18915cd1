"""Merges branches of the same session from several sources into one session with all their messages.

The result is the same as if the first branch was imported, and then extended by the others.
"""

from collections.abc import Iterator

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ...storage.model.records import Message
from ..history import Branch, usage_of_nodes


class MergedSession:
    """The `session`, and its `messages`."""

    def __init__(self, branches: list[Branch]) -> None:
        first, *others = branches
        self._taken = [(first, node) for node in first.nodes()]
        self.session = first.session
        if others:
            self._add_all(others)

    def messages(self) -> Iterator[Message]:
        """All messages, in order."""
        for sequence, (branch, node) in enumerate(self._taken, 1):
            yield branch.message(node, sequence)

    def _add_all(self, others: list[Branch]) -> None:
        known = {node.message_id for _, node in self._taken}
        for branch in others:
            count = len(self._taken)
            for sequence, node in enumerate(branch.nodes(), 1):
                # A message without an id is compared by its place.
                if node.message_id not in known if node.message_id is not None else sequence > count:
                    known.add(node.message_id)
                    self._taken.append((branch, node))
        nodes = [node for _, node in self._taken]
        usage = usage_of_nodes(nodes)
        self.session = replace(
            self.session,
            name=_name_of([self._taken[0][0], *others]),
            message_count=len(nodes),
            version=len(nodes) + 1,
            updated_at=max(self.session.updated_at, *(branch.session.updated_at for branch in others)),
            usage=UNSET if usage is None else usage.usage,
        )


def merge_branches(branches: dict[str, list[Branch]]) -> Iterator[MergedSession]:
    """The sessions, in the order of their ids."""
    for _, each in sorted(branches.items()):
        yield MergedSession(each)


def _name_of(branches: list[Branch]) -> str | UnsetType:
    """The first name among the branches."""
    return next((branch.session.name for branch in branches if branch.session.name is not UNSET), UNSET)
