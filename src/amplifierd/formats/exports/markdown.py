"""Sessions as Markdown: YAML about the session between two `---` lines, its transcript, a comment about losses."""

from typing import Any

import msgspec
import yaml
from msgspec import UNSET

from ...documents.markdown import turn_of
from ...storage.model.records import Message, Session
from .interface import DigestOf, Losses

# The names of the front matter, and the fields of a session.
_FRONT = {
    "id": "id",
    "name": "name",
    "status": "status",
    "profile": "profile",
    "directory": "amplified_dir",
    "created": "created_at",
    "updated": "updated_at",
    "started": "started_at",
    "ended": "ended_at",
    "parent": "parent_session_id",
    "forked_at": "forked_at_sequence",
    "messages": "message_count",
    "tokens": "token_usage",
    "usage": "usage",
    "labels": "labels",
    "archived": "archived",
    "pinned": "pinned",
    "error": "error_message",
}


class MarkdownExport:
    """See `ExportFormat`."""

    name = "markdown"
    suffix = ".md"
    media = "text/markdown"
    is_document = True
    has_files_beside = True

    def writer(self, losses: Losses, _digest: DigestOf, /) -> "_MarkdownWriter":
        """See `ExportFormat`."""
        return _MarkdownWriter(losses)


class _MarkdownWriter:
    """See `SessionWriter`."""

    is_read_twice = False

    def __init__(self, losses: Losses) -> None:
        self._losses = losses

    def begin(self, session: Session, /) -> bytes:
        """See `SessionWriter`."""
        count_unwritten(session, self._losses)
        front = yaml.safe_dump(_front_of(session), allow_unicode=True, sort_keys=False)
        return f"---\n{front}---\n\n".encode()

    def add(self, message: Message, /) -> bytes:
        """See `SessionWriter`."""
        count_unwritten(message, self._losses)
        return turn_of(message).encode()

    def turn(self) -> bytes:
        """See `SessionWriter`."""
        return b""

    def add_again(self, _message: Message, /) -> bytes:
        """See `SessionWriter`."""
        return b""

    def end(self, _size: int, /) -> bytes:
        """See `SessionWriter`."""
        return "".join(f"<!-- {sentence} -->\n" for sentence in self._losses.sentences()).encode()


def count_unwritten(record: Session | Message, losses: Losses) -> None:
    """Count what a document for people does not show of a record."""
    unwritten = record.context if isinstance(record, Session) else record.metadata
    if bytes(unwritten).strip() not in {b"{}", b""}:
        losses.left_out["contexts" if isinstance(record, Session) else "metadata of messages"] += 1


def _front_of(session: Session) -> dict[str, Any]:
    values = {name: getattr(session, field) for name, field in _FRONT.items()}
    found: dict[str, Any] = msgspec.to_builtins({name: value for name, value in values.items() if value is not UNSET})
    return {name: value for name, value in found.items() if value != {}}
