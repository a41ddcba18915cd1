"""Answers kept under a client's key, so that a request that comes again has no second effect."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from .change import Change
from .clock import after
from .errors import IdempotencyKeyInUse, IdempotencyKeyReused
from .records import Once
from .rows import Bindings

Answer = TypeVar("Answer")

# What comes after the key in whose record is how far the request is. A client's key has no space.
UNFINISHED = " unfinished"


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
    before: Answer,
    part: Callable[[Change], Awaitable[Answer | None]],
) -> Answer | None:
    """What a request of many transactions has done after its next part, which is recorded with it.

    None where there is no part left. `before` is what it had done. Raises `IdempotencyKeyInUse` where that is not what
    was recorded last: somebody else has gone on with it.
    """
    recorded = await done(change, once, type(before))
    if recorded is not None and recorded != before:
        raise IdempotencyKeyInUse(once.key)
    after_it = await part(change)
    if after_it is not None:
        await record(change, once, keep_seconds, after_it, UNFINISHED)
    return after_it


async def done(change: Change, once: Once, kind: type[Answer]) -> Answer | None:
    """What a request of many transactions has done, None where that is nothing. Raises `IdempotencyKeyReused`."""
    return await _recorded(change, once, kind, UNFINISHED)


async def recall(change: Change, once: Once, kind: type[Answer]) -> Answer | None:
    """The recorded answer, and `once.replayed` where there is one. Raises `IdempotencyKeyReused`."""
    answer = await _recorded(change, once, kind)
    once.replayed = answer is not None
    return answer


async def _recorded(change: Change, once: Once, kind: type[Answer], state: str = "") -> Answer | None:
    row = await change.run(change.statements.RECORDED_ANSWER, _key(change, once, state))
    if row is None:
        return None
    fingerprint, recorded = row
    if fingerprint != once.fingerprint:
        raise IdempotencyKeyReused(once.key)
    return msgspec.json.decode(recorded, type=kind)


async def record(change: Change, once: Once, keep_seconds: float, answer: object, state: str = "") -> None:
    """Keep an answer for so long."""
    bindings = _key(change, once, state) | {
        "fingerprint": once.fingerprint,
        "answer": msgspec.json.encode(answer).decode(),
        "expires_at": after(change.now, keep_seconds),
    }
    await change.run(change.statements.RECORD_ANSWER, bindings)
    await change.run(change.statements.FORGET_ANSWERS, bindings)


def _key(change: Change, once: Once, state: str) -> Bindings:
    return {"workspace": change.workspace, "key": once.key + state, "now": change.now}
