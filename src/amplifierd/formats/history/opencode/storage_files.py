"""The files of opencode before version 1.2: each session, message and part of a message is a JSON file below `storage`.

A session is `session/PROJECT/SESSION.json`, a message `message/SESSION/MESSAGE.json`, a part `part/MESSAGE/PART.json`.
The ids come from the paths, because opencode moved files without changing their content.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import IO, Any, NamedTuple

from ..folders import FileRecord, read_files
from ..interface import AttachedRecord, Chat, Fault, Head, Object, Step
from ..values import labels_of, line_of, object_of, texts_of, time_of, without
from .records import NAME, StoredMessage, last_turns, turns

# The kinds of files, with the prefix of the folder below the kind's folder, if there is one, and the prefix of the id.
_KINDS = {
    "session": ("", "ses_"),
    "message": ("ses_", "msg_"),
    "part": ("msg_", ""),
    "todo": (None, "ses_"),
    "session_diff": (None, "ses_"),
}
# In this order the files about a session come before its messages.
_OF_A_SESSION = ("session", "todo", "session_diff")


class _File(NamedTuple):
    """The path of a file: its kind, the id of its parent, and its own id."""

    kind: str
    above: str
    key: str


def storage_of(path: PurePath) -> PurePath | None:
    """The folder `storage` of a file."""
    for count in (3, 2):
        if len(path.parts) >= count and _file_of("/".join(path.parts[-count:])) is not None:
            return path.parents[count - 1]
    return None


def _file_of(path: str) -> _File | None:
    *folders, name = path.split("/")
    kind = folders.pop(0) if folders else ""
    above, (above_begins, begins) = "/".join(folders), _KINDS.get(kind, (None, ""))
    is_one = not folders if above_begins is None else len(folders) == 1 and above.startswith(above_begins)
    if not is_one or kind not in _KINDS or not name.startswith(begins) or not name.endswith(".json"):
        return None
    return _File(kind, above, name.removesuffix(".json"))


def files_in_order(paths: Iterable[str]) -> Iterator[str]:
    """The paths of each session, then of each of its messages and of their parts; in the end, parts of no message."""
    about: dict[str, list[tuple[int, str]]] = defaultdict(list)
    messages: dict[str, list[tuple[str, str]]] = defaultdict(list)
    parts: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        file = _file_of(path)
        if file is None:
            continue
        if file.kind == "part":
            parts[file.above].append(path)
        elif file.kind == "message":
            messages[file.above].append((file.key, path))
        else:
            about[file.key].append((_OF_A_SESSION.index(file.kind), path))
    for session in sorted(about.keys() | messages.keys()):
        yield from (path for _, path in sorted(about[session]))
        for message, path in sorted(messages[session]):
            yield path
            yield from sorted(parts.pop(message, []))
    for _, left in sorted(parts.items()):
        yield from sorted(left)


def is_storage(head: Head) -> bool:
    """Whether a source with this beginning consists of the files of a folder of opencode."""
    return any(_file_of(f"{record.get('file')}") is not None for record in head.records if "file" in record)


def read_storage(source: IO[bytes]) -> Iterator[Step]:
    """The steps of the files."""
    reader = _StorageReader()
    for record in read_files(source):
        yield from reader.read(record)
    yield from reader.end()


class _StorageReader:
    def __init__(self) -> None:
        self._named: str | None = None
        self._about: Object = {}
        self._waiting: StoredMessage | None = None
        # A message whose file is missing or unreadable is reported once, and not for each of its parts.
        self._unread: str | None = None

    def read(self, record: FileRecord | Fault) -> Iterator[Step]:
        """The steps that are complete with a file."""
        file = _file_of(record.file)
        if isinstance(record, Fault):
            yield record
            if file is not None and file.kind == "message":
                self._unread = file.key
        elif file is None:
            yield Fault(kind="no file of opencode", line=1, sentence="Its path names no session.", file=record.file)
        elif file.kind == "part":
            yield from self._add_part(file, record)
        elif file.kind == "message":
            yield from self._begin_message(file, record)
        else:
            yield from self.end()
            yield from self._about_session(file, record)

    def end(self) -> Iterator[Step]:
        """The steps of the last message of a session."""
        if self._waiting is not None:
            yield from last_turns(self._waiting)
            self._waiting = None

    def _about_session(self, file: _File, record: FileRecord) -> Iterator[Step]:
        if file.kind == "session_diff":
            # The session's changes may be long, so they are kept with the first message.
            yield AttachedRecord(chat=file.key, record={file.kind: record.value})
        elif file.kind == "todo":
            yield Chat(key=file.key, context={NAME: {**self._about_of(file.key), file.kind: record.value}})
        elif isinstance(record.value, dict):
            chat = _chat(file, record.value)
            self._named, self._about = file.key, chat.context[NAME]
            yield chat
        else:
            yield Fault(kind="no session", line=1, sentence="The session is not an object.", file=record.file)

    def _about_of(self, session: str) -> Object:
        return self._about if self._named == session else {}

    def _begin_message(self, file: _File, record: FileRecord) -> Iterator[Step]:
        if self._waiting is not None and self._waiting.chat == file.above:
            yield from turns(self._waiting)
        else:
            yield from self.end()
        if self._named != file.above:
            self._named = file.above
            sentence = f"The session {file.above} has no file; its messages are imported without its name."
            yield Fault(kind="missing session", line=1, sentence=sentence, file=record.file)
        value = record.value
        data = without(value, "id", "sessionID") if isinstance(value, dict) else value
        self._waiting = StoredMessage(file.above, file.key, _created_at(value), data, [], record.file)

    def _add_part(self, file: _File, record: FileRecord) -> Iterator[Step]:
        value = record.value
        data = without(value, "id", "sessionID", "messageID") if isinstance(value, dict) else value
        if self._waiting is not None and self._waiting.key == file.above:
            self._waiting.parts.append((file.key, data))
            return
        if self._unread != file.above:
            self._unread = file.above
            sentence = f"The message {file.above} has no file; its parts are kept with their session."
            yield Fault(kind="missing message", line=1, sentence=sentence, file=record.file)
        [chat] = texts_of(value, "sessionID")
        if chat is not None:
            yield AttachedRecord(chat=chat, record=value)


def _created_at(value: Any) -> Any:
    return object_of(object_of(value).get("time")).get("created")


def _chat(file: _File, value: Object) -> Chat:
    return Chat(
        key=file.key,
        name=line_of(value.get("title")),
        created_at=time_of(_created_at(value)),
        labels=labels_of(directory=value.get("directory"), project=file.above),
        context={NAME: without(value, "id", "title", "directory", "parentID")},
        parent=texts_of(value, "parentID")[0],
        archived=object_of(value.get("time")).get("archived") is not None,
    )
