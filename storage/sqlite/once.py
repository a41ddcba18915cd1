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
    key: Bindings = {"workspace": change.workspace, "key": once.key, "now": change.now}
    row = change.run(statements.RECORDED_ANSWER, key)
    if row is not None:
        fingerprint, recorded = row
        if fingerprint != once.fingerprint:
            raise IdempotencyKeyReused(once.key)
        once.replayed = True
        return msgspec.json.decode(recorded, type=kind)
    answer = effect(change)
    text = msgspec.json.encode(answer).decode()
    expires_at = after(change.now, keep_seconds)
    change.run(
        statements.RECORD_ANSWER,
        key | {"fingerprint": once.fingerprint, "answer": text, "expires_at": expires_at},
    )
    change.run(statements.FORGET_ANSWERS, key)
    return answer
