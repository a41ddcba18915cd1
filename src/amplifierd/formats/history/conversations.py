"""Collects the steps of a source: messages in a temporary file, and their order in memory.

Each message takes a few hundred bytes of memory, whatever its length.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ...storage.model.files import TemporarySpace
from ...storage.model.records import Message
from ...storage.sql.temporary_files import LimitedFile, spool_errors
from .interface import AttachedRecord, Chat, Fault, Object, Place, SessionName, Step, Title, Turn
from .values import NO_TIME, line_of, message_id_of, time_of

_encode = msgspec.json.Encoder().encode
_decode_message = msgspec.json.Decoder(Message).decode

# Converts a message with the contract's members to a valid record; returns a sentence about what was changed, if any.
Accept = Callable[[Object], tuple[Message, str | None]]


class Node(msgspec.Struct):
    """A message of a conversation: its place in the temporary file, and the message that it follows."""

    key: str
    parent_key: str | Place | None
    line: int
    offset: int
    message_id: str | None
    timestamp: str
    usage: Any
    parent: int = -1
    depth: int = 0


class Conversation:
    """The messages of one conversation, in the order of the source."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.nodes: list[Node] = []
        self.titles: dict[str, str] = {}
        self.asides: list[Any] = []
        self._places: dict[str, int] = {}

    def place_of(self, key: str) -> int | None:
        """The place of the message with a key among `nodes`."""
        return self._places.get(key)

    def time_before(self, turn: Turn) -> str | None:
        """The time of the message before one that is added next."""
        place = self._places.get(turn.parent, -1) if isinstance(turn.parent, str) else -1
        return self.nodes[place].timestamp if self.nodes else self.chat.created_at

    def add(self, node: Node) -> None:
        """Add the next message."""
        self._places[node.key] = len(self.nodes)
        self.nodes.append(node)

    def amend(self, chat: Chat) -> None:
        """Update the conversation with data from a later part of the source."""
        own = self.chat
        self.chat = replace(
            chat,
            name=chat.name or own.name,
            created_at=own.created_at or chat.created_at,
            labels=own.labels | chat.labels,
            context=own.context | chat.context,
            current=chat.current or own.current,
            parent=chat.parent or own.parent,
            forked_at=own.forked_at if chat.forked_at is None else chat.forked_at,
            archived=chat.archived or own.archived,
            pinned=chat.pinned or own.pinned,
        )

    def take_asides(self) -> list[Any]:
        """Remove and return the records since the previous message."""
        found, self.asides = self.asides, []
        return found


class MessageFile:
    """The messages of several collections, in one temporary file, which takes its bytes from `space` until `close`.

    Raises `StorageUnavailable` if there is no room.
    """

    def __init__(self, space: TemporarySpace) -> None:
        self._limited_file = LimitedFile(space)
        self._file = self._limited_file.file
        self._size = 0
        self._is_read = False

    def close(self) -> None:
        """Delete the file."""
        self._limited_file.close()

    def add(self, message: Message) -> int:
        """Add a message. Returns its place in the file."""
        text = _encode(message) + b"\n"
        if self._is_read:
            self._file.seek(self._size)
            self._is_read = False
        self._limited_file.write(text)
        self._size += len(text)
        return self._size - len(text)

    def read(self, place: int) -> Message:
        """The message at a place."""
        self._is_read = True
        with spool_errors():
            self._file.seek(place)
        return _decode_message(self._file.readline())


class Collection:
    """The conversations of one source of a format.

    `accept` makes records of their messages, which are kept in `messages`. `names` are names for sessions of other
    sources.
    """

    def __init__(self, format_name: str, accept: Accept, messages: MessageFile) -> None:
        self.format_name = format_name
        self.conversations: dict[str, Conversation] = {}
        self.names: list[SessionName] = []
        self._accept = accept
        self._messages = messages

    def collect(self, steps: Iterable[Step]) -> Iterator[Fault]:
        """Add all steps. Yields what was not understood in them."""
        for step in steps:
            match step:
                case Fault():
                    yield step
                case Turn():
                    yield from self._add_turn(step)
                case Chat():
                    self._add_chat(step)
                case AttachedRecord():
                    self._of(step.chat).asides.append(step.record)
                case Title():
                    self._of(step.chat).titles[step.key] = step.name
                case SessionName():
                    self.names.append(step)

    def message(self, node: Node, sequence: int) -> Message:
        """A message, read back."""
        return replace(self._messages.read(node.offset), sequence=sequence)

    def _of(self, key: str) -> Conversation:
        if key not in self.conversations:
            self.conversations[key] = Conversation(Chat(key=key))
        return self.conversations[key]

    def _add_chat(self, chat: Chat) -> None:
        if chat.key in self.conversations:
            self.conversations[chat.key].amend(chat)
        else:
            self.conversations[chat.key] = Conversation(chat)

    def _add_turn(self, turn: Turn) -> Iterator[Fault]:
        conversation = self._of(turn.chat)
        if conversation.place_of(turn.key) is not None:
            yield from self._add_duplicate(conversation, turn)
            return
        time = time_of(given := turn.message.get("timestamp"))
        if time is None and given:
            sentence = f"The message {turn.key} has an invalid time{_shown(given)}; it gets that of the message before."
            yield Fault(kind="invalid time", line=turn.line, sentence=sentence, file=turn.file)
        message, refused = self._accept(self._complete_message(conversation, turn, time))
        if refused is not None:
            yield Fault(kind="kept as a file", line=turn.line, sentence=refused, file=turn.file)
        place = self._messages.add(message)
        message_id = None if message.id is UNSET else message.id
        conversation.add(Node(turn.key, turn.parent, turn.line, place, message_id, message.timestamp, message.usage))

    def _complete_message(self, conversation: Conversation, turn: Turn, time: str | None) -> Object:
        message = {"role": "assistant", "metadata": {}, "parts": [], **turn.message}
        message |= {"content": _content_of(message["parts"]), "sequence": 1}
        if message.setdefault("id", message_id_of(turn.key)) is None:
            del message["id"]
        message["timestamp"] = time or conversation.time_before(turn) or NO_TIME
        if asides := conversation.take_asides():
            own = message["metadata"].get(self.format_name, {})
            message["metadata"] = {**message["metadata"], self.format_name: {**own, "before": asides}}
        return message

    def _add_duplicate(self, conversation: Conversation, turn: Turn) -> Iterator[Fault]:
        """Handle a repeated key: tools write some records twice, and only a different message is a fault."""
        place = conversation.place_of(turn.key)
        assert place is not None, "The key was there before."
        before = self.message(conversation.nodes[place], 1)
        if [before.role, msgspec.json.decode(before.parts or b"[]")] != [
            turn.message.get("role"),
            turn.message.get("parts", []),
        ]:
            conversation.asides.append({"message": turn.message})
            sentence = (
                f"The message {turn.key} was there before with another content; this one is kept with the next one."
            )
            yield Fault(kind="same id twice", line=turn.line, sentence=sentence, file=turn.file)


def _shown(time: Any) -> str:
    """The value of an invalid time, for a sentence; nothing for a value that may be long."""
    return f", {line_of(time)}" if isinstance(time, str) else f", {time}" if isinstance(time, int | float) else ""


def _content_of(parts: list[Object]) -> str:
    """The text of a message, as the contract derives it from its parts."""
    return "\n\n".join(part["text"] for part in parts if part["type"] == "text" and "call" not in part)
