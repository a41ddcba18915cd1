"""Reads histories of other tools, as an import does."""

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path as FilePath
from typing import IO, Any

import msgspec

from amplifierd.contract import line_reader, load_document
from amplifierd.formats.history import (
    Branch,
    Collection,
    Fault,
    HistoryFormat,
    Layout,
    MessageFile,
    connect,
    history_formats,
    read_head,
    recognize,
)
from amplifierd.formats.history.opencode import OpenCode
from amplifierd.formats.imports import Records
from amplifierd.settings import CONTRACT
from amplifierd.storage.model.records import ExportLine
from amplifierd.storage.sql.temporary_files import Unlimited
from samples.histories import (
    lines,
)

Object = dict[str, Any]

ROOT = FilePath(__file__).parents[2]
FORMATS = history_formats()
READER = line_reader(load_document(CONTRACT), 2**30)


def read_branches(form: HistoryFormat, file: IO[bytes], stored_last: str | None = None) -> Iterator[Branch | Fault]:
    """The sessions, forks and faults of a source; the messages of each branch must be read before the next branch."""
    space = Unlimited()
    with closing(Records(READER, space)) as records, closing(MessageFile(space)) as messages:
        collection = Collection(form.name, records.accept, messages)
        yield from collection.collect(form.read(file))
        for conversation in collection.conversations.values():
            yield from connect(conversation)
            yield from Layout(collection, conversation).branches(stored_last)


class Read:
    """The content of a source: its sessions with their messages, and its faults by kind and line."""

    def __init__(self, source: bytes, name: str | None = None, stored_last: str | None = None) -> None:
        file = io.BytesIO(source)
        self.format = FORMATS[name] if name else recognize(FORMATS, read_head(file))
        self.sessions: list[Object] = []
        self.messages: dict[str, list[Object]] = {}
        self.faults: list[tuple[str, int]] = []
        for each in read_branches(self.format, file, stored_last):
            if isinstance(each, Branch):
                self._add(each)
            else:
                self.faults.append((each.kind, each.line))

    def _add(self, branch: Branch) -> None:
        """Add a branch, after checking that the contract accepts each of its lines."""
        found = [*branch.messages()]
        for line in (ExportLine(session=branch.session), *(ExportLine(message=each) for each in found)):
            READER.read_line(msgspec.json.encode(line), "The line")
        assert branch.session.message_count == len(found)
        self.sessions.append(json.loads(msgspec.json.encode(branch.session)))
        self.messages[branch.session.id] = [json.loads(msgspec.json.encode(message)) for message in found]

    def ids(self, place: int = 0) -> list[str]:
        """The ids of a session's messages."""
        return [message["id"] for message in self.messages[self.sessions[place]["id"]]]


def without_native(part: Object) -> Object:
    """A part without what only its format understands."""
    return {name: value for name, value in part.items() if name != "native"}


def joined(files: dict[str, Any]) -> bytes:
    """The files of a folder in the form that opencode's format reads."""
    order = OpenCode().in_order(files)
    return lines(*({"file": path, "record": files[path]} for path in order))
