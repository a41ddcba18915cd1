"""No request stops the others: the table of worst requests, each held to ten times what `bench/fair_share.py` measures.

Data is smaller than the measured one. What is served meanwhile are `GET /health` on new connections, and appends.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT
from daemon import Daemon
from worst_requests.clients import Ask
from worst_requests.data import Data
from worst_requests.harmless import HARMLESS
from worst_requests.measurement import CLIENTS, Server, measure
from worst_requests.table import TABLE, Row

SCALE = 0.005
SECONDS = 0.5
HEALTH_MEDIAN_MS, HEALTH_WORST_MS, APPEND_WORST_MS = 1_000, 2_500, 5_000
PEAK_MIB, KEPT_MIB = 400, 60
# So that memory left by an earlier row, or by creating the data, is not measured.
STARTED_AGAIN_MIB = 60


class Serving:
    """A server with data; it is restarted if memory of earlier rows is still in use."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._database = f"sqlite:///{folder / 'a.db'}"
        self._options = ("--collections-path", str(folder / "collections"), *options)
        self.data = Data(SCALE, folder / "collections")
        self._running = ExitStack()
        self._start()

    def _start(self) -> None:
        daemon = self._running.enter_context(Daemon(self._database, *self._options, check_responses=False))
        self.data.use(daemon.api)
        self.server = Server(daemon.process.pid, daemon.port)
        self._first_memory = self.server.memory()
        self._was_idle = False

    def check(self, row: Row) -> None:
        """Assert that other clients are served while the requests of a row are sent."""
        requests = row.ask(self.data)
        if self.server.memory() > self._first_memory + STARTED_AGAIN_MIB:
            self.close()
            self._start()
        if not self._was_idle:
            # Later rows begin when the measurement of the one before has ended, with an idle server.
            self.server.wait_until_idle()
            self._was_idle = True
        check([requests] * CLIENTS if isinstance(requests, Ask) else list(requests), self.server)

    def close(self) -> None:
        """Stop the server."""
        self._running.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The server for all rows without options."""
    serving = Serving(tmp_path_factory.mktemp("fair"))
    yield serving
    serving.close()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_expensive_requests_do_not_stop_others(request: pytest.FixtureRequest, tmp_path: Path, row: Row) -> None:
    if row.options:
        with closing(Serving(tmp_path, *row.options)) as own:
            own.check(row)
    else:
        served: Serving = request.getfixturevalue("served")
        served.check(row)


def check(requests: list[Ask], server: Server) -> None:
    """Assert that other clients are served while these requests are sent."""
    share = measure(server, requests, SECONDS, KEPT_MIB)
    # Other work of the machine slows down all clients.
    assert share.health_median <= HEALTH_MEDIAN_MS * share.slowness, share
    assert share.health_worst <= HEALTH_WORST_MS * share.slowness, share
    assert share.append_worst <= APPEND_WORST_MS * share.slowness, share
    assert share.peak <= PEAK_MIB, share
    assert share.after - share.before <= KEPT_MIB, share


def test_operations_are_in_the_table_or_harmless() -> None:
    declared = {operation["operationId"] for _, _, operation in load_document(CONTRACT).operations()}
    named = {operation for row in TABLE for operation in row.operations}
    assert named & set(HARMLESS) == set()
    assert declared == named | set(HARMLESS)
