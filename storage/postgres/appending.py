"""Messages on their way into PostgreSQL: many requests, one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ..clock import now
from ..messages import tokens_of
from ..records import BatchMessage
from ..sums import MOST
from .binding import storable
from .lexemes import Tokenizer

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Appending:
    """A request for messages at the end of a session."""

    session_id: str
    messages: Sequence[BatchMessage]

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        return sum(len(message.content) for message in self.messages)


def columns(workspace: str, requests: Sequence[Appending], tokenizer: Tokenizer) -> dict[str, object]:
    """What `statements.APPEND_MESSAGES` is given."""
    new = [message for request in requests for message in request.messages]
    words = [tokenizer.words(message.content) for message in new]
    pieces = [_pieces(message) for message in new]
    return {
        "workspace": workspace,
        "now": now(),
        "most": MOST,
        "session_ids": [storable(request.session_id) for request in requests],
        "counts": [len(request.messages) for request in requests],
        "tokens": [tokens_of(request.messages) for request in requests],
        "requests": [number for number, request in enumerate(requests, 1) for _ in request.messages],
        "places": [place for request in requests for place in range(1, len(request.messages) + 1)],
        "roles": [message.role for message in new],
        "token_counts": [message.token_count or 0 for message in new],
        "heads": [head for head, _, _ in pieces],
        "middles": [middle for _, middle, _ in pieces],
        "tails": [tail for _, _, tail in pieces],
        "sizes": [each.size for each in words],
        "texts": [each.text for each in words],
        "vectors": [each.vector for each in words],
    }


def _pieces(new: BatchMessage) -> tuple[str, str, str]:
    """A message's record but for its time and its sequence, which the database knows."""
    content = _encode(new.content).decode()
    agent = "" if new.agent is None else f',"agent":{_encode(new.agent).decode()}'
    tokens = "" if new.token_count is None else f',"tokenCount":{new.token_count}'
    return (
        f'{{"role":"{new.role}","content":{content},"timestamp":"',
        f'","metadata":{bytes(new.metadata).decode()},"sequence":',
        f"{agent}{tokens}}}",
    )
