"""The signals that end a daemon, from its first line on.

The kernel gives the first process of a container no signal that it does not handle: until then a stop is lost.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


def end_on_signal(handler: Handler) -> None:
    """Have SIGINT, SIGTERM and SIGHUP handled; the last, which a terminal sends as it closes, as if it were SIGTERM.

    A SIGHUP that is ignored, as below `nohup`, stays so.
    """
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, frame: handler(signal.SIGTERM, frame))


def end_while_starting() -> None:
    """Have such a signal end the process at once, with exit code 0: nothing is open yet."""
    end_on_signal(lambda _number, _frame: os._exit(0))


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """Block what a terminal sends to all processes that it started, for those that are started meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
