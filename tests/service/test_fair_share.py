"""No request stops the others: the table of worst requests, each held to ten times what `bench/fair_share.py` measures.

Data is smaller than the measured one. What is served meanwhile are `GET /health` on new connections, and appends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT
from daemon import Daemon
from fair_clients import Ask
from fair_data import Data
from fair_share import CLIENTS, Server, measure
from harmless_requests import HARMLESS
from worst_requests import PENDING, TABLE, Row

SCALE = 0.005
SECONDS = 0.5
HEALTH_MEDIAN_MS, HEALTH_WORST_MS, APPEND_WORST_MS = 1_000, 2_500, 5_000
PEAK_MIB, KEPT_MIB = 400, 60


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[Server, Data]]:
    """A server, and data on it."""
    options = ("--collections-path", str(folder / "collections"), *options)
    with Daemon(f"sqlite:///{folder / 'a.db'}", *options, check_responses=False) as daemon:
        data = Data(SCALE, folder / "collections")
        data.use(daemon.api)
        yield Server(daemon.process.pid, daemon.port), data


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Data]]:
    """A server, and data on it that the rows share."""
    with serving(tmp_path_factory.mktemp("fair")) as shared:
        yield shared


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_others_are_served_meanwhile(request: pytest.FixtureRequest, tmp_path: Path, row: Row) -> None:
    if row.options:
        with serving(tmp_path, *row.options) as (server, data):
            check(server, data, row)
    else:
        server, data = request.getfixturevalue("served")
        check(server, data, row)


def check(server: Server, data: Data, row: Row) -> None:
    """Others are served while clients ask for what a row says."""
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
