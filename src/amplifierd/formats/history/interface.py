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
    """What a source says of a conversation. It may come several times: later values replace earlier ones.

    `key` is the source's id of the conversation. `current` is the key of the message at which it continues, if the
    source says so. `parent` is the key of the conversation that it belongs to, such as that of an agent's caller;
    `context` is what has no other place.
    """

    key: str
    name: str | None = None
    created_at: str | None = None
    labels: dict[str, str] = {}
    context: Object = {}
    current: str | None = None
    parent: str | None = None
    archived: bool = False
    pinned: bool = False


class Turn(Struct, frozen=True, kw_only=True):
    """A message of a conversation.

    `key` is its id in the source, unique in its conversation; `parent` is the key of the message before it, None for
    the first one, and may come later. Two messages with one parent are branches. `message` has the members of the
    contract's `Message`, but `sequence`; without a `timestamp` it gets that of the message before it. Its `id` is the
    key, unless it has another; None for no id. `file` is as in `Fault`.
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
    """The name of a session that has the message `key`, which is in another source of the same format.

    `is_kept` if the record is kept anyway; otherwise it is a fault if there is no such session.
    """

    key: str
    name: str
    line: int
    is_kept: bool


class Fault(Struct, frozen=True, kw_only=True):
    """What was not understood, or was changed: its kind in few words, its line from 1, and a sentence.

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

    Its functions depend on the content of a source alone, and read it in constant memory. Whatever bytes come, `read`
    raises nothing but `OSError` of the source: what it does not understand becomes a `Fault`. A message of a source
    that grew keeps its key and its parent, so that another import adds only what is new.
    """

    @property
    def name(self) -> str:
        """The name of the format: lower-case letters, digits, `-`."""

    def recognizes(self, head: Head, /) -> bool:
        """Whether a source that begins so has this format."""

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """The steps of a source, from its beginning; it can be sought."""


@runtime_checkable
class FolderFormat(HistoryFormat, Protocol):
    """A format of which a conversation is in several files. These are one source, as `folders.py` says."""

    def folder_of(self, path: PurePath, /) -> PurePath | None:
        """The folder whose files are read together with a file, by its path; None for a file of another format."""

    def in_order(self, paths: Iterable[str], /) -> Iterator[str]:
        """The paths of the files of a folder, in the order in which they are to be read."""
