"""Repairs sessions from their remaining rows."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from msgspec import UNSET, Raw

from ...model.database_errors import ReadLine
from ...model.maintenance import Fault, Finding
from ...model.part_records import NO_USAGE, Calls, UsageSum, calls_of, file_ids_of
from ...model.records import Message, NewSession
from ...operations.bulk.removal import MESSAGES_AT_ONCE, next_piece
from ...operations.files import refer
from ...operations.labels import readable_labels
from ...operations.messages import last_message_of, usage_of
from ...operations.patches import corrections
from ...operations.profiles import BUILT_IN
from ...operations.sessions import casefolded
from ...operations.transfer.import_rules import stored_message_at
from ...operations.unit_of_work import UnitOfWork
from ...sql.ports import Bindings
from ...sql.statements.integrity import (
    ANSWERED_CALLS,
    COUNT_DIRECTORIES,
    COUNT_USE,
    DETAIL,
    FORGET_USE,
    NAME_AND_LABELS,
    REFERENCES_OF_MESSAGE,
    REMOVE_SOME_CALLS,
    REMOVE_SOME_CORRECTIONS,
    REMOVE_SOME_REFERENCES,
    SET_LABELS,
    SET_SUMS,
)
from ...sql.statements.profiles import SET_SESSION_PROFILE
from ...values.json_text import MAX_SAFE_INTEGER, raw_text
from .files import repair_file
from .numbers import Numbers

RECOVERED = NewSession(profile=BUILT_IN, name="Recovered")


_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Repair:
    """A repair of a session; `read_line` refuses damaged messages."""

    work: UnitOfWork
    session_id: str
    read_line: ReadLine

    @property
    def key(self) -> Bindings:
        """The bindings of the session's key."""
        return self.work.key(self.session_id)

    async def messages(self) -> AsyncGenerator[tuple[int, Message | None], None]:
        """The messages of the session with their sequences, in order; None for a message that cannot be read."""
        work, key = self.work, self.key
        sizes = work.statements.MESSAGE_SIZES
        after = 0
        while True:
            piece, _ = await next_piece(work.transaction, sizes, key, after, MAX_SAFE_INTEGER, MESSAGES_AT_ONCE)
            if not piece:
                return
            place: Bindings = {"first": after + 1, "last": piece[-1][0], "most": len(piece), "bytes": MAX_SAFE_INTEGER}
            records = await work.transaction.all(work.statements.TAIL_MESSAGES, key | place)
            read = {sequence: stored_message_at(record, sequence, self.read_line) for sequence, record in records}
            for sequence, *_ in piece:
                yield sequence, read.get(sequence)
            after = piece[-1][0]

    async def damaged(self) -> list[int]:
        """The sequences of the messages that cannot be read."""
        return [sequence async for sequence, message in self.messages() if message is None]


async def repair_session(work: UnitOfWork, finding: Finding, read_line: ReadLine) -> str | None:
    """Repair the fault in a finding. Returns a sentence about the repair, None if there is no repair for the fault.

    What is derived from a message that `read_line` refuses stays as it is. The fault `counts` without a session
    concerns the directories of the workspace.
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
    session = _Repair(work, finding.session_id, read_line)
    if finding.fault == "parts" and await _is_only_referring(session):
        await work.run(REMOVE_SOME_REFERENCES, session.key | {"after": 0, "before": MAX_SAFE_INTEGER})
        return "Nothing was left of it but references to files, which were removed."
    damaged = await repair(session)
    if not damaged:
        return done if damaged is not None else None
    kept = Numbers()
    for sequence in damaged:
        kept.add(sequence, sequence)
    return f"{done} What is stored about {kept} stays as it is: the content is damaged."


async def _count_directories(work: UnitOfWork) -> None:
    for statement in (FORGET_USE, COUNT_USE, COUNT_DIRECTORIES):
        await work.run(statement, {"workspace": work.workspace})


async def _recount(repair: _Repair) -> list[int]:
    """Count the messages; their sums and the last one are written only if all of them can be read."""
    work = repair.work
    usage: UsageSum | None = None
    last: Message | None = None
    damaged: list[int] = []
    async for sequence, message in repair.messages():
        if message is None:
            damaged.append(sequence)
            continue
        usage = usage_of([message], usage)
        last = message
    if not damaged:
        sums = NO_USAGE if usage is None else usage._asdict()
        last_message = None if last is None else last_message_of(last)
        await work.run(SET_SUMS, repair.key | sums | {"last_message": last_message})
    counted: Bindings = {"most": MAX_SAFE_INTEGER, "is_readable": not damaged}
    await work.run(work.statements.RECOUNT, repair.key | counted)
    return damaged


async def _show_last(repair: _Repair) -> list[int] | None:
    # The last one is not known if some can't be read.
    return None if await _recount(repair) else []


def _others(sequences: list[int]) -> Iterator[Bindings]:
    """The ranges of all sequences but these."""
    for after, before in pairwise([0, *sequences, MAX_SAFE_INTEGER]):
        yield {"after": after, "before": before}


async def _find_again(repair: _Repair) -> list[int]:
    work = repair.work
    (name, labels) = await work.transaction.one(NAME_AND_LABELS, repair.key)
    # The database writes the rows of changed labels, unless those can't be read.
    for changed in ("{}", labels) if readable_labels(labels) is not None else (labels,):
        await work.run(SET_LABELS, repair.key | {"labels": changed, "folded_name": casefolded(name)})
    return []


async def _rewrite_rows(repair: _Repair) -> list[int] | None:
    """Write the references and calls of messages again, except those of messages that cannot be read.

    A message that names a file which neither exists nor is recorded keeps its own, too: its URL may be damaged.
    """
    work, key = repair.work, repair.key
    damaged: list[int] = []
    has_unknown = False
    async for sequence, message in repair.messages():
        names_unknown = message is not None and await _names_unknown_file(work, key, message)
        has_unknown = has_unknown or names_unknown
        if message is None or names_unknown:
            damaged.append(sequence)
    recorded: dict[int, list[str]] = {sequence: [] for sequence in damaged}
    for sequence, call in await work.transaction.all(ANSWERED_CALLS, key) if damaged else ():
        if sequence in recorded:
            recorded[sequence].append(call)
    for others in _others(damaged):
        for statement in (REMOVE_SOME_REFERENCES, REMOVE_SOME_CALLS):
            await work.run(statement, key | others)
    async for sequence, message in repair.messages():
        if sequence in recorded:
            await _write_calls(work, key, sequence, Calls([], recorded[sequence]))
        elif message is not None and isinstance(message.parts, Raw):
            await refer(work, key, [message], must_exist=False)
            await _write_calls(work, key, sequence, calls_of(message.parts))
    return None if has_unknown else damaged


async def _names_unknown_file(work: UnitOfWork, key: Bindings, message: Message) -> bool:
    named = set(file_ids_of(message.parts)) if isinstance(message.parts, Raw) else set()
    if not named:
        return False
    known = await work.transaction.all(work.statements.LOCK_FILES, key | {"files": _encode(sorted(named)).decode()})
    recorded = await work.transaction.all(REFERENCES_OF_MESSAGE, key | {"sequence": message.sequence})
    return not named <= {row[0] for row in (*known, *recorded)} and bool(recorded)


async def _write_calls(work: UnitOfWork, key: Bindings, sequence: int, calls: Calls) -> None:
    for statement, call_ids in (
        (work.statements.ANSWER_CALLS, calls.answered),
        (work.statements.OPEN_CALLS, calls.opened),
    ):
        await work.run(statement, key | {"sequence": sequence, "calls": _encode(call_ids).decode()})


async def _correct_again(repair: _Repair) -> list[int]:
    for others in _others(await repair.damaged()):
        await repair.work.run(REMOVE_SOME_CORRECTIONS, repair.key | others)
    async for _, message in repair.messages():
        if message is not None and message.version > 1:
            is_deleted = message.deleted_at is not UNSET
            await corrections.count(repair.work, repair.session_id, message, is_deleted=is_deleted)
    return await _recount(repair)


async def _forget_profile(repair: _Repair) -> list[int]:
    await repair.work.run(SET_SESSION_PROFILE, repair.key | {"hash": None})
    return await _recount(repair)


async def _complete(repair: _Repair) -> list[int]:
    work, key = repair.work, repair.key
    if await work.run(work.statements.STATE, key) is None:
        await _restore_session(work, repair.session_id)
    if await work.run(work.statements.CONTEXT, key) is None:
        await work.run(work.statements.SET_CONTEXT, key | {"context": raw_text(RECOVERED.context)})
    return await _recount(repair)


async def _is_only_referring(repair: _Repair) -> bool:
    """Whether nothing is left of a session but its references to files: one wrong character may have made them."""
    work, key = repair.work, repair.key
    if await work.run(work.statements.STATE, key) is not None or await work.run(DETAIL, key) is not None:
        return False
    piece, _ = await next_piece(work.transaction, work.statements.MESSAGE_SIZES, key, 0, MAX_SAFE_INTEGER, 1)
    return not piece


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


# For each fault of a session, the repair and the sentence about it. A repair returns the messages that it could not
# read, None if it did not succeed.
_REPAIRS: dict[Fault, tuple[Callable[[_Repair], Awaitable[list[int] | None]], str]] = {
    "counts": (_recount, "Its counts were corrected."),
    "transcript": (_show_last, "It now shows its last message."),
    "rows": (_rewrite_rows, "They were written again from its messages."),
    "labels": (_find_again, "They were written again from its name and its labels."),
    "corrections": (_correct_again, "Clients that follow it will receive each corrected message again."),
    "parts": (_complete, "It was restored with its remaining data."),
    "profile": (_forget_profile, "Its profile is now recorded as unknown."),
}
