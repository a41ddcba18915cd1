"""The state of the service in the page."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from amplifierd.storage.sqlite.connection import connect_writer
from amplifierd.storage.sqlite.search.indexing import begin_again
from daemon import Daemon

SECONDS = 60
MESSAGES = [{"content": "Quinces"}] * 3


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with some messages."""
    with Daemon(f"sqlite:///{tmp_path_factory.mktemp('status')}/a.db") as running, running.client() as client:
        session_id = client.post("/sessions").json()["id"]
        client.post(f"/sessions/{session_id}/messages/batch", json={"messages": MESSAGES}).raise_for_status()
        assert client.get("/search", params={"q": "quinces"}).status_code == 200
        yield running


def open_until_it_says(page: Page, words: str) -> None:
    """Open the view until it says this of the index: a count is of the last second."""
    index = page.locator(".facts > div", has_text="Search index").locator("dd")
    deadline = time.monotonic() + SECONDS
    while True:
        page.goto("/?view=status")
        expect(index).to_be_visible()
        if index.inner_text() == words:
            return
        assert time.monotonic() < deadline, index.inner_text()


def test_status_tells_how_far_the_search_index_is(page: Page, daemon: Daemon) -> None:
    open_until_it_says(page, "3 messages")
    # As after an upgrade. What holds the file lets nothing be indexed.
    other = connect_writer(daemon.database.removeprefix("sqlite:///"))
    other.execute("BEGIN IMMEDIATE")
    begin_again(other)
    other.execute("COMMIT; BEGIN IMMEDIATE")
    open_until_it_says(page, "0 of 3 messages")
    other.close()
