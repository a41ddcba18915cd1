"""The log of `llm` (`logs.db`) in its three generations; one database can contain several.

The first had one table, the second prompts and responses of conversations, and the third has messages of threads
(`llm_threads.py`). Fragments, attachments and tools are in separate tables
(https://llm.datasette.io/en/stable/logging.html).
"""

from collections.abc import Iterator
from typing import IO, Any

from ...blocks import fits, with_native
from ..interface import Chat, Fault, Head, Object, Step, Turn
from ..values import first_time, labels_of, line_of, text_part, texts_of, usage_of, without
from .llm_parts import NAME, file_part, non_null_columns
from .llm_threads import read_threads
from .rows import SQLITE, Database, json_of, plain, read_database

_CONVERSATIONS = "SELECT * FROM conversations ORDER BY rowid"
_RESPONSES = "SELECT * FROM responses ORDER BY datetime_utc, rowid"
# Before version 0.5 a row had its prompt, response and chat.
_LOG = "SELECT rowid AS number, * FROM log ORDER BY rowid"
_PROMPT_FRAGMENTS = """
    SELECT fragments.*
    FROM prompt_fragments JOIN fragments ON fragments.id = fragment_id
    WHERE response_id = ?
    ORDER BY "order"
"""
_SYSTEM_FRAGMENTS = _PROMPT_FRAGMENTS.replace("prompt_fragments", "system_fragments")
_ATTACHMENTS = """
    SELECT attachments.*
    FROM prompt_attachments JOIN attachments ON attachments.id = attachment_id
    WHERE response_id = ?
    ORDER BY "order"
"""
_RESULT_ATTACHMENTS = _ATTACHMENTS.replace("prompt_attachments", "tool_results_attachments").replace(
    "response_id", "tool_result_id"
)
_CALLS = "SELECT * FROM tool_calls WHERE response_id = ? ORDER BY id"
_RESULTS = "SELECT * FROM tool_results WHERE response_id = ? ORDER BY id"
_TOOLS = """
    SELECT tools.*
    FROM tool_responses JOIN tools ON tools.id = tool_id
    WHERE response_id = ?
    ORDER BY tools.id
"""
_SCHEMA = "SELECT content FROM schemas WHERE id = ?"
# The tables that a statement joins, by the table that names it.
_JOINED = {
    "prompt_fragments": "fragments",
    "system_fragments": "fragments",
    "prompt_attachments": "attachments",
    "tool_results_attachments": "attachments",
    "tool_responses": "tools",
}
_TEXTS = ("system", "prompt", "response", "reasoning")


class LLMLogs:
    """A session for each conversation, and two messages for each response: the prompt, and the answer."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return head.start.startswith(SQLITE) and (
            (b"conversations" in head.start and b"datetime_utc" in head.start)
            or b"tip_message_hash" in head.start
            or b"[log]" in head.start
        )

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        return read_database(source, _steps)


def _steps(database: Database) -> Iterator[Step]:
    if not database.tables & {"responses", "log", "threads"}:
        yield Fault(kind="no conversation", line=1, sentence="The database has no table threads, responses or log.")
    if "conversations" in database.tables:
        for row in database.rows(_CONVERSATIONS):
            key = f"{row.get('id')}"
            yield Chat(key=key, name=line_of(row.get("name")), labels=labels_of(model=row.get("model")))
    if "responses" in database.tables:
        for table in ("tool_calls", "tool_results"):
            database.index(table, "response_id")
        for row in database.rows(_RESPONSES):
            yield from _response(database, row)
    yield from read_threads(database)
    if "log" in database.tables:
        for old in database.rows(_LOG):
            chat = old.get("chat_id") or old.get("number")
            row = old | {"id": f"log-{old.get('number')}", "conversation_id": f"log-{chat}"}
            yield from _response(database, row)


def _response(database: Database, row: Object) -> Iterator[Step]:
    key, chat = f"{row.get('id')}", f"{row.get('conversation_id') or row.get('id')}"
    related = _RelatedRows(database, row.get("id"))
    time = first_time(row.get("datetime_utc"), row.get("timestamp_utc"))
    texts = dict(zip(_TEXTS, texts_of(row, *_TEXTS), strict=True))
    if system := [*related.fragments("system_fragments", _SYSTEM_FRAGMENTS), *_text(texts["system"])]:
        yield _turn(chat, f"{key}-system", "system", system, time)
    prompt = [
        *related.fragments("prompt_fragments", _PROMPT_FRAGMENTS),
        *_text(texts["prompt"]),
        *related.attachments(),
    ]
    results = related.results()
    if prompt or not results:
        yield _turn(chat, f"{key}-prompt", "user", prompt or [text_part("")], time)
    if results:
        yield _turn(chat, f"{key}-results", "tool", results, time)
    thought = [{"type": "reasoning", "text": texts["reasoning"]}] if texts["reasoning"] else []
    calls = related.calls()
    response_parts = _text(texts["response"])
    turn = _turn(
        chat, key, "assistant", [*thought, *(response_parts or ([] if calls else [text_part("")])), *calls], time
    )
    turn.message["metadata"] = {NAME: _other_columns(row, texts) | related.settings(row.get("schema_id"))}
    model = line_of(row.get("model"))
    usage = usage_of(inputTokens=row.get("input_tokens"), outputTokens=row.get("output_tokens"))
    turn.message.update({"model": model} if model else {}, **({"usage": usage} if usage else {}))
    yield turn


def _other_columns(row: Object, texts: dict[str, str | None]) -> Object:
    """The other columns of a response."""
    others = without(row, *(name for name, text in texts.items() if text is not None), "id", "conversation_id")
    return {
        name: json_of(value) if name.endswith(("_json", "token_details")) else plain(value)
        for name, value in others.items()
        if value is not None
    }


def _text(text: str | None) -> list[Object]:
    return [text_part(text)] if text else []


def _turn(chat: str, key: str, role: str, parts: list[Object], time: str | None) -> Turn:
    message: Object = {"role": role, "parts": parts, "metadata": {}, "timestamp": time}
    return Turn(chat=chat, key=key, line=1, message=message)


class _RelatedRows:
    """The rows of other tables about a response; older databases lack some of these tables."""

    def __init__(self, database: Database, response_id: Any) -> None:
        self._database = database
        self._id = response_id

    def fragments(self, table: str, statement: str) -> list[Object]:
        """The texts before a prompt, as parts."""
        return [
            with_native(text_part(f"{row.get('content') or ''}"), NAME, {"fragment": non_null_columns(row, "content")})
            for row in self._rows(table, statement)
        ]

    def attachments(self) -> list[Object]:
        """The files of a prompt, as parts."""
        return [file_part(row) for row in self._rows("prompt_attachments", _ATTACHMENTS)]

    def calls(self) -> list[Object]:
        """The calls of tools of an answer, as parts."""
        return [_call(row) for row in self._rows("tool_calls", _CALLS)]

    def results(self) -> list[Object]:
        """The tool results in a prompt, as parts."""
        found: list[Object] = []
        for row in self._rows("tool_results", _RESULTS):
            found.append(_result(row))
            attached = self._rows("tool_results_attachments", _RESULT_ATTACHMENTS, row.get("id"))
            found += map(file_part, attached)
        return found

    def settings(self, schema_id: Any) -> Object:
        """The tools that a prompt offered, and the schema of its answer."""
        tools = [non_null_columns(row) for row in self._rows("tool_responses", _TOOLS)]
        found: Object = {"tools": tools} if tools else {}
        if schema_id is not None and "schemas" in self._database.tables:
            for row in self._database.rows(_SCHEMA, schema_id):
                found["schema"] = json_of(row.get("content"))
        return found

    def _rows(self, table: str, statement: str, key: Any = None) -> Iterator[Object]:
        if not {table, _JOINED.get(table, table)} <= self._database.tables:
            return iter(())
        return self._database.rows(statement, self._id if key is None else key)


def _call(row: Object) -> Object:
    call, name, arguments = row.get("tool_call_id") or f"{row.get('id')}", row.get("name"), row.get("arguments")
    if not fits("call", call) or not fits("name", name):
        return {"type": "data", "kind": f"{NAME}.tool_call", "value": non_null_columns(row)}
    part = {"type": "tool_call", "call": call, "name": name, "input": f"{arguments or ''}"}
    return with_native(part, NAME, non_null_columns(row, "tool_call_id", "name", "arguments", "response_id"))


def _result(row: Object) -> Object:
    call = row.get("tool_call_id") or f"{row.get('id')}"
    if not fits("call", call):
        return {"type": "data", "kind": f"{NAME}.tool_result", "value": non_null_columns(row)}
    part: Object = {"type": "tool_result", "call": call, "output": f"{plain(row.get('output')) or ''}"}
    if row.get("exception") is not None:
        part["error"] = True
    return with_native(part, NAME, non_null_columns(row, "tool_call_id", "output", "response_id"))
