"""The sessions that are stored before an import, and the names that they get from it."""

from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ...storage.model.errors import SessionNotFound
from ...storage.model.interface import Storage
from ...storage.model.records import Message, Progressed, Session, SessionPatch, no_progress
from ..history import name_of_prompt

# A session is named after a prompt among its first messages.
_FIRST_MESSAGES = 20


class StoredSessions:
    """The sessions of a workspace."""

    def __init__(self, storage: Storage, workspace: str) -> None:
        self._storage = storage
        self._workspace = workspace
        self._names: dict[str, str] = {}

    async def find(self, session_id: str) -> Session | None:
        """A session, if it is stored."""
        try:
            return await self._storage.get_session(self._workspace, session_id)
        except SessionNotFound:
            return None

    async def last_message_id(self, session_id: str) -> str | None:
        """The id of a stored session's last message."""
        stored = await self.find(session_id)
        if stored is None or stored.message_count == 0:
            return None
        last = await self._storage.get_message(self._workspace, session_id, stored.message_count)
        return None if last.id is UNSET else last.id

    async def name(self, session_id: str, name: str | UnsetType) -> None:
        """Note the name of a stored session that has none, or only that of a prompt."""
        if isinstance(name, UnsetType):
            return
        stored = await self.find(session_id)
        if stored is None or stored.name == name:
            return
        if stored.name is UNSET or stored.name in await self._prompts(stored):
            self._names[stored.id] = name

    async def write_names(self, progressed: Progressed = no_progress) -> None:
        """Give the sessions their names."""
        for session_id, name in self._names.items():
            # It may have been deleted since.
            with suppress(SessionNotFound):
                await self._storage.update_session(self._workspace, session_id, SessionPatch(name=name))
            progressed()
        self._names = {}

    async def _prompts(self, stored: Session) -> set[str | None]:
        """The names that the first messages of the user would give a session."""
        found: set[str | None] = set()
        for sequence in range(1, min(stored.message_count, _FIRST_MESSAGES) + 1):
            message = await self._storage.get_message(self._workspace, stored.id, sequence)
            if message.role == "user":
                found.update(map(name_of_prompt, _texts_in(message)))
        return found


def _texts_in(message: Message) -> list[str]:
    parts: list[dict[str, Any]] = msgspec.json.decode(message.parts or b"[]")
    return [message.content, *(part["text"] for part in parts if part["type"] == "text")]
