"""What a storage should know of files: written from the contract's words."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from amplifierd.storage.model.errors import FileInUse, FileNotFound, FileUnknown
from amplifierd.storage.model.records import Message
from model_parts import parts_of

CONTENTS = [b"", b"one", b"two" * 50_000]
IDS = [sha256(content).hexdigest() for content in CONTENTS]
URLS = [f"/files/{file_id}" for file_id in IDS]
MAX_NAMED = 10


def named(message: Any) -> list[tuple[int, str]]:
    """The files that a message names, each with the place of its part."""
    parts = enumerate(parts_of(message.parts))
    return [(place, part["url"][len("/files/") :]) for place, part in parts if part.get("url") in URLS]


class Files:
    """The files of a workspace: each is held by its upload until a message names it, or not."""

    def __init__(self) -> None:
        self.held: dict[str, bool] = {}

    def create(self, file_id: str) -> None:
        """Keep a file for a day."""
        self.held[file_id] = True

    def check(self, new: Sequence[Any], *, is_batch: bool) -> None:
        """Refuse messages that name a file which is not there."""
        for number, message in enumerate(new):
            for place, file_id in named(message):
                if file_id not in self.held:
                    pointer = f"/messages/{number}" if is_batch else ""
                    raise FileUnknown(f"{pointer}/parts/{place}/url", f"names file {file_id}, which is not there")

    def refer(self, messages: Iterable[Message]) -> None:
        """Messages that are new name files."""
        for message in messages:
            for _, file_id in named(message):
                if file_id in self.held:
                    self.held[file_id] = False

    def delete(self, file_id: str, transcripts: dict[str, list[Message]]) -> None:
        """Delete a file that no message names."""
        if file_id not in self.held:
            raise FileNotFound(file_id)
        references = _references(file_id, transcripts)
        if references:
            raise FileInUse(file_id, references[:MAX_NAMED], has_more=len(references) > MAX_NAMED)
        del self.held[file_id]

    def sweep(self, transcripts: dict[str, list[Message]]) -> None:
        """Files go with the last message that names them."""
        kept = {file_id for messages in transcripts.values() for it in messages for _, file_id in named(it)}
        self.held = {file_id: held for file_id, held in self.held.items() if held or file_id in kept}


def _references(file_id: str, transcripts: dict[str, list[Message]]) -> list[tuple[str, int]]:
    return [
        (session_id, message.sequence)
        for session_id, messages in sorted(transcripts.items())
        for message in messages
        if file_id in {found for _, found in named(message)}
    ]
