"""The vectors of messages: searches compute them, and keep them by text."""

from collections.abc import Sequence
from functools import partial
from hashlib import sha256

from ...model.queries import Embedder
from ...model.records import Message, Session
from ...search.vectors import (
    MAX_COMPARED,
    TEXTS_AT_ONCE,
    Near,
    QueryVector,
    Vector,
    embed_accepted,
    embed_texts,
    nearest,
)
from ..contents import Workspace


class TextVectors:
    """The vectors of the texts that were compared last, at most `MAX_COMPARED`."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Vector | None] = {}

    async def nearest(
        self, embedder: Embedder, workspace: Workspace, vector: QueryVector, messages: Sequence[tuple[Session, Message]]
    ) -> list[Near]:
        """The messages with the most similar vectors, without those that are deleted or corrected meanwhile."""
        keys = [_key(message.content) for _, message in messages]
        # A copy, because another search may drop vectors meanwhile.
        kept = {key: self._kept[key] for key in keys if key in self._kept}
        texts = {key: message.content for key, (_, message) in zip(keys, messages, strict=True) if key not in kept}
        made = await _embed(embedder, texts)
        vectors = kept | made
        self._keep(made)
        candidates = []
        for key, (session, message) in zip(keys, messages, strict=True):
            found = vectors[key]
            if found is not None and _is_current(workspace, session.id, message):
                candidates.append(Near(session.id, message.sequence, message.role, found.numbers))
        return nearest(vector.vector, candidates)

    def _keep(self, made: dict[bytes, Vector | None]) -> None:
        self._kept |= made
        for key in [*self._kept][: max(0, len(self._kept) - MAX_COMPARED)]:
            del self._kept[key]


async def _embed(embedder: Embedder, texts: dict[bytes, str]) -> dict[bytes, Vector | None]:
    keys = [*texts]
    made: dict[bytes, Vector | None] = {}
    for first in range(0, len(keys), TEXTS_AT_ONCE):
        some = keys[first : first + TEXTS_AT_ONCE]
        vectors = await embed_accepted(partial(embed_texts, embedder), [texts[key] for key in some])
        made |= zip(some, vectors, strict=True)
    return made


def _key(text: str) -> bytes:
    # Not the text itself, which would stay in memory after it is deleted.
    return sha256(text.encode()).digest()


def _is_current(workspace: Workspace, session_id: str, message: Message) -> bool:
    conversation = workspace.conversations.get(session_id)
    return conversation is not None and conversation.messages[message.sequence - 1 : message.sequence] == [message]
