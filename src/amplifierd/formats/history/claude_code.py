"""Claude Code's transcripts (`~/.claude/projects/**/*.jsonl`): a line for each message, block or event.

A response of the model has a line for each block, and the result of each parallel call follows the line of its call:
the lines form a tree in the file, and one path in the conversation.
"""

from collections.abc import Iterator
from typing import IO, Any

from ..anthropic import Anthropic
from ..blocks import type_of
from .interface import AttachedRecord, Chat, Fault, Head, Object, Place, SessionName, Step, Title, Turn
from .json_records import Record, read_steps
from .values import (
    labels_of,
    line_of,
    list_of,
    name_of_prompt,
    object_of,
    text_part,
    texts_of,
    time_of,
    usage_of,
    without,
)

NAME = "claude-code"

_MESSAGES = frozenset({"user", "assistant"})
# The record and its member that name a session; the first is the user's.
_USER_TITLE = "custom-title"
_TITLES = {_USER_TITLE: "customTitle", "ai-title": "aiTitle"}
_EVENTS = frozenset({"system", "attachment", "progress", "summary", "file-history-snapshot", "queue-operation"})
_ANTHROPIC = Anthropic()


class ClaudeCode:
    """A session for each `sessionId`, and one for each agent that it called (a sidechain)."""

    name = NAME

    def recognizes(self, head: Head, /) -> bool:
        """See `HistoryFormat`."""
        return any(_is_own(record) for record in head.records)

    def read(self, source: IO[bytes], /) -> Iterator[Step]:
        """See `HistoryFormat`."""
        reader = _Reader()
        yield from read_steps(source, reader.read)
        yield from reader.end()


def _is_own(record: Object) -> bool:
    kind = type_of(record)
    if kind in _MESSAGES:
        return "uuid" in record and "sessionId" in record and isinstance(record.get("message"), dict)
    if kind == "summary":
        return "leafUuid" in record
    return kind in _EVENTS | _TITLES.keys() and ("sessionId" in record or "messageId" in record)


class _Response:
    """The lines of a response of the model and the results of its calls, as one path that ends at `tip`."""

    def __init__(self, message_id: Any, tip: str) -> None:
        self.message_id = message_id
        self.tip = tip
        self.calls: set[str] = set()
        self.is_followed = False
        self.usage: Object = {}


class _Reader:
    def __init__(self) -> None:
        self._chat = ""
        # For the id of each line: the message, and its conversation, after which the next message comes.
        self._stands_for: dict[str, str | None] = {}
        self._chat_of: dict[str, str] = {}
        self._responses: dict[str, _Response] = {}
        self._waiting: list[tuple[str | None, Any]] = []
        self._summaries: list[Record] = []
        self._said: set[str] = set()
        # The conversations that the user named.
        self._titled: set[str] = set()
        # Whether the file names sessions of other files.
        self._is_named = False

    def read(self, record: Record) -> Iterator[Step]:
        value = record.value
        kind = type_of(value)
        if kind == "summary":
            self._summaries.append(record)
            return
        session, uuid = texts_of(value, "sessionId", "uuid")
        text = _typed_text(value)
        if uuid is not None and session is not None and (kind in _MESSAGES or text is not None):
            yield from self._message(record, session, uuid, text)
        elif kind in _TITLES and session is not None:
            yield self._title(session, kind, value)
        else:
            yield from self._event(value, uuid, session)
            if not kind:
                sentence = "The record has no type that is known; it is kept with its session."
                yield Fault(kind="unknown record", line=record.line, sentence=sentence)

    def end(self) -> Iterator[Step]:
        """The steps that require all lines."""
        for summary in self._summaries:
            yield from self._summary(summary)
        if not self._chat and not self._is_named:
            sentence = "The file has records of a session, and no message."
            yield Fault(kind="no messages", line=1, sentence=sentence)
        for chat, record in self._waiting:
            if self._chat:
                yield AttachedRecord(chat=chat or self._chat, record=record)

    def _title(self, session: str, kind: str, value: Object) -> Step:
        """The name of a whole conversation. Only another name by the user replaces one that the user gave."""
        name = line_of(value.get(_TITLES[kind]))
        if kind != _USER_TITLE and session in self._titled:
            return AttachedRecord(chat=session, record=value)
        if kind == _USER_TITLE and name is not None:
            self._titled.add(session)
        return Chat(key=session, name=name)

    def _summary(self, record: Record) -> Iterator[Step]:
        """The name of the branch that contains a message of this file or another, unless the user named it."""
        leaf, title = texts_of(record.value, "leafUuid", "summary")
        place = self._place_of(leaf)
        if place is not None and title is not None:
            chat = self._chat_of[place]
            if chat in self._titled:
                yield AttachedRecord(chat=chat, record=record.value)
            else:
                yield Title(chat=chat, key=place, name=title)
            return
        if self._chat:
            yield AttachedRecord(chat=self._chat, record=record.value)
        if leaf is not None and title is not None:
            self._is_named = True
            yield SessionName(key=leaf, name=title, line=record.line, is_kept=bool(self._chat))

    def _event(self, value: Object, uuid: str | None, session: str | None) -> Iterator[Step]:
        """A record that is not a message: its successors follow the message before it."""
        if uuid is not None:
            self._stands_for[uuid] = self._before(value)
        if not self._chat:
            self._waiting.append((session, value))
        else:
            place = self._stands_for.get(uuid or "")
            yield AttachedRecord(chat=self._chat_of[place] if place else self._chat, record=value)

    def _before(self, value: Object) -> str | None:
        """The message before a record, if the source names it."""
        parent, logical = texts_of(value, "parentUuid", "logicalParentUuid")
        return self._place_of(parent) if parent is not None else self._place_of(logical)

    def _place_of(self, uuid: str | None) -> str | None:
        """The message for which an id of a line stands."""
        return self._stands_for.get(uuid) if uuid is not None else None

    def _message(self, record: Record, session: str, uuid: str, text: str | None) -> Iterator[Step]:
        value = record.value
        is_repeated = uuid in self._chat_of
        chat = self._chat_of[uuid] if is_repeated else self._conversation_of(value, session)
        self._chat = chat
        yield from self._about(chat, value, session)
        yield from self._release(chat)
        parent = self._parent_of(value, uuid, chat) if not is_repeated else None
        self._stands_for[uuid] = uuid
        self._chat_of[uuid] = chat
        message = _message_of(value, text)
        if usage := self._usage(value, uuid):
            message["usage"] = usage
        yield Turn(chat=chat, key=uuid, parent=parent, line=record.line, message=message)

    def _conversation_of(self, value: Object, session: str) -> str:
        """The session, or the session of the agent that wrote the record."""
        if value.get("isSidechain") is not True:
            return session
        [agent] = texts_of(value, "agentId")
        if agent is not None:
            return f"{session}/{agent}"
        before = self._before(value)
        if before is not None and self._chat_of[before] != session:
            return self._chat_of[before]
        return f"{session}/{value['uuid']}"

    def _release(self, chat: str) -> Iterator[Step]:
        """The records before the first message."""
        for _, record in self._waiting:
            yield AttachedRecord(chat=chat, record=record)
        self._waiting = []

    def _about(self, chat: str, value: Object, session: str) -> Iterator[Step]:
        """The data of a line about its conversation, if it is new."""
        if chat in self._said:
            return
        self._said.add(chat)
        cwd, branch = texts_of(value, "cwd", "gitBranch")
        labels = labels_of(directory=cwd, git_branch=branch)
        time = time_of(value.get("timestamp"))
        if chat == session:
            yield Chat(key=chat, created_at=time, labels=labels)
        else:
            # Claude Code gives no title to what an agent does.
            labels |= labels_of(sidechain=chat.rpartition("/")[2])
            yield Chat(key=chat, name=_prompt_name(value), created_at=time, labels=labels, parent=session)

    def _parent_of(self, value: Object, uuid: str, chat: str) -> str | Place | None:
        parent, logical = texts_of(value, "parentUuid", "logicalParentUuid")
        if parent is None and logical is None:
            # A conversation continues after its context was compacted.
            return Place.PREVIOUS if value.get("isCompactSummary") is True else self._first(value, uuid)
        before = self._before(value)
        if before is None:
            known = parent in self._stands_for or logical in self._stands_for
            return self._first(value, uuid, is_first=known, missing=parent or logical)
        if self._chat_of[before] != chat:
            return self._first(value, uuid)
        return self._follow(value, uuid, before)

    def _first(
        self, value: Object, uuid: str, *, is_first: bool = True, missing: str | None = None
    ) -> str | Place | None:
        """A message without a predecessor, or with a missing one."""
        self._respond(value, uuid)
        return None if is_first else missing

    def _respond(self, value: Object, uuid: str) -> None:
        if value.get("type") == "assistant":
            message = object_of(value.get("message"))
            self._responses[uuid] = response = _Response(message.get("id"), uuid)
            response.calls |= _calls(message, "tool_use", "id")

    def _follow(self, value: Object, uuid: str, before: str) -> str | Place | None:
        response = self._responses.get(before)
        if response is None:
            self._respond(value, uuid)
            return before
        message = object_of(value.get("message"))
        is_result = bool(_calls(message, "tool_result", "tool_use_id") & response.calls)
        is_more = value.get("type") == "assistant" and message.get("id") == response.message_id is not None
        if not (is_result or is_more):
            response.is_followed = True
            self._respond(value, uuid)
            return response.tip
        response.calls |= _calls(message, "tool_use", "id")
        if response.is_followed:
            # The result is late: the conversation has already continued.
            return Place.PREVIOUS
        self._responses[uuid] = response
        parent, response.tip = response.tip, uuid
        return parent

    def _usage(self, value: Object, uuid: str) -> Object:
        """The usage of a line. Each line of a response has the sums so far, so only the increase counts, if any."""
        response = self._responses.get(uuid)
        if value.get("type") != "assistant" or response is None:
            return {}
        counted = _usage_of(object_of(object_of(value.get("message")).get("usage")))
        before, response.usage = response.usage, counted or response.usage
        added = {name: max(0, count - before.get(name, 0)) for name, count in counted.items()}
        return added if any(added.values()) or not before else {}


def _prompt_name(value: Object) -> str | None:
    """The name of a session by its first line, if that is a prompt."""
    content = object_of(value.get("message")).get("content")
    blocks = [{"text": content}] if isinstance(content, str) else list_of(content)
    texts = [text for block in blocks for text in texts_of(block, "text") if text is not None]
    return next(filter(None, map(name_of_prompt, texts)), None) if value.get("type") == "user" else None


def _usage_of(usage: Object) -> Object:
    read = usage_of(
        input=usage.get("input_tokens"),
        written=usage.get("cache_creation_input_tokens"),
        cached=usage.get("cache_read_input_tokens"),
        output=usage.get("output_tokens"),
    )
    if not read:
        return {}
    given = usage_of(inputTokens=sum(read.get(name, 0) for name in ("input", "written", "cached")))
    return given | usage_of(outputTokens=read.get("output"), cachedTokens=read.get("cached"))


def _calls(message: Object, block_type: str, key: str) -> set[str]:
    blocks = [block for block in list_of(message.get("content")) if isinstance(block, dict)]
    return {str(block.get(key)) for block in blocks if block.get("type") == block_type}


def _typed_text(value: Object) -> str | None:
    """A prompt that was typed while the model worked."""
    attachment = object_of(value.get("attachment"))
    if value.get("type") != "attachment" or attachment.get("type") != "queued_command":
        return None
    return texts_of(attachment, "prompt")[0]


def _message_of(value: Object, text: str | None) -> Object:
    own = without(value, "message", "timestamp", "uuid", "sessionId")
    if text is not None:
        message: Object = {"role": "user", "parts": [text_part(text)], "metadata": {}}
    else:
        source = object_of(value.get("message"))
        message = dict(_ANTHROPIC.read(source))
        message.setdefault("metadata", {})
        message["role"] = value["type"]
    message["metadata"] = {**message["metadata"], NAME: own}
    message["timestamp"] = value.get("timestamp")
    return message
