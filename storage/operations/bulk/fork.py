"""Forks: copies a session in pieces, up to its last message at the start, then makes the copy visible.

The copy does not include messages that are appended meanwhile, so that a fork ends however fast others append.
"""

from typing import Self

import msgspec
from msgspec.structs import replace

from ...model.errors import SessionNotFound, TooFewMessages
from ...model.part_records import NO_USAGE, Usage, UsageSum
from ...model.records import Fork, Message, Session, Versions
from ...sql.ports import Bindings, Row, Transaction, session_key
from ...sql.statements.corrections import CORRECTED_SINCE
from ...sql.statements.files import FORK_REFERENCES
from ...sql.statements.parts import ANSWER_FORKED_CALLS, FORK_CALLS
from ...sql.statements.sessions import Statements
from ...values.json_text import MAX_SAFE_INTEGER
from ...values.uuid7 import canonical_id, new_session_id
from ..idempotency import OperationUnfinished
from ..messages import last_message_of
from ..patches import corrections
from ..sessions import casefolded, read_session
from ..unit_of_work import SessionState, UnitOfWork
from . import removal, staging
from .removal import next_piece

# The number of corrections copied in one piece, for which other writes wait. The number doubles, up to the limit, if
# others correct messages faster than they are copied, so that a fork ends.
CORRECTIONS_AT_ONCE = 50
MAX_CORRECTIONS_AT_ONCE = 400

_decode_message = msgspec.json.Decoder(Message).decode
_decode_usage = msgspec.json.Decoder(Usage).decode


class Copy(OperationUnfinished, frozen=True):
    """A fork that is being written: its source, and its progress. Its id is also the writer of its lease."""

    workspace: str
    session_id: str
    # The id of the session as in the request.
    requested_id: str
    # Distinguishes the session from a later one with the same id.
    created_revision: int
    fork_id: str
    created_at: str
    last: int
    # The copy includes the corrections up to this version of the session.
    version: int
    corrections_at_once: int
    # The number of versions by which the copy was behind the session when corrections were last copied; None before.
    behind: int | None = None
    copied: int = 0
    tokens: int = 0
    # The sums of usage; None if no message has usage.
    usage: UsageSum | None = None

    @classmethod
    def of(cls, work: UnitOfWork, session_id: str, state: SessionState, last: int) -> Self:
        """The start of a fork of the first `last` messages of a session."""
        fork_id = new_session_id(work.now)
        return cls(
            work.workspace,
            canonical_id(session_id),
            session_id,
            state.created_revision,
            fork_id,
            work.now,
            last,
            state.version,
            CORRECTIONS_AT_ONCE,
        )

    @property
    def key(self) -> Bindings:
        """The key of the fork."""
        return session_key(self.workspace, self.fork_id)

    @property
    def is_copied(self) -> bool:
        """Whether every message to copy has been copied."""
        return self.copied == self.last


async def begin(work: UnitOfWork, session_id: str, how: Fork, versions: Versions) -> Session | Copy:
    """Begin to fork a session. Returns the fork if the first piece was all of it, its `Copy` otherwise.

    Raises `SessionNotFound`, `VersionMismatch`, `TooFewMessages`.
    """
    state = await work.state(session_id, versions)
    copy = Copy.of(work, session_id, state, _last(session_id, state, how))
    copy = await _copy_piece(work.transaction, work.statements, copy)
    if copy.is_copied:
        return await _open(work, how, copy)
    await staging.begin(work.transaction, work.statements, copy.key, copy.fork_id)
    return copy


async def copy_next(transaction: Transaction, statements: Statements, copy: Copy) -> Copy:
    """Copy the next messages, and return the progress.

    Raises `SessionNotFound` if the source was deleted, `StorageUnavailable` if the lease has ended.
    """
    await staging.renew(transaction, statements, copy.key, copy.fork_id)
    return await _copy_piece(transaction, statements, copy)


async def finish(work: UnitOfWork, how: Fork, copy: Copy) -> Session | Copy:
    """Copy the corrections made meanwhile, and make the fork visible. Returns the `Copy` if more corrections are left.

    Raises `SessionNotFound` if the source was deleted, `StorageUnavailable` if the lease has ended.
    """
    state = await work.state(copy.requested_id, None)
    if state.created_revision != copy.created_revision:
        raise SessionNotFound(copy.requested_id)
    copy, is_current = await _copy_corrections(work, _with_limit(copy, state.version))
    if not is_current:
        return copy
    await staging.finish(work.transaction, copy.key, copy.fork_id)
    return await _open(work, how, copy)


def _last(session_id: str, state: SessionState, how: Fork) -> int:
    last = state.message_count if how.at_sequence is None else how.at_sequence
    if last > state.message_count:
        raise TooFewMessages(session_id, last, state.message_count)
    return last


async def _copy_piece(transaction: Transaction, statements: Statements, copy: Copy) -> Copy:
    if copy.is_copied:
        return copy
    key = session_key(copy.workspace, copy.session_id)
    statement = statements.MESSAGES_TO_COPY
    piece, _ = await next_piece(transaction, statement, key, copy.copied, copy.last, removal.MESSAGES_AT_ONCE)
    if not piece:
        # The session was deleted meanwhile.
        raise SessionNotFound(copy.requested_id)
    last = piece[-1][0]
    bindings = key | {"fork_id": copy.fork_id, "after": copy.copied, "last": last}
    await transaction.row(statements.FORK_MESSAGES, bindings)
    await transaction.row(FORK_CALLS, bindings)
    await transaction.row(ANSWER_FORKED_CALLS, bindings)
    await transaction.row(FORK_REFERENCES, bindings)
    tokens = copy.tokens + sum(tokens for _, _, tokens, _ in piece)
    return replace(copy, copied=last, tokens=tokens, usage=_with_usage(copy.usage, piece))


def _with_limit(copy: Copy, version: int) -> Copy:
    """The copy with a higher limit of corrections, unless it has come closer to the session's `version`."""
    behind = version - copy.version
    most = copy.corrections_at_once
    if copy.behind is not None and behind >= copy.behind:
        most = min(2 * most, MAX_CORRECTIONS_AT_ONCE)
    return replace(copy, corrections_at_once=most, behind=behind)


async def _copy_corrections(work: UnitOfWork, copy: Copy) -> tuple[Copy, bool]:
    """Copy some of the messages that were corrected after they were copied. Returns whether none are left."""
    key = session_key(copy.workspace, copy.session_id)
    most = copy.corrections_at_once
    bindings: Bindings = {"version": copy.version, "last": copy.copied, "most": most}
    rows = await work.transaction.all(CORRECTED_SINCE, key | bindings)
    for version, sequence in rows:
        before = await corrections.stored(work, copy.key, sequence)
        after = await corrections.stored(work, key, sequence)
        assert before is not None, "The message is copied already."
        assert after is not None, "The message has a correction, so it exists."
        await corrections.write(work, copy.key, before, after, must_exist=False)
        copy = replace(copy, version=version)
    return copy, len(rows) < most


def _with_usage(total: UsageSum | None, piece: list[Row]) -> UsageSum | None:
    for *_, usage in piece:
        if usage is not None:
            total = (total or UsageSum()).add(_decode_usage(usage))
    return total


async def _last_message(work: UnitOfWork, copy: Copy) -> str | None:
    row = await work.run(work.statements.MESSAGE, work.key(copy.session_id) | {"sequence": copy.last})
    return None if row is None else last_message_of(_decode_message(row[0]))


async def _open(work: UnitOfWork, how: Fork, copy: Copy) -> Session:
    bindings = work.key(copy.session_id) | {
        "fork_id": copy.fork_id,
        "created_at": copy.created_at,
        "name": how.name,
        "folded_name": casefolded(how.name),
        "last": copy.last,
        "tokens": min(copy.tokens, MAX_SAFE_INTEGER),
        "last_message": await _last_message(work, copy),
    }
    bindings |= NO_USAGE if copy.usage is None else copy.usage._asdict()
    await work.run(work.statements.FORK_SESSION, bindings)
    await work.run(work.statements.FORK_DETAIL, bindings)
    forked = await read_session(work, copy.fork_id)
    directory: Bindings = {"amplified_dir": forked.amplified_dir, "created_at": forked.created_at}
    await work.run(work.statements.USE_DIRECTORY, work.key(copy.fork_id) | directory)
    return forked
