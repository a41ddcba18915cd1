"""Writes the messages and new sessions of a piece of an import, with one statement for each table."""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ...model.part_records import NO_USAGE, Usage, UsageSum
from ...model.records import Message, Session
from ...sql.ports import Bindings
from ...values.json_text import raw_text
from ..files import refer
from ..labels import labels_as_json
from ..profiles import keep
from ..sessions import casefolded, context_columns
from ..unit_of_work import UnitOfWork
from .import_words import ImportWords

_encode = msgspec.json.Encoder().encode


class ImportBatch:
    """Collects messages and sessions, then writes them with `write`; `words` are the words of the messages."""

    def __init__(self, work: UnitOfWork, words: ImportWords) -> None:
        self._work = work
        self._words = words
        self._messages: list[tuple[Bindings, list[Message]]] = []
        self._sessions: list[Bindings] = []
        self._profiles: dict[str, str] = {}

    def add_messages(self, session_id: str, messages: list[Message]) -> None:
        """Add messages of a session."""
        self._messages.append((self._work.key(session_id), messages))

    async def keep_profile(self, content: str) -> str:
        """Store the content of a profile without texts, unless it is stored already. Returns its hash."""
        if content not in self._profiles:
            self._profiles[content] = await keep(self._work, content)
        return self._profiles[content]

    def add_session(
        self, session: Session, usage: UsageSum | None, last_message: str | None, profile_hash: str | None
    ) -> None:
        """Add a session with the values that follow from its messages; the messages are added separately."""
        error_message = session.error_message
        error_details = raw_text(session.error_details) if isinstance(session.error_details, Raw) else None
        bindings: Bindings = {
            name: None if value is UNSET else value
            for name, value in msgspec.structs.asdict(session).items()
            if not isinstance(value, Raw | Usage | dict)
        }
        bindings |= NO_USAGE if usage is None else usage._asdict()
        bindings |= self._work.key(session.id) | {
            "profile_hash": profile_hash,
            "folded_name": casefolded(None if isinstance(session.name, UnsetType) else session.name),
            "error_message": None if error_message is UNSET else _encode(error_message).decode(),
            "error_details": error_details,
            "labels": labels_as_json(session.labels),
            "archived": session.archived is True,
            "pinned": session.pinned is True,
            "last_message": last_message,
        }
        bindings |= context_columns(raw_text(session.context), is_detailed=error_details is not None)
        self._sessions.append(bindings)

    async def write(self) -> None:
        """Write all; each session gets its own revision. Raises `WordsNeeded`."""
        work = self._work
        placed = [(str(key["id"]), message) for key, messages in self._messages for message in messages]
        self._words.are_needed(work.transaction, placed)
        self._words.check()
        await work.transaction.insert_messages(self._messages, self._words.of(placed))
        for key, messages in self._messages:
            await refer(work, key, messages, must_exist=False)
        if not self._sessions:
            return
        last = await work.transaction.next_revision(work.workspace, len(self._sessions))
        first = last - len(self._sessions) + 1
        rows = [row | {"revision": revision} for revision, row in enumerate(self._sessions, first)]
        detailed = [row for row in rows if row["long_context"] is not None]
        await work.transaction.run_each(work.statements.IMPORT_SESSION, rows)
        await work.transaction.run_each(work.statements.INSERT_DETAIL, detailed)
        await work.transaction.run_each(work.statements.USE_DIRECTORY, rows)
