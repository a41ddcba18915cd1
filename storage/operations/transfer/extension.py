"""Extends sessions with the messages of an import that they do not have."""

import msgspec
from msgspec.structs import replace

from ...model.part_records import MAX_COST
from ...model.records import Message, Session
from ...sql.ports import Bindings
from ...sql.statements.parts import ADD_USAGE
from ...sql.statements.transfer import EXTEND_SESSION
from ...values.json_text import MAX_SAFE_INTEGER
from ..files import refer
from ..messages import last_message_of, tokens_of, usage_of
from ..unit_of_work import UnitOfWork
from .import_words import ImportWords

_encode = msgspec.json.Encoder().encode


async def extend(work: UnitOfWork, session: Session, messages: list[Message], known: int, words: ImportWords) -> int:
    """Append the messages that the session does not have. Returns their number.

    `known` is the number of messages that the session had before the import: a message without an id is compared by its
    sequence. Nothing is written if the words of the messages are needed: the piece of the import will be written again.
    """
    key = work.key(session.id)
    missing = await _missing(work, key, messages, known)
    if not missing:
        return 0
    placed = [(session.id, message) for message in missing]
    if words.are_needed(work.transaction, placed):
        return len(missing)
    work = await work.next()
    counted = work.key(session.id) | {
        "count": len(missing),
        "tokens": tokens_of(missing),
        "most": MAX_SAFE_INTEGER,
        "updated_at": session.updated_at,
        "last_message": last_message_of(missing[-1]),
    }
    row = await work.run(EXTEND_SESSION, counted)
    if row is None:
        # The session was deleted meanwhile.
        return 0
    added = [replace(message, sequence=at) for at, message in enumerate(missing, row[0] - len(missing) + 1)]
    await work.transaction.insert_messages([(key, added)], words.of(placed))
    await refer(work, key, added, must_exist=False)
    usage = usage_of(added)
    if usage is not None:
        await work.run(ADD_USAGE, key | usage._asdict() | {"most": MAX_SAFE_INTEGER, "most_cost": MAX_COST})
    return len(added)


async def _missing(work: UnitOfWork, key: Bindings, messages: list[Message], known: int) -> list[Message]:
    ids = [message.id for message in messages if isinstance(message.id, str)]
    existing: set[object] = set()
    if ids:
        bindings = key | {"ids": _encode(ids).decode(), "most": len(ids)}
        existing = {row[0] for row in await work.transaction.all(work.statements.MESSAGES_WITH_IDS, bindings)}
    return [
        message
        for message in messages
        if (message.id not in existing if isinstance(message.id, str) else message.sequence > known)
    ]
