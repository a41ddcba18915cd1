"""The search by meaning in the page of a daemon with an embedder."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from daemon import Daemon
from waits import until

CHOICE = "Also find messages with a similar meaning"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a message that is found by its meaning."""
    url = f"sqlite:///{tmp_path_factory.mktemp('meaning')}/a.db"
    with Daemon(url, "--embedder", "wordllama") as running, running.client() as client:
        path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
        client.post(path, json={"content": "The train was late because of snow"}).raise_for_status()
        query = {"q": "railway delay", "mode": "hybrid"}
        until(lambda: "late because of snow" in client.get("/search", params=query).text)
        yield running


def test_choice_finds_messages_without_the_words(page: Page) -> None:
    page.goto("/?view=search&q=railway+delay")
    expect(page.get_by_text("No message has all of these words.")).to_be_visible()
    page.get_by_label(CHOICE).check()
    expect(page).to_have_url(re.compile("mode=hybrid"))
    expect(page.locator("[data-item]")).to_contain_text("The train was late")


def test_choice_stays_while_other_words_are_typed(page: Page) -> None:
    page.goto("/?view=search&q=railway&mode=hybrid")
    expect(page.get_by_label(CHOICE)).to_be_checked()
    page.get_by_role("searchbox", name="Search messages").fill("tram")
    expect(page).to_have_url(re.compile("q=tram&mode=hybrid"))
    page.get_by_label(CHOICE).uncheck()
    expect(page).to_have_url(re.compile("q=tram$"))
