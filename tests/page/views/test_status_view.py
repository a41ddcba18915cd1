"""The state of the service in the page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from daemon import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with three indexed messages."""
    with Daemon(f"sqlite:///{tmp_path_factory.mktemp('status')}/a.db") as running, running.client() as client:
        path = f"/sessions/{client.post('/sessions').json()['id']}/messages/batch"
        client.post(path, json={"messages": [{"content": "Quinces"}] * 3}).raise_for_status()
        assert client.get("/search", params={"q": "quinces"}).status_code == 200
        yield running


def test_status_shows_the_state_of_the_search_index(page: Page) -> None:
    page.goto("/?view=status")
    expect(page.locator(".facts > div", has_text="Search index").locator("dd")).to_have_text("Up to date")
