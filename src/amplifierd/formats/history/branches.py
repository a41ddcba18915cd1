"""Divides a conversation with branches into sessions: one for the conversation, and a fork for each other branch.

If several messages follow one message, the first continues its session, and each later one begins a fork. So a source
that has grown has the same sessions as before, each beginning with the same messages. If the source names the message
at which the conversation continues, the path to that message is the session, unless it was stored with another path.
"""

from collections.abc import Iterator
from itertools import pairwise

import msgspec
from msgspec import UNSET, Raw

from ...storage.model.part_records import UsageSum
from ...storage.model.records import Message, Session
from .conversations import Collection, Conversation, Node
from .interface import Fault, Place
from .values import line_of, session_id_of

# The limit of forks of one conversation: each fork stores the messages that it shares.
MAX_BRANCHES = 1_000
MAX_SHARED = 1_000_000

_encode = msgspec.json.Encoder().encode


class Branch:
    """A session of a conversation: the path to a message, of which the first `shared` are its parent's."""

    def __init__(self, collection: Collection, conversation: Conversation, session: Session, leaf: int) -> None:
        self.session = session
        self._collection = collection
        self._conversation = conversation
        self._leaf = leaf

    @property
    def last_id(self) -> str | None:
        """The id of its last message, if it has one."""
        return self._conversation.nodes[self._leaf].message_id

    def nodes(self) -> list[Node]:
        """Its messages without their content, in order."""
        return [self._conversation.nodes[place] for place in path_to(self._conversation, self._leaf)]

    def message(self, node: Node, sequence: int) -> Message:
        """One of its messages."""
        return self._collection.message(node, sequence)

    def messages(self) -> Iterator[Message]:
        """Its messages, in order."""
        for sequence, node in enumerate(self.nodes(), 1):
            yield self.message(node, sequence)


def path_to(conversation: Conversation, leaf: int) -> list[int]:
    """The places of the messages from the first one to `leaf`."""
    path = []
    while leaf >= 0:
        path.append(leaf)
        leaf = conversation.nodes[leaf].parent
    return path[::-1]


def connect(conversation: Conversation) -> Iterator[Fault]:
    """Find the parent of each message. A parent that is missing, or a cycle, is a fault."""
    nodes = conversation.nodes
    for place, node in enumerate(nodes):
        if node.parent_key is Place.PREVIOUS:
            node.parent = place - 1
        elif isinstance(node.parent_key, str):
            found = conversation.place_of(node.parent_key)
            if found is None:
                sentence = f"The message before {node.key}, {node.parent_key}, is missing; it follows the one above it."
                yield Fault(kind="missing parent", line=node.line, sentence=sentence)
            node.parent = place - 1 if found is None else found
    yield from _cut_cycles(nodes)


def _cut_cycles(nodes: list[Node]) -> Iterator[Fault]:
    """Set the depth of each message, from 1; a message that follows itself becomes a first message."""
    for start in range(len(nodes)):
        path: list[int] = []
        seen: set[int] = set()
        place = start
        while place >= 0 and nodes[place].depth == 0 and place not in seen:
            seen.add(place)
            path.append(place)
            place = nodes[place].parent
        if place in seen:
            first = min(path[path.index(place) :])
            nodes[first].parent = -1
            sentence = f"The message {nodes[first].key} comes after itself; it is taken as a first one."
            yield Fault(kind="cycle", line=nodes[first].line, sentence=sentence)
            path = path_to_first(nodes, start)
            place = -1
        depth = nodes[place].depth if place >= 0 else 0
        for number, each in enumerate(reversed(path), depth + 1):
            nodes[each].depth = number


def path_to_first(nodes: list[Node], start: int) -> list[int]:
    """The messages from `start` back to the first one, after cycles were cut."""
    path = [start]
    while (parent := nodes[path[-1]].parent) >= 0:
        path.append(parent)
    return path


class Layout:
    """Divides a connected conversation into branches."""

    def __init__(self, collection: Collection, conversation: Conversation) -> None:
        self._collection = collection
        self._conversation = conversation
        self._nodes = conversation.nodes
        self._children: dict[int, list[int]] = {}
        for place, node in enumerate(self._nodes):
            self._children.setdefault(node.parent, []).append(place)
        self._name = line_of(conversation.chat.name)

    @property
    def session_id(self) -> str:
        """The id of the conversation's session."""
        return session_id_of(self._collection.format_name, self._conversation.chat.key)

    @property
    def has_choice(self) -> bool:
        """Whether the path of the session depends on what was stored before."""
        current = self._conversation.chat.current
        if current is None:
            return False
        has_later = self._conversation.place_of(current) in self._children
        return has_later or any(len(each) > 1 for each in self._children.values())

    def branches(self, stored_last: str | None = None) -> Iterator[Branch | Fault]:
        """The session, then its forks; `stored_last` is the id of the stored session's last message."""
        if not self._nodes:
            return
        shared = 0
        todo: list[tuple[int, str | None]] = [(self._main_leaf(stored_last), None)]
        for count, (start, parent_id) in enumerate(todo):
            if count > MAX_BRANCHES or shared > MAX_SHARED:
                sentence = f"The conversation has too many branches; at least {len(todo) - count} are left out."
                yield Fault(kind="too many branches", line=self._nodes[start].line, sentence=sentence)
                return
            leaf = start if parent_id is None else self._branch_end(start)
            path = path_to(self._conversation, leaf)
            begins = 0 if parent_id is None else self._nodes[start].depth - 1
            shared += begins
            session = self._session(path, begins, parent_id)
            todo += [(each, session.id) for each in self._fork_starts(path, begins, is_main=parent_id is None)]
            yield Branch(self._collection, self._conversation, session, leaf)

    def _main_leaf(self, stored_last: str | None) -> int:
        find = self._conversation.place_of
        current = find(self._conversation.chat.current or "")
        stored = find(stored_last or "")
        leaf = self._branch_end(self._children[-1][0]) if current is None else current
        if stored is not None and stored not in path_to(self._conversation, leaf):
            return self._branch_end(stored)
        return leaf

    def _branch_end(self, place: int) -> int:
        """The last message of the branch that continues after a message."""
        while place in self._children:
            place = self._children[place][0]
        return place

    def _fork_starts(self, path: list[int], begins: int, *, is_main: bool) -> Iterator[int]:
        """The first message of each fork that leaves a path after its shared part."""
        if is_main:
            yield from (each for each in self._children[-1] if each != path[0])
        for current, following in pairwise([*path[begins:], -1]):
            yield from (each for each in self._children.get(current, []) if each != following)

    def _session(self, path: list[int], begins: int, parent_id: str | None) -> Session:
        chat = self._conversation.chat
        nodes = [self._nodes[place] for place in path]
        usage = usage_of_nodes(nodes)
        own_id, forked_at = self.session_id, chat.forked_at
        parent = session_id_of(self._collection.format_name, chat.parent) if chat.parent is not None else None
        if parent_id is not None:
            own_id = session_id_of(self._collection.format_name, chat.key, nodes[begins].key)
            parent, forked_at = parent_id, begins
        created_at = chat.created_at or nodes[0].timestamp
        known = self._conversation.titles
        titles = [known[node.key] for node in nodes[begins:] if node.key in known]
        name = line_of(titles[-1]) if titles else self._name
        context = dict(chat.context)
        if parent_id is None and self._conversation.asides:
            context["after"] = self._conversation.asides
        labels = {"source": self._collection.format_name, **chat.labels}
        if own_id != chat.key.lower() and (key := line_of(chat.key)):
            labels["source-id"] = key
        return Session(
            id=own_id,
            status="active",
            profile="default",
            context=Raw(_encode(context)),
            amplified_dir=".",
            created_at=created_at,
            updated_at=max(created_at, nodes[-1].timestamp),
            message_count=len(nodes),
            token_usage=0,
            version=len(nodes) + 1,
            name=name or UNSET,
            started_at=created_at,
            parent_session_id=parent if parent is not None and parent != own_id else UNSET,
            forked_at_sequence=UNSET if forked_at is None else forked_at,
            usage=UNSET if usage is None else usage.usage,
            labels=labels,
            archived=chat.archived or UNSET,
            pinned=chat.pinned or UNSET,
        )


def usage_of_nodes(nodes: list[Node]) -> UsageSum | None:
    """The sum of the usage of messages; None if none has any."""
    total = None
    for node in nodes:
        if node.usage is not UNSET:
            total = (total or UsageSum()).add(node.usage)
    return total
