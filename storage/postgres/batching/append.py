"""Appends to PostgreSQL in batches: many requests, one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw, UnsetType

from ...model.part_records import MAX_COST, Usage, calls_of
from ...model.records import BatchMessage, IdempotentRequest, Versions
from ...operations.messages import last_message_bindings, message_of, size_of, tokens_of, usage_of
from ...values.clock import after
from ...values.json_text import MAX_SAFE_INTEGER
from ..binding import storable
from ..search.tsvector import Words, word_columns

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class AppendRequest:
    """A request to append messages to a session; see `append_messages`."""

    session_id: str
    messages: Sequence[BatchMessage]
    words: Sequence[Words]
    expected_sequence: int | None
    versions: Versions
    once: IdempotentRequest | None

    @property
    def size(self) -> int:
        """Its approximate size in bytes."""
        return size_of(self.messages)

    @property
    def expected_versions(self) -> str | None:
        """The versions that the session may have, as an array of PostgreSQL; None allows any."""
        if self.versions is None:
            return None
        return f"{{{','.join(map(str, self.versions if isinstance(self.versions, tuple) else ()))}}}"


def columns(workspace: str, requests: Sequence[AppendRequest], moment: str, keep_seconds: float) -> dict[str, object]:
    """The bindings of `PostgresStatements.APPEND_MESSAGES`, at a moment; responses are kept for `keep_seconds`."""
    new = [message for request in requests for message in request.messages]
    sums = [usage_of(request.messages) for request in requests]
    last = [last_message_bindings(request.messages[-1]) for request in requests]
    pieces = [_pieces(message) for message in new]
    return {
        "workspace": workspace,
        "now": moment,
        "most": MAX_SAFE_INTEGER,
        "session_ids": [storable(request.session_id) for request in requests],
        "counts": [len(request.messages) for request in requests],
        "tokens": [tokens_of(request.messages) for request in requests],
        "expected_sequences": [request.expected_sequence for request in requests],
        "expected_versions": [request.expected_versions for request in requests],
        "keys": [request.once and storable(request.once.key) for request in requests],
        "fingerprints": [request.once and request.once.fingerprint for request in requests],
        "expiry": after(moment, keep_seconds),
        "requests": [number for number, request in enumerate(requests, 1) for _ in request.messages],
        "places": [place for request in requests for place in range(1, len(request.messages) + 1)],
        "roles": [message.role for message in new],
        "token_counts": [message.token_count or 0 for message in new],
        "heads": [head for head, _, _ in pieces],
        "middles": [middle for _, middle, _ in pieces],
        "tails": [tail for _, _, tail in pieces],
        "usages": [_usage(message) for message in new],
        "input_sums": [each and each.input_tokens for each in sums],
        "output_sums": [each and each.output_tokens for each in sums],
        "cached_sums": [each and each.cached_tokens for each in sums],
        "reasoning_sums": [each and each.reasoning_tokens for each in sums],
        "costs": [each and each.cost for each in sums],
        "currencies": [each and each.currency for each in sums],
        "most_cost": MAX_COST,
        "last_roles": [each["last_role"] for each in last],
        "last_times": [each["last_time"] for each in last],
        "last_contents": [each["last_content"] for each in last],
        **word_columns([words for request in requests for words in request.words]),
        **_calls(requests),
    }


def _calls(requests: Sequence[AppendRequest]) -> dict[str, object]:
    """The calls that messages open and answer, each with the number of the request and the message's place in it."""
    calls = [
        (number, place, calls_of(message.parts))
        for number, request in enumerate(requests, 1)
        for place, message in enumerate(request.messages, 1)
        if isinstance(message.parts, Raw)
    ]
    opened = [(number, place, call) for number, place, each in calls for call in each.opened]
    answered = [(number, place, call) for number, place, each in calls for call in each.answered]
    return {
        "opened_requests": [number for number, _, _ in opened],
        "opened_places": [place for _, place, _ in opened],
        "opened_calls": [call for _, _, call in opened],
        "answered_requests": [number for number, _, _ in answered],
        "answered_places": [place for _, place, _ in answered],
        "answered_calls": [call for _, _, call in answered],
    }


def _usage(message: BatchMessage) -> str | None:
    """The JSON of a message's usage, None if it has none."""
    return None if isinstance(message.usage, UnsetType) else _encode(Usage.of(message.usage)).decode()


def _pieces(new: BatchMessage) -> tuple[str, str, str]:
    """A message's record without its time and its sequence, which the database assigns."""
    record = _encode(message_of(new, "", 0))
    # In a JSON string a quotation mark is escaped, so that the content cannot contain this.
    time_at = record.index(b',"timestamp":"') + len(b',"timestamp":"')
    sequence_at = time_at + len(b'","metadata":') + len(bytes(new.metadata)) + len(b',"sequence":')
    return record[:time_at].decode(), record[time_at:sequence_at].decode(), record[sequence_at + 1 :].decode()
