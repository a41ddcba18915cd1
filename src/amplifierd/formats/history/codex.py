"""Codex's rollouts (`~/.codex/sessions/**/*.jsonl`): items of OpenAI's Responses API, with the events around them.

Since 2025-09 a line has a `type` and a `payload`. Before, the first line described the session, and each other line was
an item.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import IO, Any

from ..blocks import type_of
from ..openai_responses import OpenAIResponses
from .interface import AttachedRecord, Chat, Fault, Head, Object, Step, Turn
from .json_records import Record, read_steps
from .values import labels_of, name_of_prompt, object_of, texts_of, time_of, usage_of

NAME = "codex"

_LINE_TYPES = frozenset(
    {
        "session_meta",
        "response_item",
        "event_msg",
        "turn_context",
        "compacted",
        "world_state",
        "token_usage_record",
    }
)
_ITEM_TYPES = frozenset(
    {
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "local_shell_call",
        "web_search_call",
        "image_generation_call",
    }
)
_RESPONSES = OpenAIResponses()
# Codex sends the instructions of a project as a message of the user.
_INSTRUCTIONS = "# AGENTS.md instructions"
# A message of the user with one of these elements is not a turn of the user: Codex wrote it.
_CONTEXT_ELEMENTS = (
    "user_instructions",
    "environment_context",
    "skill",
    "skills_instructions",
    "user_shell_command",
    "turn_aborted",
    "subagent_notification",
    "agent_message_board_notification",
    "recommended_plugins",
    "hook_prompt",
)
_CONTEXT = re.compile(rf"\s*<({'|'.join(_CONTEXT_ELEMENTS)})[\s>]")
# Editors write what is open before the prompt.
_PROMPT_FOLLOWS = "## My request for Codex:"


class Codex:
    """A session for each rollout, named after the first prompt, and a message for each item.

    Turns that were rolled back are a branch.
    """

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
    if isinstance(record.get("payload"), dict):
        return type_of(record) in _LINE_TYPES and "timestamp" in record
    return _is_old_session(record)


def _is_old_session(record: Object) -> bool:
    return "type" not in record and {"id", "timestamp", "instructions"} <= record.keys()


class _Reader:
    def __init__(self) -> None:
        self._chat = ""
        self._count = 0
        self._name: str | None = None
        self._model: str | None = None
        # A message waits for its usage, which is recorded after it.
        self._turn: Turn | None = None
        self._is_answer = False
        self._waiting: list[Object] = []
        self._path = _Path()

    def read(self, record: Record) -> Iterator[Step]:
        value = record.value
        payload = object_of(value.get("payload"))
        kind = type_of(value)
        if kind == "session_meta" and not self._chat:
            yield self._session(payload, value)
        elif not self._chat and _is_old_session(value):
            yield self._session(value, value)
        elif kind == "response_item" and payload:
            yield from self._item(record.line, payload, value)
        elif kind in _ITEM_TYPES and "payload" not in value:
            yield from self._item(record.line, value, value)
        else:
            self._event(value, payload)
            if kind not in _LINE_TYPES and "record_type" not in value:
                sentence = "The record has no type that is known; it is kept with the next message."
                yield Fault(kind="unknown record", line=record.line, sentence=sentence)

    def end(self) -> Iterator[Step]:
        """The last message."""
        if self._turn is not None:
            yield self._turn
        if not self._chat:
            yield Fault(kind="no session", line=1, sentence="The file does not say of which session it is.")
        for aside in self._waiting:
            if self._chat:
                yield AttachedRecord(chat=self._chat, record=aside)
        if self._path.is_shortened and self._chat:
            yield Chat(key=self._chat, current=self._path.tip)

    def _session(self, meta: Object, value: Object) -> Step:
        session, cwd, parent = texts_of(meta, "id", "cwd", "forked_from_id")
        git = object_of(meta.get("git"))
        labels = labels_of(directory=cwd, git_branch=git.get("branch"))
        self._chat = session or "unknown"
        time = time_of(meta.get("timestamp")) or time_of(value.get("timestamp"))
        return Chat(key=self._chat, created_at=time, labels=labels, parent=parent, context={NAME: meta})

    def _item(self, line: int, item: Object, value: Object) -> Iterator[Step]:
        if not self._chat:
            self._chat = "unknown"
            yield Fault(kind="no session", line=line, sentence="The file does not say of which session it is.")
        if self._turn is not None:
            yield self._turn
        for aside in self._waiting:
            yield AttachedRecord(chat=self._chat, record=aside)
        self._waiting = []
        message: Object = {**_RESPONSES.read(item), "timestamp": value.get("timestamp")}
        if self._name is None and message["role"] == "user":
            self._name = _name_of(message)
            if self._name is not None:
                yield Chat(key=self._chat, name=self._name)
        self._is_answer = message["role"] == "assistant"
        if self._is_answer and self._model is not None:
            message.setdefault("model", self._model)
        self._count += 1
        key, parent = f"{self._count}", self._path.tip
        self._path.add(key, item, message)
        self._turn = Turn(chat=self._chat, key=key, parent=parent, line=line, message=message)

    def _event(self, value: Object, payload: Object) -> None:
        """Keep a record that is not a message until the next message; a token count is added to the last answer."""
        if payload.get("type") == "thread_rolled_back":
            self._path.roll_back(payload.get("num_turns"))
            self._is_answer = False
            self._name = self._name if self._path.has_turns else None
        if value.get("type") == "turn_context":
            self._model = texts_of(payload, "model")[0] or self._model
        usage = _usage_of(payload) if payload.get("type") == "token_count" else {}
        if usage and self._turn is not None and self._is_answer and "usage" not in self._turn.message:
            self._turn.message["usage"] = usage
        self._waiting.append(value)


class _Path:
    """The messages of the conversation that were not rolled back."""

    def __init__(self) -> None:
        # The key of each message, and whether Codex wrote it as context of the next turn.
        self._messages: list[tuple[str, bool]] = []
        # The places at which turns of the user begin.
        self._turns: list[int] = []
        self.is_shortened = False

    @property
    def tip(self) -> str | None:
        """The key of the last message."""
        return self._messages[-1][0] if self._messages else None

    @property
    def has_turns(self) -> bool:
        """Whether a turn of the user is left."""
        return bool(self._turns)

    def add(self, key: str, item: Object, message: Object) -> None:
        """Add the next message, read from an item."""
        is_context = message["role"] == "developer" or (message["role"] == "user" and _is_context(message))
        if (message["role"] == "user" and not is_context) or type_of(item) == "agent_message":
            self._turns.append(len(self._messages))
        self._messages.append((key, is_context))

    def roll_back(self, count: Any) -> None:
        """Remove the last turns of the user with all that follows them, as Codex does when it resumes the session.

        The context before the first of these turns is removed as well, but not that of the first turn of all.
        """
        if not isinstance(count, int) or isinstance(count, bool) or count < 1 or not self._turns:
            return
        end = self._turns[max(0, len(self._turns) - count)]
        while end > self._turns[0] and self._messages[end - 1][1]:
            end -= 1
        del self._messages[end:]
        del self._turns[bisect_left(self._turns, end) :]
        self.is_shortened = True


def _is_context(message: Object) -> bool:
    texts = [part["text"] for part in message["parts"] if part["type"] == "text"]
    return any(text.startswith(_INSTRUCTIONS) or _CONTEXT.match(text) for text in texts)


def _name_of(message: Object) -> str | None:
    """The name of a session by a message of the user; None if Codex wrote all of its texts."""
    texts = [part["text"] for part in message["parts"] if part["type"] == "text"]
    prompts = [text.rpartition(_PROMPT_FOLLOWS)[2] for text in texts if not text.startswith(_INSTRUCTIONS)]
    return next(filter(None, map(name_of_prompt, prompts)), None)


def _usage_of(payload: Object) -> Object:
    last = object_of(object_of(payload.get("info")).get("last_token_usage"))
    return usage_of(
        inputTokens=last.get("input_tokens"),
        outputTokens=last.get("output_tokens"),
        cachedTokens=last.get("cached_input_tokens"),
        reasoningTokens=last.get("reasoning_output_tokens"),
    )
