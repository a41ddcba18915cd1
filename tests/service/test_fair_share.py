"""No request stops the others: the table of worst requests, each held to ten times what `bench/fair_share.py` measures.

Data is smaller than the measured one. What is served meanwhile are `GET /health` on new connections, and appends.
"""

from collections.abc import Iterator

import pytest

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT
from daemon import Daemon
from fair_clients import Ask
from fair_data import Data
from fair_share import CLIENTS, Server, measure
from worst_requests import HARMLESS, PENDING, TABLE, Row

SCALE = 0.005
SECONDS = 0.5
HEALTH_MEDIAN_MS, HEALTH_WORST_MS, APPEND_WORST_MS = 1_000, 2_500, 5_000
PEAK_MIB, KEPT_MIB = 400, 60


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Data]]:
    """A server, and data on it that the rows share."""
    folder = tmp_path_factory.mktemp("fair")
    options = ["--collections-path", str(folder / "collections")]
    with Daemon(f"sqlite:///{folder / 'a.db'}", *options, check_responses=False) as daemon:
        data = Data(SCALE, folder / "collections")
        data.use(daemon.api)
        yield Server(daemon.process.pid, daemon.port), data


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_others_are_served_meanwhile(served: tuple[Server, Data], row: Row) -> None:
    server, data = served
    server.wait_until_idle()
    asked = row.ask(data)
    share = measure(server, [asked] * CLIENTS if isinstance(asked, Ask) else list(asked), SECONDS, KEPT_MIB)
    # A machine with other work is slow for everybody.
    assert share.health_median <= HEALTH_MEDIAN_MS * share.slowness, share
    assert share.health_worst <= HEALTH_WORST_MS * share.slowness, share
    assert share.append_worst <= APPEND_WORST_MS * share.slowness, share
    assert share.peak <= PEAK_MIB, share
    assert share.after - share.before <= KEPT_MIB, share


def test_operations_are_in_the_table_or_harmless() -> None:
    declared = {operation["operationId"] for _, _, operation in load_document(CONTRACT).operations()}
    named = {operation for row in (*TABLE, *PENDING) for operation in row.operations}
    assert named & set(HARMLESS) == set()
    assert declared == named | set(HARMLESS)
