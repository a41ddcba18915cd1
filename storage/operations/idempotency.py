"""Responses recorded under a client's key, so that a retried request has no second effect.

A record names the session that its response is about, and is deleted with it.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

import msgspec
from msgspec.json import decode, encode

from ..model.errors import IdempotencyKeyInUse, IdempotencyKeyReused, IdempotencyResponseNotKept
from ..model.records import AlreadyApplied, IdempotentRequest
from ..sql.ports import Bindings, Rows
from ..sql.statements.recorded_responses import FORGET_EXPIRED, FORGET_RESPONSE, RECORD_RESPONSE
from ..sql.statements.sessions import Statements
from ..values.clock import after
from .recorded_responses import TextNotKept, keep, read
from .unit_of_work import UnitOfWork

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
Progress = TypeVar("Progress")

# The prefix of the fingerprint of a request whose record is its progress, not its response.
UNFINISHED = "unfinished "


class OperationUnfinished(msgspec.Struct, frozen=True):
    """The state of an operation that has no response yet; it is not recorded."""


class _Record(NamedTuple):
    """The record of a request: the JSON of its response, or of its progress."""

    is_response: bool
    text: bytes
    session_id: str | None


async def run_once(
    work: UnitOfWork,
    once: IdempotentRequest,
    keep_seconds: float,
    kind: type[Any],
    operation: Callable[[UnitOfWork, *Arguments], Coroutine[Any, Any, Result]],
    *arguments: *Arguments,
) -> Result:
    """Run `operation`, record its response in the same transaction, and return it. Raises as `check_not_applied` does.

    A response of type `OperationUnfinished` is not recorded.
    """
    await check_not_applied(work, once, kind)
    response = await operation(work, *arguments)
    if not isinstance(response, OperationUnfinished):
        await record(work, once, keep_seconds, response)
    return response


async def run_part(
    work: UnitOfWork,
    once: IdempotentRequest,
    keep_seconds: float,
    before: Progress,
    response: object,
    part: Callable[[UnitOfWork], Coroutine[Any, Any, Progress | None]],
) -> Progress | None:
    """Run the next part of a request of many transactions. Returns its new progress, recorded in the same transaction.

    `before` is its progress so far. If no part is left, `response` is recorded, and None returned. Raises
    `IdempotencyKeyInUse` if the recorded progress differs from `before`: another process has continued the request, or
    has finished it.
    """
    recorded = await _find_record(work, once)
    if recorded is not None and (recorded.is_response or decode(recorded.text, type=type(before)) != before):
        raise IdempotencyKeyInUse(once.key)
    now = await part(work)
    if now is None:
        await record(work, once, keep_seconds, response)
    else:
        await record(work, once, keep_seconds, now, UNFINISHED)
    return now


async def progress(work: UnitOfWork, once: IdempotentRequest, kind: type[Result]) -> Result | None:
    """The recorded progress of a request of many transactions; None if it has finished or not begun.

    Raises `IdempotencyKeyReused`.
    """
    recorded = await _find_record(work, once)
    return None if recorded is None or recorded.is_response else decode(recorded.text, type=kind)


async def early_progress(rows: Rows, statements: Statements, key: Bindings, kind: type[Result]) -> Result | None:
    """The progress under a key before its request has been received; None if there is none of that kind.

    It may belong to another request: compare it with the result of `progress` when the request has been received.
    """
    row = await rows.row(statements.RECORDED_RESPONSE, key)
    if row is None or not row[0].startswith(UNFINISHED):
        return None
    try:
        return decode(row[1], type=kind)
    except msgspec.ValidationError:
        return None


async def check_not_applied(work: UnitOfWork, once: IdempotentRequest, kind: type[Any]) -> None:
    """Raises `AlreadyApplied` with the recorded response of `kind`, if there is one.

    Raises `IdempotencyKeyReused`, `IdempotencyResponseNotKept`.
    """
    recorded = await _find_record(work, once)
    if recorded is None or not recorded.is_response:
        return
    try:
        response = await read(work, recorded.session_id, recorded.text, kind)
    except TextNotKept:
        raise IdempotencyResponseNotKept(once.key) from None
    raise AlreadyApplied(response)


async def _find_record(work: UnitOfWork, once: IdempotentRequest) -> _Record | None:
    row = await work.run(work.statements.RECORDED_RESPONSE, _key(work, once))
    if row is None:
        return None
    fingerprint, text, session_id = row
    if fingerprint.removeprefix(UNFINISHED) != once.fingerprint:
        raise IdempotencyKeyReused(once.key)
    return _Record(fingerprint == once.fingerprint, text, session_id)


async def record(
    work: UnitOfWork, once: IdempotentRequest, keep_seconds: float, response: object, state: str = ""
) -> None:
    """Record a response for `keep_seconds`. With the state `UNFINISHED` it is a progress, which is stored unchanged."""
    session_id, text = (None, encode(response).decode()) if state else await keep(work, keep_seconds, response)
    bindings = _key(work, once) | {
        "fingerprint": state + once.fingerprint,
        "answer": text,
        "expires_at": after(work.now, keep_seconds),
        "session_id": session_id,
    }
    await work.run(RECORD_RESPONSE, bindings)
    await work.run(FORGET_EXPIRED, bindings)


async def forget(work: UnitOfWork, key: str) -> None:
    """Delete the recorded response of a key."""
    await work.run(FORGET_RESPONSE, {"workspace": work.workspace, "key": key})


def _key(work: UnitOfWork, once: IdempotentRequest) -> Bindings:
    return {"workspace": work.workspace, "key": once.key, "now": work.now}
