"""Repairs a session from its remaining rows."""

from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec
from msgspec import UNSET, Raw

from ...model.maintenance import Fault, Finding
from ...model.part_records import NO_USAGE, UsageSum, calls_of
from ...model.records import Message, NewSession
from ...operations.bulk.removal import MESSAGES_AT_ONCE, next_piece
from ...operations.files import refer
from ...operations.messages import last_message_of, read_record, usage_of
from ...operations.patches import corrections
from ...operations.profiles import BUILT_IN
from ...operations.sessions import casefolded
from ...operations.unit_of_work import UnitOfWork
from ...sql.ports import Bindings
from ...sql.statements.corrections import REMOVE_CORRECTIONS
from ...sql.statements.files import REMOVE_REFERENCES
from ...sql.statements.integrity import COUNT_DIRECTORIES, COUNT_USE, FORGET_USE, NAME_AND_LABELS, SET_LABELS, SET_SUMS
from ...sql.statements.parts import REMOVE_CALLS
from ...sql.statements.profiles import SET_SESSION_PROFILE
from ...values.json_text import MAX_SAFE_INTEGER, raw_text
from .files import repair_file

RECOVERED = NewSession(profile=BUILT_IN, name="Recovered")


_encode = msgspec.json.Encoder().encode


async def repair_session(work: UnitOfWork, finding: Finding) -> str | None:
    """Repair what a session can be restored from; a sentence that says what was done.

    None if the fault is another one. Counts without a session are those of the workspace.
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
    await repair(work, finding.session_id)
    return done


async def _count_directories(work: UnitOfWork) -> None:
    for statement in (FORGET_USE, COUNT_USE, COUNT_DIRECTORIES):
        await work.run(statement, {"workspace": work.workspace})


async def _recount(work: UnitOfWork, session_id: str) -> None:
    usage: UsageSum | None = None
    last: str | None = None
    async for message in _messages(work, session_id):
        usage = usage_of([message], usage)
        last = last_message_of(message)
    sums = NO_USAGE if usage is None else usage._asdict()
    await work.run(SET_SUMS, work.key(session_id) | sums | {"last_message": last})
    await work.run(work.statements.RECOUNT, work.key(session_id) | {"most": MAX_SAFE_INTEGER})


async def _messages(work: UnitOfWork, session_id: str) -> AsyncGenerator[Message, None]:
    """The messages of a session that can be read."""
    key = work.key(session_id)
    sizes = work.statements.MESSAGE_SIZES
    after = 0
    while True:
        piece, _ = await next_piece(work.transaction, sizes, key, after, MAX_SAFE_INTEGER, MESSAGES_AT_ONCE)
        if not piece:
            return
        place: Bindings = {"first": after + 1, "last": piece[-1][0]}
        for (record,) in await work.transaction.all(work.statements.RECORDED_MESSAGES, key | place):
            message = read_record(record)
            if message is not None:
                yield message
        after = piece[-1][0]


async def _rewrite_rows(work: UnitOfWork, session_id: str) -> None:
    key = work.key(session_id)
    (name, labels) = await work.transaction.one(NAME_AND_LABELS, key)
    # The database writes the rows of changed labels.
    for changed in ("{}", labels):
        await work.run(SET_LABELS, key | {"labels": changed, "folded_name": casefolded(name)})
    for statement in (REMOVE_REFERENCES, REMOVE_CALLS):
        await work.transaction.all(statement, key | {"last": MAX_SAFE_INTEGER})
    async for message in _messages(work, session_id):
        if not isinstance(message.parts, Raw):
            continue
        await refer(work, key, [message], must_exist=False)
        calls = calls_of(message.parts)
        for statement, which in (
            (work.statements.ANSWER_CALLS, calls.answered),
            (work.statements.OPEN_CALLS, calls.opened),
        ):
            bindings: Bindings = {"sequence": message.sequence, "calls": _encode(which).decode()}
            await work.run(statement, key | bindings)


async def _correct_again(work: UnitOfWork, session_id: str) -> None:
    await work.transaction.all(REMOVE_CORRECTIONS, work.key(session_id) | {"last": MAX_SAFE_INTEGER})
    async for message in _messages(work, session_id):
        if message.version > 1:
            await corrections.count(work, session_id, message, is_deleted=message.deleted_at is not UNSET)
    await _recount(work, session_id)


async def _forget_profile(work: UnitOfWork, session_id: str) -> None:
    await work.run(SET_SESSION_PROFILE, work.key(session_id) | {"hash": None})
    await _recount(work, session_id)


async def _complete(work: UnitOfWork, session_id: str) -> None:
    key = work.key(session_id)
    if await work.run(work.statements.STATE, key) is None:
        await _restore_session(work, session_id)
    if await work.run(work.statements.CONTEXT, key) is None:
        await work.run(work.statements.SET_CONTEXT, key | {"context": raw_text(RECOVERED.context)})
    await _recount(work, session_id)


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


# What is done for a session with a fault, and the sentence that says it.
_REPAIRS: dict[Fault, tuple[Callable[[UnitOfWork, str], Awaitable[None]], str]] = {
    "counts": (_recount, "Its counts were corrected."),
    "transcript": (_recount, "It now shows the last message that it has."),
    "rows": (_rewrite_rows, "They were written again from its name, its labels and its messages."),
    "corrections": (_correct_again, "Clients that follow it are told again about each message that was corrected."),
    "parts": (_complete, "It was restored with its remaining data."),
    "profile": (_forget_profile, "Its profile is now recorded as unknown."),
}
