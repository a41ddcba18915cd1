"""Answers kept under a client's key, so that a request that comes again has no second effect."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from msgspec import Raw

from .change import Change
from .clock import after
from .errors import IdempotencyKeyInUse, IdempotencyKeyReused
from .records import Once
from .rows import Bindings

Answer = TypeVar("Answer")
Progress = TypeVar("Progress")

# Before the fingerprint of a request whose record is how far it is, and not yet its answer.
UNFINISHED = "unfinished "


async def do_once(
    change: Change, once: Once, keep_seconds: float, kind: type[Answer], effect: Callable[[Change], Awaitable[Answer]]
) -> Answer:
    """The recorded answer of `kind`; where there is none, what `effect` answers, which is recorded with it."""
    recorded = await recall(change, once, kind)
    if recorded is not None:
        return recorded
    answer = await effect(change)
    await record(change, once, keep_seconds, answer)
    return answer


async def do_part(
    change: Change,
    once: Once,
    keep_seconds: float,
    before: Progress,
    answer: object,
    part: Callable[[Change], Awaitable[Progress | None]],
) -> Progress | None:
    """How far a request of many transactions is after its next part, which is recorded with it.

    `before` is how far it was. Where there is no part left `answer` is recorded, and there is None. Raises
    `IdempotencyKeyInUse` where another is recorded than `before`: somebody else has gone on with it, or is done.
    """
    recorded = await progress(change, once, type(before))
    if await recall(change, once, Raw) is not None or (recorded is not None and recorded != before):
        raise IdempotencyKeyInUse(once.key)
    now = await part(change)
    if now is None:
        await record(change, once, keep_seconds, answer)
    else:
        await record(change, once, keep_seconds, now, UNFINISHED)
    return now


async def progress(change: Change, once: Once, kind: type[Answer]) -> Answer | None:
    """How far a request of many transactions is; None where it is done, or not begun. Raises `IdempotencyKeyReused`."""
    return await _recorded(change, once, kind, UNFINISHED)


async def recall(change: Change, once: Once, kind: type[Answer]) -> Answer | None:
    """The recorded answer, and `once.replayed` where there is one. Raises `IdempotencyKeyReused`."""
    answer = await _recorded(change, once, kind)
    once.replayed = answer is not None
    return answer


async def _recorded(change: Change, once: Once, kind: type[Answer], state: str = "") -> Answer | None:
    row = await change.run(change.statements.RECORDED_ANSWER, _key(change, once))
    if row is None:
        return None
    fingerprint, recorded = row
    if fingerprint.removeprefix(UNFINISHED) != once.fingerprint:
        raise IdempotencyKeyReused(once.key)
    return msgspec.json.decode(recorded, type=kind) if fingerprint == state + once.fingerprint else None


async def record(change: Change, once: Once, keep_seconds: float, answer: object, state: str = "") -> None:
    """Keep an answer for so long."""
    bindings = _key(change, once) | {
        "fingerprint": state + once.fingerprint,
        "answer": msgspec.json.encode(answer).decode(),
        "expires_at": after(change.now, keep_seconds),
    }
    await change.run(change.statements.RECORD_ANSWER, bindings)
    await change.run(change.statements.FORGET_ANSWERS, bindings)


def _key(change: Change, once: Once) -> Bindings:
    return {"workspace": change.workspace, "key": once.key, "now": change.now}
