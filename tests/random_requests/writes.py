"""The writes that a client may send next, and the conversations that result."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from uuid import uuid4

FEWEST_CONVERSATIONS = 2
MAX_CONVERSATIONS = 5
MAX_MESSAGES = 60
# Every message contains it, so that a search for it counts them.
WORD = "tortured"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A session as a client knows it. Its name begins with a unique tag that never changes."""

    name: str
    status: str = "created"
    note: int = 0
    contents: tuple[str, ...] = ()


# By tag.
Known = dict[str, Conversation]


@dataclass(frozen=True, slots=True)
class Write:
    """A request for a conversation, or one that creates it; `after` is what the client knows once it has succeeded."""

    method: str
    tag: str | None
    path: str
    body: object
    after: Known
    key: str = field(default_factory=lambda: str(uuid4()))


class Author:
    """Generates the writes of one client."""

    def __init__(self, name: str, random: Random) -> None:
        self._name = name
        self._random = random
        self._made = 0
        self._changed = 0

    def next(self, known: Known) -> Write:
        """A random write that succeeds if the conversations are as the client knows them."""
        if len(known) < FEWEST_CONVERSATIONS:
            return self._create(known)
        tag = self._random.choice(sorted(known))
        conversation = known[tag]
        accepts_messages = conversation.status != "completed" and len(conversation.contents) < MAX_MESSAGES
        weights: dict[Callable[[Known, str], Write], int] = {
            self._append: 40 if accepts_messages else 0,
            self._append_batch: 15 if accepts_messages else 0,
            self._note: 10,
            self._rename: 5,
            self._complete: 5 if conversation.status == "active" else 0,
            self._resume: 5,
            self._fork: 5 if len(known) < MAX_CONVERSATIONS else 0,
            self._delete: 3 if accepts_messages else 20,
        }
        [make] = self._random.choices([*weights], [*weights.values()])
        return make(known, tag)

    def content(self) -> str:
        """A unique content, which is short or fills several database pages."""
        return f"{WORD} {uuid4().hex} {'-' * self._random.choice([0, 0, 200, 10_000])}"

    def _create(self, known: Known) -> Write:
        tag, new = self._new()
        return Write("POST", None, "", {"name": new.name, "context": {"note": 0}}, known | {tag: new})

    def _append(self, known: Known, tag: str) -> Write:
        content = self.content()
        return Write("POST", tag, "/messages", {"content": content}, _with_messages(known, tag, content))

    def _append_batch(self, known: Known, tag: str) -> Write:
        contents = [self.content() for _ in range(self._random.randint(2, 5))]
        body = {"messages": [{"content": content} for content in contents]}
        return Write("POST", tag, "/messages/batch", body, _with_messages(known, tag, *contents))

    def _note(self, known: Known, tag: str) -> Write:
        note = self._count()
        return Write("PATCH", tag, "", {"context": {"note": note}}, known | {tag: replace(known[tag], note=note)})

    def _rename(self, known: Known, tag: str) -> Write:
        name = f"{tag} {self._count()}"
        return Write("PATCH", tag, "", {"name": name}, known | {tag: replace(known[tag], name=name)})

    def _complete(self, known: Known, tag: str) -> Write:
        return Write("POST", tag, "/complete", None, known | {tag: replace(known[tag], status="completed")})

    def _resume(self, known: Known, tag: str) -> Write:
        return Write("POST", tag, "/resume", None, known | {tag: replace(known[tag], status="active")})

    def _fork(self, known: Known, tag: str) -> Write:
        fork_tag, new = self._new()
        last = self._random.randint(0, len(known[tag].contents))
        status = "active" if last else "created"
        forked = replace(new, status=status, note=known[tag].note, contents=known[tag].contents[:last])
        body = {"name": new.name, "at_sequence": last}
        return Write("POST", tag, "/fork", body, known | {fork_tag: forked})

    def _delete(self, known: Known, tag: str) -> Write:
        return Write(
            "DELETE", tag, "", None, {other: conversation for other, conversation in known.items() if other != tag}
        )

    def _new(self) -> tuple[str, Conversation]:
        self._made += 1
        tag = f"{self._name}.{self._made}"
        return tag, Conversation(f"{tag} 0")

    def _count(self) -> int:
        self._changed += 1
        return self._changed


def _with_messages(known: Known, tag: str, *contents: str) -> Known:
    conversation = known[tag]
    return known | {tag: replace(conversation, status="active", contents=(*conversation.contents, *contents))}
