"""The supervisor that starts, replaces and stops several server processes."""

import logging
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

from .signals import end_on_signal, terminal_signals_blocked

logger = logging.getLogger(__name__)

# The time a worker needs to stop, in addition to the time of its requests.
MARGIN_SECONDS = 1.5


class Supervisor(Multiprocess):
    """Stops its workers cleanly at a signal; at a second signal it kills them and exits at once.

    The workers receive neither Ctrl-C nor a closed terminal's signal: only the supervisor stops them.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket, exit_now: Callable[[int], NoReturn]) -> None:
        before = {number: signal.getsignal(number) for number in SIGNALS}
        super().__init__(config, sockets=[listener])
        # uvicorn also handles signals that restart its workers or change their number.
        for number, handler in before.items():
            signal.signal(number, handler)
        self._exit_now = exit_now
        self._is_ending = False
        end_on_signal(self._end)

    def init_processes(self) -> None:
        """Start the workers."""
        with terminal_signals_blocked():
            # The tracker unblocks the signals when it starts, which otherwise happens with the first process.
            resource_tracker.ensure_running()
        self.processes += [self._started() for _ in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Replace each worker that has exited or no longer responds."""
        for place, process in enumerate(self.processes):
            if process.is_alive(self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                # Another worker would fail in the same way; this worker's log says why.
                logger.error("Worker %s could not start; the daemon exits.", process.pid)
                self.should_exit.set()
                return
            logger.warning("Worker %s has exited; starting another.", process.pid)
            self.processes[place] = self._started()

    def join_all(self) -> None:
        """Wait until the workers have exited, and kill those that take longer than their requests may."""
        deadline = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + MARGIN_SECONDS
        for process in self.processes:
            process.process.join(max(0, deadline - time.monotonic()))
            if process.process.is_alive():
                process.process.kill()
            process.process.join()

    def _started(self) -> Process:
        process = _Worker(self.config, self.sockets)
        with terminal_signals_blocked():
            process.start()
        return process

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self._is_ending:
            for process in self.processes:
                process.process.kill()
            self._exit_now(number)
        self._is_ending = True
        self.signal_queue.append(number)


class _Worker(Process):
    """A worker whose state is read without waiting, because a waiting supervisor would miss signals."""

    _pinged_at: float | None = None

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether the worker is running and, as far as known, responded to the last ping within `timeout` seconds."""
        if not self.process.is_alive():
            return False
        if self._pinged_at is None:
            self.parent_conn.send(b"ping")
            self._pinged_at = time.monotonic()
        elif self.parent_conn.poll():
            self.parent_conn.recv()
            self._pinged_at = None
        return self._pinged_at is None or time.monotonic() - self._pinged_at < timeout
