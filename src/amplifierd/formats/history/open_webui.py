"""Open WebUI's export of chats: a tree of messages for each."""

import html
import re
from collections.abc import Iterator
from typing import IO, Any

from ..blocks import fits, with_native
from ..openai_responses import OpenAIResponses
from .interface import Chat, Fault, Head, Object, Step, Turn
from .json_records import Record, decode, read_steps
from .values import (
    labels_of,
    line_of,
    list_of,
    message_id_of,
    object_of,
    text_part,
    texts_of,
    time_of,
    usage_of,
    without,
)

NAME = "open-webui"

_ROLES = frozenset({"user", "assistant", "system", "tool"})
_RESPONSES = OpenAIResponses()
# A block of a stored content: its type, its other attributes, and its summary; its body follows.
_BLOCK = re.compile(
    r'<details type="(tool_calls|reasoning|code_interpreter)"((?: [\w-]++="[^"]*+")*+)>\n?'
    r"<summary>([^<]*+)</summary>\n?"
)
_BLOCK_START = "<details"
_BLOCK_END = "</details>"
_ATTRIBUTE = re.compile(r' ([\w-]++)="([^"]*+)"')
_ENTITY = re.compile(r"&(amp|lt|gt|quot|#x27|#39);")
_LINE_BREAKS = re.compile(r"\n*+")
_CODE = re.compile(r"```[^\n`]*+\n(.*)\n```\n?", re.DOTALL)


class OpenWebUI:
    """A session for each chat; each edit and each other answer is a branch."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(isinstance(_history(record).get("messages"), dict) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        return read_steps(source, _chat)


def _history(record: Object) -> Object:
    return object_of(object_of(record.get("chat")).get("history"))


def _chat(record: Record) -> Iterator[Step]:
    value = record.value
    chat = object_of(value.get("chat"))
    messages = _history(value).get("messages")
    key = texts_of(value, "id")[0] or texts_of(chat, "id")[0]
    if key is None or not isinstance(messages, dict):
        sentence = "The record has no id or no messages of a chat."
        yield Fault(kind="no conversation", line=record.line, sentence=sentence)
        return
    context = without(value, "chat", "title") | {"chat": without(chat, "history", "messages", "title")}
    yield Chat(
        key=key,
        line=record.line,
        name=line_of(value.get("title")) or line_of(chat.get("title")),
        created_at=time_of(value.get("created_at")) or time_of(chat.get("timestamp")),
        labels=labels_of(folder=value.get("folder_id")),
        context={NAME: context},
        current=texts_of(_history(value), "currentId")[0],
        archived=value.get("archived") is True,
        pinned=value.get("pinned") is True,
    )
    for message_key, message in messages.items():
        if isinstance(message, dict):
            parent = texts_of(message, "parentId")[0]
            yield Turn(
                chat=key, key=message_key, parent=parent, line=record.line, message=_message(message, message_key)
            )
        else:
            sentence = f"The message {message_key} is not an object."
            yield Fault(kind="no message", line=record.line, sentence=sentence)


def _message(source: Object, key: str) -> Object:
    [role] = texts_of(source, "role")
    output = [each for each in list_of(source.get("output")) if isinstance(each, dict)]
    # The items of a response contain as parts what the content contains as HTML.
    parts = [part for item in output for part in _RESPONSES.read(item)["parts"]]
    parts = parts or _content(source.get("content"), message_id_of(key) if role == "assistant" else None)
    consumed = ("id", "parentId", "childrenIds", "role", *(() if output else ("content",)))
    message: Object = {
        "role": role if role in _ROLES else "assistant",
        "parts": [*parts, *(_file(each) for each in list_of(source.get("files")))],
        "metadata": {NAME: without(source, *consumed)},
        "timestamp": source.get("timestamp"),
    }
    if (model := line_of(source.get("model"))) is not None:
        message["model"] = model
    if usage := _usage(object_of(source.get("usage"))):
        message["usage"] = usage
    return message


def _content(content: Any, answer: str | None) -> list[Object]:
    """The parts of a content; `answer` is the id of an answer, whose text may have blocks."""
    if isinstance(content, str):
        return _parts_of_text(content, answer) if answer is not None else [text_part(content)] if content else []
    return [] if content is None else [{"type": "data", "kind": f"{NAME}.content", "value": content}]


def _parts_of_text(text: str, answer: str) -> list[Object]:
    """The blocks of a text as parts, and the text before, between and after them. A block that is not exact is text."""
    parts: list[Object] = []
    begin = place = end = 0
    while end >= 0 and (found := _BLOCK.search(text, place)):
        place = found.end()
        end = text.find(_BLOCK_END, place) if end < place else end
        if end < 0 or 0 <= text.find(_BLOCK_START, place) < end:
            continue
        block = _block(found, text[place:end], f"{answer}/{len(parts) + 1}")
        if block:
            parts += [*_between(text[begin : found.start()].rstrip("\n")), *block]
            # Line breaks around a block belong to it.
            breaks = _LINE_BREAKS.match(text, end + len(_BLOCK_END))
            begin = place = breaks.end() if breaks else end
    return [*parts, *_between(text[begin:])]


def _between(text: str) -> list[Object]:
    return [text_part(text)] if text else []


def _block(found: re.Match[str], body: str, call: str) -> list[Object]:
    """The parts of a block; none if Open WebUI does not write it like that. `call` is the id of a call without one."""
    attributes = {name: _unescaped(value) for name, value in _ATTRIBUTE.findall(found[2])}
    texts = {name: value for name, value in attributes.items() if value is not None}
    if len(texts) < len(attributes):
        return []
    rest = {"summary": found[3]} | without(texts, "id", "name", "arguments", "result", "output")
    if found[1] == "reasoning":
        text = _quoted_text(body)
        return [] if text is None else [with_native({"type": "reasoning", "text": text}, NAME, rest)]
    call = texts["id"] if fits("call", texts.get("id")) else call
    if found[1] == "code_interpreter":
        code = _CODE.fullmatch(body)
        called, result = ("code_interpreter", code[1] if code else None), texts.get("output")
    else:
        called = texts.get("name", ""), _json_text(texts.get("arguments", ""))
        result = texts.get("result") or _unescaped(body.strip("\n"))
    part = {"type": "tool_call", "call": call, "name": called[0], "input": called[1]}
    output = _json_text(result or "")
    if not fits("name", called[0]) or called[1] is None or output is None:
        return []
    answered: Object = {"type": "tool_result", "call": call, **({"output": output} if result else {})}
    return [with_native(part, NAME, rest), *([answered] if result or texts.get("done") == "true" else [])]


def _unescaped(value: str) -> str | None:
    """A text with the entities that Open WebUI writes; None if it has others."""
    return html.unescape(value) if "&" not in _ENTITY.sub("", value) else None


def _json_text(text: str) -> str | None:
    """A text that is written as JSON, or another value as its JSON; None if it is not JSON."""
    if not text:
        return ""
    try:
        value, replaced = decode(text.encode())
    except ValueError:
        return None
    if replaced is not None:
        return None
    return value if isinstance(value, str) else text


def _quoted_text(body: str) -> str | None:
    """The text of a quotation in Markdown, whose lines begin with `>`, escaped or not; None if a line does not."""
    quoted = body.removesuffix("\n")
    if quoted.startswith("&gt;"):
        quoted = _unescaped(quoted) or ""
    lines = quoted.split("\n") if body else []
    if not all(line.startswith(">") for line in lines):
        return None
    # A line that began with `>` itself was not quoted.
    return "\n".join("" if line == ">" else line.removeprefix("> ") for line in lines)


def _file(value: Any) -> Object:
    kind, url, name = texts_of(value, "type", "url", "name")
    if url is None or ":" not in url:
        return {"type": "data", "kind": f"{NAME}.file", "value": value}
    media = "image/*" if kind == "image" else "application/octet-stream"
    part: Object = {"type": "file", "media": media, "url": url, "native": {NAME: without(object_of(value), "url")}}
    return part | ({"name": line_of(name)} if line_of(name) else {})


def _usage(usage: Object) -> Object:
    return usage_of(
        inputTokens=usage.get("prompt_tokens", usage.get("prompt_eval_count")),
        outputTokens=usage.get("completion_tokens", usage.get("eval_count")),
    )
