"""The newer tables of `llm`: threads, their turns (calls of a model), and messages that name the one before them.

Messages that threads share are stored once, under a hash of their content. A thread that was forked from another one
becomes a branch of its conversation.
"""

from collections.abc import Iterator
from typing import Any

from ...blocks import data_part, fits, text_of, with_native
from ...interface import ROLES
from ..interface import AttachedRecord, Chat, Fault, Object, Step, Title, Turn
from ..values import line_of, list_of, object_of, texts_of, time_of, usage_of, without
from .llm_parts import NAME, file_part, non_null_columns
from .rows import Database, json_of, plain

_TABLES = {"threads", "turns", "messages", "parts"}
_THREADS = "SELECT * FROM threads ORDER BY rowid"
_TURNS = "SELECT * FROM turns WHERE thread_id = ? ORDER BY datetime_utc, id"
_MESSAGE = "SELECT * FROM messages WHERE hash = ?"
_PARTS = "SELECT * FROM parts WHERE message_hash = ? ORDER BY position"
_FRAGMENT = "SELECT * FROM fragments WHERE id = ?"
_ATTACHMENT = "SELECT * FROM attachments WHERE id = ?"
_TOOLS = """
    SELECT tools.*
    FROM turn_tools JOIN tools ON tools.id = tool_id
    WHERE turn_id = ?
    ORDER BY tools.id
"""
_TURN_FRAGMENTS = """
    SELECT fragments.id, hash, source, kind
    FROM turn_fragments JOIN fragments ON fragments.id = fragment_id
    WHERE turn_id = ?
    ORDER BY kind, "order"
"""
_INSTANCES = """
    SELECT tool_call_id, tool_instances.*
    FROM tool_instantiations JOIN tool_instances ON tool_instances.id = instance_id
    WHERE turn_id = ?
    ORDER BY tool_call_id
"""
_SCHEMA = "SELECT content FROM schemas WHERE id = ?"


def read_threads(database: Database) -> Iterator[Step]:
    """The steps of all threads, if there are such tables."""
    if not database.tables >= _TABLES:
        return
    database.index("turns", "thread_id")
    database.index("parts", "message_hash")
    threads = {f"{row.get('id')}": row for row in database.rows(_THREADS)}
    roots = _roots_of(threads)
    conversations: dict[str, _Conversation] = {}
    for key, row in threads.items():
        root = roots[key]
        if root not in conversations:
            conversations[root] = _Conversation(database, root)
            yield _chat(threads[root])
        yield from conversations[root].read(key, row)


def _roots_of(threads: dict[str, Object]) -> dict[str, str]:
    """The root of each thread: the first thread in its chain of forks."""
    roots: dict[str, str] = {}
    for key in threads:
        # In the order of the walk.
        seen = {key: None}
        at = key
        while at not in roots and (above := f"{threads[at].get('forked_from')}") in threads and above not in seen:
            seen[above] = None
            at = above
        roots |= dict.fromkeys(seen, roots.get(at, at))
    return roots


def _chat(row: Object) -> Chat:
    more = non_null_columns(row, "id", "name", "datetime_utc", "tip_message_hash")
    return Chat(
        key=f"{row.get('id')}",
        name=line_of(row.get("name")),
        created_at=time_of(row.get("datetime_utc")),
        context={NAME: more} if more else {},
        current=texts_of(row, "tip_message_hash")[0],
    )


class _Conversation:
    """A thread with those that were forked from it; each of its messages is read once."""

    def __init__(self, database: Database, key: str) -> None:
        self._database = database
        self._key = key
        self._seen: set[str] = set()

    def read(self, key: str, row: Object) -> Iterator[Step]:
        """The messages of a thread, and the data of its turns."""
        for turn in self._database.rows(_TURNS, row.get("id")):
            yield from self._turn(turn)
        [tip] = texts_of(row, "tip_message_hash")
        yield from self._chain(tip, None, {})
        if key != self._key and tip is not None:
            yield Title(chat=self._key, key=tip, name=f"{row.get('name') or ''}")

    def _turn(self, turn: Object) -> Iterator[Step]:
        tip, parent = texts_of(turn, "tip_message_hash", "parent_message_hash")
        about = self._about(turn)
        time = time_of(turn.get("datetime_utc"))
        if tip is None or tip == parent or tip in self._seen:
            yield from self._chain(parent, time, {})
            yield AttachedRecord(chat=self._key, record={"turn": about})
            return
        yield from self._chain(parent, time, {})
        message: Object = {"metadata": {NAME: {"turn": about}}}
        usage = usage_of(inputTokens=turn.get("input_tokens"), outputTokens=turn.get("output_tokens"))
        model = line_of(turn.get("model"))
        yield from self._chain(
            tip, time, message | ({"model": model} if model else {}) | ({"usage": usage} if usage else {})
        )

    def _about(self, turn: Object) -> Object:
        """The data of a turn beside its messages."""
        own = without(turn, "thread_id", "tip_message_hash", "parent_message_hash", "datetime_utc", "schema_id")
        about = {
            name: json_of(value) if name.endswith(("_json", "_details")) else plain(value)
            for name, value in own.items()
        }
        found = {name: value for name, value in about.items() if value is not None}
        for name, statement, *tables in (
            ("tools", _TOOLS, "turn_tools", "tools"),
            ("fragments", _TURN_FRAGMENTS, "turn_fragments", "fragments"),
            ("instances", _INSTANCES, "tool_instantiations", "tool_instances"),
        ):
            if {*tables} <= self._database.tables and (rows := [*self._database.rows(statement, turn.get("id"))]):
                found[name] = [non_null_columns(row) for row in rows]
        for row in self._rows("schemas", _SCHEMA, turn.get("schema_id")):
            found["schema"] = json_of(row.get("content"))
        return found

    def _chain(self, tip: str | None, time: str | None, last: Object) -> Iterator[Step]:
        """The messages up to `tip` that were not read yet; the last one gets the members `last`."""
        rows: list[Object] = []
        key = tip
        while key is not None and key not in self._seen:
            self._seen.add(key)
            found = next(self._database.rows(_MESSAGE, key), None)
            if found is None:
                sentence = f"The message {key} is missing; what follows it begins the conversation."
                yield Fault(kind="missing message", line=1, sentence=sentence)
                key = None
                break
            rows.append(found)
            [key] = texts_of(found, "parent_hash")
        above = key
        for row in reversed(rows):
            is_last = row is rows[0]
            yield self._message(row, above, time, last if is_last else {})
            above = f"{row.get('hash')}"

    def _message(self, row: Object, parent: str | None, time: str | None, more: Object) -> Turn:
        parts: list[Object] = []
        for part in self._database.rows(_PARTS, row.get("hash")):
            parts += self._parts(part)
        role = row.get("role")
        own = {"provider_metadata": json_of(row.get("provider_metadata"))} if row.get("provider_metadata") else {}
        if role not in ROLES:
            own["role"] = plain(role)
        metadata = {NAME: own | object_of(object_of(more.get("metadata")).get(NAME))}
        message: Object = {
            **more,
            "role": role if role in ROLES else "assistant",
            "parts": parts,
            "metadata": {name: value for name, value in metadata.items() if value},
            "timestamp": time,
        }
        return Turn(chat=self._key, key=f"{row.get('hash')}", parent=parent, line=1, message=message)

    def _parts(self, row: Object) -> list[Object]:
        kind, payload = row.get("type"), object_of(json_of(row.get("payload")))
        if kind in {"text", "reasoning"}:
            own_text = row.get("text")
            text = own_text if isinstance(own_text, str) else self._text(payload)
            return [with_native({"type": kind, "text": text}, NAME, without(payload, "text"))]
        call, name = payload.get("tool_call_id") or f"{row.get('id')}", payload.get("name")
        if kind == "tool_call" and fits("call", call) and fits("name", name):
            part = {"type": "tool_call", "call": call, "name": name, "input": text_of(payload.get("arguments"))}
            return [with_native(part, NAME, without(payload, "tool_call_id", "name", "arguments"))]
        if kind == "tool_result" and fits("call", call):
            return [_result(call, payload), *self._files(list_of(payload.get("attachments")))]
        if kind == "attachment" and (files := self._files([payload.get("attachment")])):
            return files
        return [data_part({**non_null_columns(row, "payload"), "payload": payload}, NAME)]

    def _text(self, payload: Object) -> str:
        """A text that quotes fragments."""
        text = ""
        for piece in map(object_of, list_of(payload.get("text_ref"))):
            literal = piece.get("literal")
            if isinstance(literal, str):
                text += literal
            for fragment in self._rows("fragments", _FRAGMENT, piece.get("fragment")):
                text += f"{fragment.get('content') or ''}"
        return text

    def _files(self, references: list[Any]) -> list[Object]:
        keys = [object_of(reference).get("id") for reference in references]
        return [file_part(row) for key in keys for row in self._rows("attachments", _ATTACHMENT, key)]

    def _rows(self, table: str, statement: str, key: Any) -> Iterator[Object]:
        is_known = table in self._database.tables and isinstance(key, str | int)
        return self._database.rows(statement, key) if is_known else iter(())


def _result(call: str, payload: Object) -> Object:
    output = payload.get("output")
    part: Object = {
        "type": "tool_result",
        "call": call,
        "output": output if isinstance(output, str) else text_of(output),
    }
    if payload.get("exception") is not None:
        part["error"] = True
    return with_native(part, NAME, without(payload, "tool_call_id", "output", "attachments"))
