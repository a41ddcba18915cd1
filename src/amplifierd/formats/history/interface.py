"""The interface of history formats: files of another tool, read as steps from which sessions are made."""

from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import PurePath
from typing import IO, Any, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct

Object = dict[str, Any]


class Place(Enum):
    """Where a message is in its conversation, if the source names no parent."""

    PREVIOUS = "after the message before it in the source"


class Chat(Struct, frozen=True, kw_only=True):
    """The data of a conversation. It may be yielded several times: later values replace earlier ones.

    `key` is the source's id of the conversation. `current` is the key of the message at which it continues, if the
    source names it. `parent` is the key of the conversation to which it belongs, such as the caller's for an agent;
    if it is a fork, its first `forked_at` messages are copies of the parent's. `context` has the data without a field
    of its own. With a `line`, where it begins, it is a fault if it has no message.
    """

    key: str
    line: int | None = None
    name: str | None = None
    created_at: str | None = None
    labels: dict[str, str] = {}
    context: Object = {}
    current: str | None = None
    parent: str | None = None
    forked_at: int | None = None
    archived: bool = False
    pinned: bool = False


class Turn(Struct, frozen=True, kw_only=True):
    """A message of a conversation.

    `key` is its id in the source, unique in its conversation; `parent` is the key of the previous message, None for
    the first one, and may be yielded later. Two messages with the same parent are branches. `message` has the members
    of the contract's `Message` except `sequence`. Without a `timestamp` it gets the time of the previous message.
    Without an `id` it gets the key; None means no id. `file` is as in `Fault`.
    """

    chat: str
    key: str
    message: Object
    line: int
    parent: str | Place | None = Place.PREVIOUS
    file: str = ""


class AttachedRecord(Struct, frozen=True, kw_only=True):
    """A record of a conversation that is not a message: it is kept with the next message, else with the session."""

    chat: str
    record: Any


class Title(Struct, frozen=True, kw_only=True):
    """The name of the branch that has the message `key`."""

    chat: str
    key: str
    name: str


class SessionName(Struct, frozen=True, kw_only=True):
    """The name of the session with the message `key`, which is in another source of the same format.

    If `is_kept` is set, the record is kept elsewhere; otherwise it is a fault if no such session exists.
    """

    key: str
    name: str
    line: int
    is_kept: bool


class Fault(Struct, frozen=True, kw_only=True):
    """Data that was not understood, or was changed: its kind in a few words, its line from 1, and a sentence.

    `file` is its path in the folder, if the source is a folder.
    """

    kind: str
    line: int
    sentence: str
    file: str = ""


Step = Chat | Turn | AttachedRecord | Title | SessionName | Fault


class Head(NamedTuple):
    """The beginning of a source: its first bytes, and up to 20 of its first JSON objects with their lines."""

    start: bytes
    records: list[Object]


class NotRecognized(ValueError):
    """No format recognizes a source."""


class HistoryFormat(Protocol):
    """One format of files.

    Its methods depend only on the content of a source, and read it in constant memory. For any content, `read` raises
    only an `OSError` of the source: data that it does not understand becomes a `Fault`. When a source grows, its
    messages keep their keys and parents, so that another import adds only new messages.
    """

    @property
    def name(self) -> str:
        """The name of the format: lower-case letters, digits, `-`."""

    def recognizes(self, head: Head, /) -> bool:
        """Whether a source with this beginning has this format."""

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """The steps of a source, from its beginning; the source is seekable."""


@runtime_checkable
class FolderFormat(HistoryFormat, Protocol):
    """A format whose conversations span several files, which are one source (see `folders.py`)."""

    def folder_of(self, path: PurePath, /) -> PurePath | None:
        """The folder whose files are read together with a file, by its path; None for a file of another format."""

    def in_order(self, paths: Iterable[str], /) -> Iterator[str]:
        """The paths of the files of a folder, in the order in which they are to be read."""
