"""A session as one JSON object on a line: a list of messages, and the member `amplifierd`.

The member `amplifierd` has the data that an import cannot restore from the messages: the session, and for each message
the members that differ, with the number of messages that it became, if that is not 1. `export_member.py` reads it. The
losses are at its end, because they are known only then.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from ...storage.model.records import Message, Session
from ..export_member import EXPORT_MEMBER, is_same_json
from ..history import MAX_BYTES, line_of, without
from ..interface import Object
from .interface import DigestOf, Losses

# The name of a stored file, because its relative URL has no meaning outside of the store.
FILE_URN = "urn:amplifierd:file:"
_FILES = "/files/"
# Members of a message that messages of other formats lack.
_BESIDE = ("id", "agent", "tokenCount", "usage", "editedAt")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


class ChatMessages(Protocol):
    """Converts a message to one or more messages of a format, and reads these."""

    @property
    def history(self) -> str:
        """The name of the history format that reads the records."""

    @property
    def member(self) -> str:
        """The member of a record that has the messages."""

    @property
    def own(self) -> str:
        """The member of a message's metadata that only this format understands."""

    def write(self, message: Object, /) -> list[Any]:
        """The messages."""

    def read(self, written: Any, /) -> Object:
        """The message that an import makes of one of them."""


class ChatRecordWriter:
    """Writes one session as a record; see `SessionWriter`."""

    is_read_twice = True

    def __init__(self, chat: ChatMessages, losses: Losses, digest: DigestOf) -> None:
        self._chat = chat
        self._losses = losses
        self._digest = digest
        self._is_first = True
        self._session: Object = {}

    def begin(self, session: Session, /) -> bytes:
        """See `SessionWriter`."""
        self._session = _decode(_encode(session))
        record = _record_of(session, self._chat)
        return _encode(record)[:-1] + (b"," if record else b"") + self._list_start()

    def add(self, message: Message, /) -> bytes:
        """See `SessionWriter`."""
        source = object_of(message)
        if "deletedAt" in source:
            self._losses.left_out["deleted messages"] += 1
            return b""
        written = self._chat.write(source)
        self._count(source, written)
        return b"".join(self._after_comma(_encode(each)) for each in written)

    def turn(self) -> bytes:
        """See `SessionWriter`."""
        session = self._session | {"context": without(self._session["context"], self._chat.history)}
        self._is_first = True
        return b'],"%s":{"session":%s,"messages":[' % (EXPORT_MEMBER.encode(), _encode(session))

    def add_again(self, message: Message, /) -> bytes:
        """See `SessionWriter`."""
        source = object_of(message)
        written = [] if "deletedAt" in source else self._chat.write(source)
        return self._after_comma(_encode(self._rest_of(source, written)))

    def end(self, size: int, /) -> bytes:
        """See `SessionWriter`."""
        if size > MAX_BYTES:
            self._losses.left_out[f"lines of over {MAX_BYTES} bytes, which an import does not read"] += 1
        losses = self._losses.record()
        losses_json = b',"losses":%s' % _encode(losses) if losses else b""
        return b"]%s}}\n" % losses_json

    def _list_start(self) -> bytes:
        return b'"%s":[' % self._chat.member.encode()

    def _rest_of(self, source: Object, written: list[Any]) -> Object:
        """The members of a message that an import cannot restore from the written messages."""
        reread = self._chat.read(written[0]) if written else {}
        return rest_of(source, reread, written, self._chat.own, self._digest)

    def _after_comma(self, text: bytes) -> bytes:
        before = b"" if self._is_first else b","
        self._is_first = False
        return before + text

    def _count(self, source: Object, written: list[Any]) -> None:
        found = [part for each in written for part in self._chat.read(each)["parts"]]
        for kind in _missing_types(source["parts"], found):
            self._losses.kept[f"parts of the type {kind}"] += 1


def rest_of(source: Object, reread: Object, written: list[Any], own: str, digest: DigestOf) -> Object:
    """The members of a message that differ from `reread`, which an import reads from the first of `written`."""
    rest: Object = {"timestamp": source["timestamp"]}
    rest |= {name: source[name] for name in _BESIDE if name in source}
    if source.get("model") != reread.get("model"):
        rest["model"] = source.get("model")
    if not is_same_json(_metadata_of(source, source, own), _metadata_of(reread, source, own)):
        rest["metadata"] = source["metadata"]
    is_one = len(written) == 1
    if not is_one or source["role"] != reread.get("role") or not is_same_json(source["parts"], reread.get("parts")):
        rest |= {"role": source["role"], "parts": source["parts"], "digest": digest(written)}
    if "deletedAt" in source:
        rest["deletedAt"] = source["deletedAt"]
    return rest if is_one else {**rest, "count": len(written)}


def object_of(message: Message) -> Object:
    """A message as JSON, always with parts; stored files have URLs that are absolute."""
    source: Object = _decode(_encode(message))
    parts = source.get("parts", [{"type": "text", "text": message.content}])
    source["parts"] = [_absolute(part) for part in parts]
    return source


def _absolute(part: Object) -> Object:
    if part["type"] == "file" and part["url"].startswith(_FILES):
        return {**part, "url": FILE_URN + part["url"].removeprefix(_FILES)}
    return part


def _missing_types(parts: list[Object], found: list[Object]) -> Iterator[str]:
    """The types of the parts that were not found unchanged."""
    left = Counter(_encode(_comparable(part)) for part in found)
    for part in parts:
        text = _encode(_comparable(part))
        if left[text]:
            left[text] -= 1
        else:
            yield part["type"]


def _comparable(part: Object) -> Object:
    """A part without the members that depend on the format, in a fixed order of keys."""
    return {key: part[key] for key in sorted(part) if key not in {"native", "id"}}


def _record_of(session: Session, chat: ChatMessages) -> Object:
    """The members of a record that an import kept in the context; with the name as its title."""
    context = _decode(bytes(session.context)).get(chat.history)
    record = without(context, chat.member, EXPORT_MEMBER) if isinstance(context, dict) else {}
    if session.name is not UNSET and line_of(record.get("title")) != session.name:
        record["title"] = session.name
    return record


def _metadata_of(message: Object, source: Object, own: str) -> Object:
    """The metadata of a message; without how a format writes its content, if its source does not say that."""
    metadata: Object = message.get("metadata", {})
    is_kept = own in source["metadata"] or "fields" in (metadata.get(own) or {})
    return metadata if is_kept else without(metadata, own)
