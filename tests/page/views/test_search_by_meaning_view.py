"""The search by meaning in the page, with and without an embedder."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from daemon import Daemon
from programs.browser import watched
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


@pytest.fixture
def plain_page(browser: Browser, sqlite_daemon: Daemon) -> Iterator[Page]:
    """A page of a daemon that has no embedder."""
    with watched(browser, sqlite_daemon) as opened:
        yield opened


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


def test_choice_can_be_undone_without_an_embedder(plain_page: Page, sqlite_daemon: Daemon) -> None:
    with sqlite_daemon.client() as client:
        path = f"/sessions/{client.post('/sessions').json()['id']}/messages"
        client.post(path, json={"content": "The tram was early"}).raise_for_status()
        until(lambda: "early" in client.get("/search", params={"q": "tram"}).text)
    plain_page.goto("/?view=search&q=tram&mode=hybrid")
    expect(plain_page.get_by_role("alert")).to_contain_text("embedder")
    # The checkbox disappears, so `uncheck` would wait for it.
    plain_page.get_by_label(CHOICE).click()
    expect(plain_page).to_have_url(re.compile("q=tram$"))
    expect(plain_page.locator("[data-item]")).to_contain_text("tram was early")
    expect(plain_page.get_by_role("alert")).to_have_count(0)
    expect(plain_page.get_by_label(CHOICE)).to_have_count(0)


def test_failed_search_is_reported_and_retried(page: Page) -> None:
    page.goto("/?view=search&q=snow")
    expect(page.locator("[data-item]")).to_contain_text("because of snow")
    page.route(re.compile("/search[?].*mode=hybrid"), lambda route: route.abort())
    page.get_by_label(CHOICE).check()
    expect(page.get_by_role("alert")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("[data-item]")).to_contain_text("because of snow")


def test_suggestion_keeps_the_choice(page: Page) -> None:
    page.goto("/?view=search&q=snwo -late&mode=hybrid")
    page.get_by_role("link", name="snow -late").click()
    expect(page).to_have_url(re.compile(r"q=snow\+-late&mode=hybrid"))
    expect(page.get_by_text("No message has these words or a similar meaning.")).to_be_visible()
