"""The signals that stop a program. Those that stop a daemon are handled from the first line of the program.

The kernel does not deliver unhandled signals to the first process of a container: a stop before that would be lost.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]


def end_on_signal(handler: Handler) -> None:
    """Handle SIGINT, SIGTERM and SIGHUP; SIGHUP, which a terminal sends when it closes, as SIGTERM.

    A SIGHUP that is ignored, as under `nohup`, stays ignored.
    """
    signal.signal(signal.SIGINT, handler)
    _handle_termination(handler)


def _handle_termination(handler: Handler) -> None:
    signal.signal(signal.SIGTERM, handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, frame: handler(signal.SIGTERM, frame))


def exit_while_starting() -> None:
    """Exit at once with code 0 on such a signal, because nothing is open yet."""
    end_on_signal(lambda _number, _frame: os._exit(0))


def raise_on_termination() -> None:
    """Let SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt: temporary files are removed."""

    def handle(number: int, _frame: FrameType | None) -> None:
        # The files are being removed, and a terminal that closes may send two signals.
        _handle_termination(lambda _number, _frame: None)
        sys.exit(128 + number)

    _handle_termination(handle)


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """Block the signals that a terminal sends to all its processes, for processes that start in the context."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
