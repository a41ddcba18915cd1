"""Converts a source to sessions: reads all of it, with messages in a temporary file, then divides it into branches."""

import logging
from collections.abc import Iterator

from ...storage.model.errors import StorageUnavailable
from ..history import (
    Branch,
    Collection,
    Fault,
    Layout,
    MessageFile,
    SessionName,
    Step,
    connect,
)
from .records import Records

logger = logging.getLogger(__name__)

_NO_MESSAGES = "no messages"


class Conversion:
    """A source of a format: first `collect`, then `add` each of its `layouts`, then `finish`.

    Its messages are in `messages`, the files to which they refer in `records`.
    """

    def __init__(self, format_name: str, records: Records, messages: MessageFile) -> None:
        self.format_name = format_name
        self.branches: list[Branch] = []
        self.faults: list[Fault] = []
        self._records = records
        self._collection = Collection(format_name, records.accept, messages)
        self._session_ids: set[str] = set()

    @property
    def names(self) -> list[SessionName]:
        """The names of sessions of other sources."""
        return self._collection.names

    @property
    def sessions(self) -> dict[str, str | None]:
        """The id of the last message of each session, by the session's."""
        return {branch.session.id: branch.last_id for branch in self.branches}

    def collect(self, steps: Iterator[Step]) -> None:
        """Read all steps. Raises `OSError`, and `StorageUnavailable` if the temporary files have no room."""
        self.faults += self._collection.collect(self._until_defect(steps))

    def _until_defect(self, steps: Iterator[Step]) -> Iterator[Step]:
        """The steps until a defect of the format: an unexpected error ends this source, but not the import."""
        try:
            yield from steps
        except (OSError, MemoryError, StorageUnavailable):
            raise
        except Exception as error:
            logger.exception("The format %s cannot read a file", self.format_name)
            sentence = f"A defect of the format {self.format_name} ends its reading ({type(error).__name__})."
            yield Fault(kind="defect", line=1, sentence=sentence)

    def layouts(self) -> Iterator[Layout]:
        """The conversations that have messages, connected."""
        for conversation in self._collection.conversations.values():
            self.faults += connect(conversation)
            chat = conversation.chat
            if conversation.nodes:
                yield Layout(self._collection, conversation)
            elif chat.line is not None:
                sentence = f"The conversation {chat.key} has no message; it is left out."
                self.faults.append(Fault(kind=_NO_MESSAGES, line=chat.line, sentence=sentence))

    def add(self, layout: Layout, stored_last: str | None) -> None:
        """Add the branches of a conversation; `stored_last` is the id of the stored session's last message."""
        for each in layout.branches(stored_last):
            if isinstance(each, Fault):
                self.faults.append(each)
            elif each.session.id in self._session_ids:
                sentence = f"Two conversations have the id {each.session.id}; the first one is imported."
                self.faults.append(Fault(kind="same session twice", line=1, sentence=sentence))
            else:
                self._session_ids.add(each.session.id)
                self._fit(each)
                self.branches.append(each)

    def finish(self) -> None:
        """Add a fault if nothing was found."""
        if not self.branches and not self.names and _NO_MESSAGES not in (fault.kind for fault in self.faults):
            self.faults.append(Fault(kind=_NO_MESSAGES, line=1, sentence="No message was found."))

    def _fit(self, branch: Branch) -> None:
        """Remove values that the contract does not allow in a session."""
        session, fault = self._records.accept_session(branch.session)
        branch.session = session
        if fault is not None:
            self.faults.append(Fault(kind="left out", line=1, sentence=fault))
