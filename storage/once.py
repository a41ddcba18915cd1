"""Answers kept under a client's key, so that a request that comes again has no second effect."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from .change import Change
from .clock import after
from .errors import IdempotencyKeyReused
from .records import Once
from .rows import Bindings

Answer = TypeVar("Answer")


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


async def recall(change: Change, once: Once, kind: type[Answer]) -> Answer | None:
    """The recorded answer, and `once.replayed` where there is one. Raises `IdempotencyKeyReused`."""
    row = await change.run(change.statements.RECORDED_ANSWER, _key(change, once))
    once.replayed = row is not None
    if row is None:
        return None
    fingerprint, recorded = row
    if fingerprint != once.fingerprint:
        raise IdempotencyKeyReused(once.key)
    return msgspec.json.decode(recorded, type=kind)


async def record(change: Change, once: Once, keep_seconds: float, answer: object) -> None:
    """Keep an answer for so long."""
    bindings = _key(change, once) | {
        "fingerprint": once.fingerprint,
        "answer": msgspec.json.encode(answer).decode(),
        "expires_at": after(change.now, keep_seconds),
    }
    await change.run(change.statements.RECORD_ANSWER, bindings)
    await change.run(change.statements.FORGET_ANSWERS, bindings)


def _key(change: Change, once: Once) -> Bindings:
    return {"workspace": change.workspace, "key": once.key, "now": change.now}
