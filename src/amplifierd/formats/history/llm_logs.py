"""The log of `llm` (`logs.db`): prompts and responses of conversations in SQLite tables, or before in one table."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from tempfile import NamedTemporaryFile
from typing import IO, Any

from .interface import Chat, Fault, Head, Object, Step, Turn
from .json_records import decode
from .values import labels_of, line_of, text_part, time_of, usage_of, without

NAME = "llm"

_SQLITE = b"SQLite format 3\0"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
_CONVERSATIONS = "SELECT * FROM conversations ORDER BY rowid"
_RESPONSES = "SELECT * FROM responses ORDER BY datetime_utc, rowid"
# Before version 0.5 a row had its prompt, response and chat.
_LOG = "SELECT rowid AS number, * FROM log ORDER BY rowid"


class LLMLogs:
    """A session for each conversation, and two messages for each response: the prompt, and the answer."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return head.start.startswith(_SQLITE) and (
            (b"conversations" in head.start and b"datetime_utc" in head.start) or b"[log]" in head.start
        )

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        with NamedTemporaryFile(suffix=".db") as copied:
            shutil.copyfileobj(source, copied)
            copied.flush()
            try:
                with closing(sqlite3.connect(f"file:{copied.name}?mode=ro&immutable=1", uri=True)) as database:
                    database.row_factory = sqlite3.Row
                    database.text_factory = lambda text: text.decode(errors="replace")
                    yield from _rows(database)
            except sqlite3.Error as error:
                yield Fault(kind="not SQLite", line=1, sentence=f"The database cannot be read further: {error}.")


def _rows(database: sqlite3.Connection) -> Iterator[Step]:
    tables = {row["name"] for row in database.execute(_TABLES)}
    if not tables & {"responses", "log"}:
        yield Fault(kind="no conversation", line=1, sentence="The database has no table responses or log.")
    if "conversations" in tables:
        for row in database.execute(_CONVERSATIONS):
            key, name, model = _members(row, "id", "name", "model")
            yield Chat(key=str(key), name=line_of(name), labels=labels_of(model=model))
    if "responses" in tables:
        for row in database.execute(_RESPONSES):
            yield from _response({key: row[key] for key in row.keys()})  # noqa: SIM118  # a row iterates over values
    if "log" in tables:
        for row in database.execute(_LOG):
            old = {key: row[key] for key in row.keys()}  # noqa: SIM118
            chat = old.get("chat_id") or old["number"]
            yield from _response(old | {"id": f"log-{old['number']}", "conversation_id": f"log-{chat}"})


def _members(row: sqlite3.Row, *names: str) -> list[Any]:
    return [row[name] if name in row.keys() else None for name in names]  # noqa: SIM118


def _response(row: Object) -> Iterator[Step]:
    key, chat = f"{row.get('id')}", f"{row.get('conversation_id') or row.get('id')}"
    time = time_of(row.get("datetime_utc")) or time_of(row.get("timestamp_utc"))
    model = line_of(row.get("model"))
    texts = {name: row[name] for name in ("system", "prompt", "response") if isinstance(row.get(name), str)}
    own = {name: _json(name, value) for name, value in without(row, *texts, "id", "conversation_id").items()}
    own = {name: value for name, value in own.items() if value is not None}
    if texts.get("system"):
        yield _turn(chat, f"{key}-system", "system", texts["system"], time)
    yield _turn(chat, f"{key}-prompt", "user", texts.get("prompt", ""), time)
    answer = _turn(chat, key, "assistant", texts.get("response", ""), time)
    answer.message["metadata"] = {NAME: own}
    usage = usage_of(inputTokens=row.get("input_tokens"), outputTokens=row.get("output_tokens"))
    answer.message.update({"model": model} if model else {}, **({"usage": usage} if usage else {}))
    yield answer


def _turn(chat: str, key: str, role: str, said: str, time: str | None) -> Turn:
    message: Object = {"role": role, "parts": [text_part(said)], "metadata": {}, "timestamp": time}
    return Turn(chat=chat, key=key, line=1, message=message)


def _json(name: str, value: Any) -> Any:
    """The value of a column: those that are JSON as JSON."""
    if isinstance(value, bytes):
        return value.hex()
    if not isinstance(value, str) or not name.endswith(("_json", "token_details")):
        return value
    try:
        return decode(value.encode("utf-8", "replace"))[0]
    except ValueError:
        return value
