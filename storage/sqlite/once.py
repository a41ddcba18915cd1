"""Answers kept under a client's key, so that a request that comes again has no second effect."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from ..clock import after
from ..errors import IdempotencyKeyReused
from ..records import Once
from . import statements
from .change import Bindings, Change

Answer = TypeVar("Answer")


def do_once(
    change: Change, once: Once, keep_seconds: float, kind: type[Answer], effect: Callable[[Change], Answer]
) -> Answer:
    """The recorded answer of `kind`; where there is none, what `effect` answers, which is recorded with it."""
    recorded = recall(change, once, kind)
    if recorded is not None:
        return recorded
    answer = effect(change)
    record(change, once, keep_seconds, answer)
    return answer


def recall(change: Change, once: Once, kind: type[Answer]) -> Answer | None:
    """The recorded answer, and `once.replayed` where there is one. Raises `IdempotencyKeyReused`."""
    row = change.run(statements.RECORDED_ANSWER, _key(change, once))
    once.replayed = row is not None
    if row is None:
        return None
    fingerprint, recorded = row
    if fingerprint != once.fingerprint:
        raise IdempotencyKeyReused(once.key)
    return msgspec.json.decode(recorded, type=kind)


def record(change: Change, once: Once, keep_seconds: float, answer: object) -> None:
    """Keep an answer for so long."""
    bindings = _key(change, once) | {
        "fingerprint": once.fingerprint,
        "answer": msgspec.json.encode(answer).decode(),
        "expires_at": after(change.now, keep_seconds),
    }
    change.run(statements.RECORD_ANSWER, bindings)
    change.run(statements.FORGET_ANSWERS, bindings)


def _key(change: Change, once: Once) -> Bindings:
    return {"workspace": change.workspace, "key": once.key, "now": change.now}
