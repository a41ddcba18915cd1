"""Repairs sessions from their remaining rows."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from itertools import pairwise

import msgspec
from msgspec import UNSET, Raw

from ...model.maintenance import Fault, Finding
from ...model.part_records import NO_USAGE, Calls, UsageSum, calls_of
from ...model.records import Message, NewSession
from ...operations.bulk.removal import MESSAGES_AT_ONCE, next_piece
from ...operations.files import refer
from ...operations.labels import readable_labels
from ...operations.messages import last_message_of, read_whole, usage_of
from ...operations.patches import corrections
from ...operations.profiles import BUILT_IN
from ...operations.sessions import casefolded
from ...operations.unit_of_work import UnitOfWork
from ...sql.ports import Bindings
from ...sql.statements.integrity import (
    ANSWERED_CALLS,
    COUNT_DIRECTORIES,
    COUNT_USE,
    FORGET_USE,
    NAME_AND_LABELS,
    REMOVE_SOME_CALLS,
    REMOVE_SOME_CORRECTIONS,
    REMOVE_SOME_REFERENCES,
    SET_LABELS,
    SET_SUMS,
)
from ...sql.statements.profiles import SET_SESSION_PROFILE
from ...values.json_text import MAX_SAFE_INTEGER, raw_text
from .files import repair_file

RECOVERED = NewSession(profile=BUILT_IN, name="Recovered")


_encode = msgspec.json.Encoder().encode


async def repair_session(work: UnitOfWork, finding: Finding) -> str | None:
    """Repair the fault in a finding. Returns a sentence about the repair, None if there is no repair for the fault.

    The fault `counts` without a session concerns the directories of the workspace.
    """
    if finding.fault == "file":
        return await repair_file(work, finding)
    if finding.fault == "counts" and not finding.session_id:
        await _count_directories(work)
        return "The counts of the workspace were corrected."
    known = _REPAIRS.get(finding.fault)
    if known is None or not finding.session_id:
        return None
    repair, done = known
    return done if await repair(work, finding.session_id) else None


async def _count_directories(work: UnitOfWork) -> None:
    for statement in (FORGET_USE, COUNT_USE, COUNT_DIRECTORIES):
        await work.run(statement, {"workspace": work.workspace})


async def _recount(work: UnitOfWork, session_id: str) -> bool:
    """Count the messages; returns whether their sums and the last one were written: what can't be read is not known."""
    usage: UsageSum | None = None
    last: Message | None = None
    is_readable = True
    async for _, message in _messages(work, session_id):
        if message is None:
            is_readable = False
            break
        usage = usage_of([message], usage)
        last = message
    if is_readable:
        sums = NO_USAGE if usage is None else usage._asdict()
        shown = None if last is None else last_message_of(last)
        await work.run(SET_SUMS, work.key(session_id) | sums | {"last_message": shown})
    await work.run(work.statements.RECOUNT, work.key(session_id) | {"most": MAX_SAFE_INTEGER})
    return is_readable


async def _messages(work: UnitOfWork, session_id: str) -> AsyncGenerator[tuple[int, Message | None], None]:
    """The messages of a session with their sequences, in order; None for a message that cannot be read."""
    key = work.key(session_id)
    sizes = work.statements.MESSAGE_SIZES
    after = 0
    while True:
        piece, _ = await next_piece(work.transaction, sizes, key, after, MAX_SAFE_INTEGER, MESSAGES_AT_ONCE)
        if not piece:
            return
        place: Bindings = {"first": after + 1, "last": piece[-1][0]}
        records = await work.transaction.all(work.statements.RECORDED_MESSAGES, key | place)
        read = {message.sequence: message for (record,) in records if (message := read_whole(record)) is not None}
        for sequence, *_ in piece:
            yield sequence, read.get(sequence)
        after = piece[-1][0]


async def _unreadable(work: UnitOfWork, session_id: str) -> list[int]:
    return [sequence async for sequence, message in _messages(work, session_id) if message is None]


def _others(sequences: list[int]) -> Iterator[Bindings]:
    """The ranges of all sequences but these."""
    for after, before in pairwise([0, *sequences, MAX_SAFE_INTEGER]):
        yield {"after": after, "before": before}


async def _find_again(work: UnitOfWork, session_id: str) -> bool:
    key = work.key(session_id)
    (name, labels) = await work.transaction.one(NAME_AND_LABELS, key)
    # The database writes the rows of changed labels, unless those can't be read.
    for changed in ("{}", labels) if readable_labels(labels) is not None else (labels,):
        await work.run(SET_LABELS, key | {"labels": changed, "folded_name": casefolded(name)})
    return True


async def _rewrite_rows(work: UnitOfWork, session_id: str) -> bool:
    """Write the references and calls of messages again, except those of messages that cannot be read."""
    key = work.key(session_id)
    unreadable = await _unreadable(work, session_id)
    answered: dict[int, list[str]] = {sequence: [] for sequence in unreadable}
    for sequence, call in await work.transaction.all(ANSWERED_CALLS, key) if unreadable else ():
        if sequence in answered:
            answered[sequence].append(call)
    for others in _others(unreadable):
        for statement in (REMOVE_SOME_REFERENCES, REMOVE_SOME_CALLS):
            await work.run(statement, key | others)
    async for sequence, message in _messages(work, session_id):
        if message is None:
            await _write_calls(work, key, sequence, Calls([], answered[sequence]))
        elif isinstance(message.parts, Raw):
            await refer(work, key, [message], must_exist=False)
            await _write_calls(work, key, sequence, calls_of(message.parts))
    return True


async def _write_calls(work: UnitOfWork, key: Bindings, sequence: int, calls: Calls) -> None:
    for statement, which in (
        (work.statements.ANSWER_CALLS, calls.answered),
        (work.statements.OPEN_CALLS, calls.opened),
    ):
        await work.run(statement, key | {"sequence": sequence, "calls": _encode(which).decode()})


async def _correct_again(work: UnitOfWork, session_id: str) -> bool:
    for others in _others(await _unreadable(work, session_id)):
        await work.run(REMOVE_SOME_CORRECTIONS, work.key(session_id) | others)
    async for _, message in _messages(work, session_id):
        if message is not None and message.version > 1:
            await corrections.count(work, session_id, message, is_deleted=message.deleted_at is not UNSET)
    await _recount(work, session_id)
    return True


async def _count_again(work: UnitOfWork, session_id: str) -> bool:
    await _recount(work, session_id)
    return True


async def _forget_profile(work: UnitOfWork, session_id: str) -> bool:
    await work.run(SET_SESSION_PROFILE, work.key(session_id) | {"hash": None})
    await _recount(work, session_id)
    return True


async def _complete(work: UnitOfWork, session_id: str) -> bool:
    key = work.key(session_id)
    if await work.run(work.statements.STATE, key) is None:
        await _restore_session(work, session_id)
    if await work.run(work.statements.CONTEXT, key) is None:
        await work.run(work.statements.SET_CONTEXT, key | {"context": raw_text(RECOVERED.context)})
    await _recount(work, session_id)
    return True


async def _restore_session(work: UnitOfWork, session_id: str) -> None:
    key = work.key(session_id)
    opened: Bindings = {
        "name": RECOVERED.name,
        "folded_name": casefolded(RECOVERED.name),
        "profile": BUILT_IN,
        "amplified_dir": RECOVERED.amplified_dir,
        "created_at": work.now,
        # Its detail may still exist.
        "context": None,
        # Its profile is unknown.
        "profile_hash": None,
        "labels": None,
        "archived": False,
        "pinned": False,
    }
    await work.run(work.statements.INSERT_SESSION, key | opened)
    await work.run(work.statements.USE_DIRECTORY, key | opened)
    active: Bindings = {"status": "active", "updated_at": work.now, "ended_at": None, "error_message": None}
    await work.run(work.statements.SET_STATUS, key | active)
    await work.run(work.statements.SET_ERROR_DETAILS, key | {"error_details": None})


# For each fault of a session, the repair, which returns whether it succeeded, and the sentence about it.
_REPAIRS: dict[Fault, tuple[Callable[[UnitOfWork, str], Awaitable[bool]], str]] = {
    "counts": (_count_again, "Its counts were corrected."),
    "transcript": (_recount, "It now shows its last message."),
    "rows": (_rewrite_rows, "They were written again from its messages."),
    "labels": (_find_again, "They were written again from its name and its labels."),
    "corrections": (_correct_again, "Clients that follow it will receive each corrected message again."),
    "parts": (_complete, "It was restored with its remaining data."),
    "profile": (_forget_profile, "Its profile is now recorded as unknown."),
}
