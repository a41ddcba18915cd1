"""opencode's database (`~/.local/share/opencode/opencode.db`): sessions, their messages, and the parts of these.

The columns `data` are JSON. A message is read once it is complete: its parts change until then.
"""

from collections.abc import Iterator
from typing import IO, Any

from ...blocks import data_part, fits, text_of, type_of, with_native
from ..interface import AttachedRecord, Chat, Fault, Head, Object, Step, Turn
from ..values import labels_of, line_of, list_of, object_of, texts_of, time_of, usage_of, without
from .rows import SQLITE, Database, json_of, plain, read_database

NAME = "opencode"

_TABLES = {"session", "message", "part"}
_SESSIONS = "SELECT * FROM session ORDER BY id"
_MESSAGES = "SELECT id, time_created, data FROM message WHERE session_id = ? ORDER BY time_created, id"
_PARTS = "SELECT id, data FROM part WHERE message_id = ? ORDER BY id"
_TEXTS = {"text": "text", "reasoning": "reasoning"}
_ENDED = frozenset({"completed", "error"})


class OpenCode:
    """A session for each of opencode's; those of agents belong to the session of their caller."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return head.start.startswith(SQLITE) and all(
            name in head.start for name in (b"session", b"message_id", b"project_id", b"time_created")
        )

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        return read_database(source, _steps)


def _steps(database: Database) -> Iterator[Step]:
    if not database.tables >= _TABLES:
        yield Fault(kind="no conversation", line=1, sentence="The database has no tables session, message and part.")
        return
    database.index("message", "session_id")
    database.index("part", "message_id")
    for row in database.rows(_SESSIONS):
        yield _chat(row)
        yield from _messages(database, row.get("id"))


def _chat(row: Object) -> Chat:
    taken = ("id", "title", "directory", "parent_id", "time_created")
    context = {name: json_of(value) for name, value in without(row, *taken).items() if value is not None}
    return Chat(
        key=f"{row.get('id')}",
        name=line_of(row.get("title")),
        created_at=time_of(row.get("time_created")),
        labels=labels_of(directory=row.get("directory"), project=row.get("project_id")),
        context={NAME: context},
        parent=texts_of(row, "parent_id")[0],
        archived=row.get("time_archived") is not None,
    )


def _messages(database: Database, session_id: Any) -> Iterator[Step]:
    waiting: Object | None = None
    for row in database.rows(_MESSAGES, session_id):
        if waiting is not None:
            yield from _turns(database, f"{session_id}", waiting)
        waiting = row
    if waiting is not None and _is_complete(object_of(json_of(waiting["data"]))):
        yield from _turns(database, f"{session_id}", waiting)
    elif waiting is not None:
        yield AttachedRecord(chat=f"{session_id}", record={**_plain(waiting), "parts": _parts_of(database, waiting)})
        sentence = f"The message {waiting['id']} is not complete; it is read as a message when it is."
        yield Fault(kind="not complete", line=1, sentence=sentence)


def _is_complete(data: Object) -> bool:
    is_answer = data.get("role") == "assistant"
    return not is_answer or "error" in data or object_of(data.get("time")).get("completed") is not None


def _plain(row: Object) -> Object:
    return {name: json_of(value) if name == "data" else plain(value) for name, value in row.items()}


def _parts_of(database: Database, row: Object) -> list[Object]:
    return [_plain(part) for part in database.rows(_PARTS, row["id"])]


def _turns(database: Database, chat: str, row: Object) -> Iterator[Step]:
    """A message, and another one with the results of its calls."""
    key, data = f"{row['id']}", json_of(row["data"])
    if not isinstance(data, dict):
        sentence = f"The message {key} is not an object."
        yield Fault(kind="no message", line=1, sentence=sentence)
        return
    parts: list[Object] = []
    results: list[Object] = []
    for part in _parts_of(database, row):
        own = part["data"]
        source = {"id": part["id"], **own} if isinstance(own, dict) else own
        parts.append(_part(source))
        results += _results(source)
    message = _message(data, parts, row)
    yield Turn(chat=chat, key=key, line=1, message=message)
    if results:
        ended = time_of(object_of(data.get("time")).get("completed")) or message["timestamp"]
        answered: Object = {"role": "tool", "parts": results, "metadata": {}, "timestamp": ended}
        yield Turn(chat=chat, key=f"{key}/results", line=1, message=answered)


def _message(data: Object, parts: list[Object], row: Object) -> Object:
    message: Object = {
        "role": "user" if data.get("role") == "user" else "assistant",
        "parts": parts,
        "metadata": {NAME: without(data, "role")},
        "timestamp": time_of(object_of(data.get("time")).get("created")) or time_of(row["time_created"]),
    }
    if (model := line_of(data.get("modelID"))) is not None:
        message["model"] = model
    if usage := _usage(object_of(data.get("tokens"))):
        message["usage"] = usage
    return message


def _usage(tokens: Object) -> Object:
    # What the cache has is not counted as input.
    cache = object_of(tokens.get("cache"))
    read = usage_of(input=tokens.get("input"), written=cache.get("write"), cached=cache.get("read"))
    if not read and "output" not in tokens:
        return {}
    counted = usage_of(inputTokens=sum(read.values())) if read else {}
    more = usage_of(outputTokens=tokens.get("output"), reasoningTokens=tokens.get("reasoning"))
    return counted | more | usage_of(cachedTokens=cache.get("read"))


def _part(source: Any) -> Object:
    kind = type_of(source)
    if kind in _TEXTS and isinstance(source.get("text"), str):
        part: Object = {"type": _TEXTS[kind], "text": source["text"]}
        return with_native(part, NAME, without(source, "type", "text"))
    if kind == "tool" and fits("call", source.get("callID")) and fits("name", source.get("tool")):
        given = text_of(object_of(source.get("state")).get("input"))
        part = {"type": "tool_call", "call": source["callID"], "name": source["tool"], "input": given}
        return with_native(part, NAME, without(source, "type", "callID", "tool", "state"))
    if kind == "file" and fits("media", source.get("mime")) and fits("url", source.get("url")):
        part = {"type": "file", "media": source["mime"], "url": source["url"]}
        if fits("name", source.get("filename")):
            part["name"] = source["filename"]
        return with_native(part, NAME, without(source, "type", "mime", "url"))
    return data_part(source, NAME)


def _results(source: Any) -> Iterator[Object]:
    """The result of a call that has ended, with its files."""
    state = object_of(object_of(source).get("state"))
    status, output, error = texts_of(state, "status", "output", "error")
    if type_of(source) != "tool" or status not in _ENDED or not fits("call", source.get("callID")):
        return
    part: Object = {"type": "tool_result", "call": source["callID"], "output": error or output or ""}
    if status == "error":
        part["error"] = True
    # Whatever is not a text stays as it is.
    taken = ["input", "attachments", *(name for name in ("output", "error") if isinstance(state.get(name), str))]
    yield with_native(part, NAME, {"state": without(state, *taken)})
    yield from (_part(each) for each in list_of(state.get("attachments")))
