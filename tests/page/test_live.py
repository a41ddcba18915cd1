"""An open session follows new messages, even after the daemon was restarted."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, expect

from conftest import sqlite_daemon
from daemon import Daemon

EVENTS = re.compile("/api/v1/.*events")

daemon = sqlite_daemon


def append(client: httpx.Client, session: str, content: str) -> None:
    client.post(f"/sessions/{session}/messages", json={"content": content}).raise_for_status()


def test_new_messages_appear_at_the_end(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session(*(f"Message {number}" for number in range(1, 46)))
    page.goto(f"/?session={session}")
    expect(page.get_by_text("Message 45", exact=True)).to_be_in_viewport()
    for number in range(46, 66):
        append(client, session, f"Message {number}")
    expect(page.get_by_text("Message 65", exact=True)).to_be_in_viewport()
    expect(page.locator(".session-header")).to_contain_text("65 messages")
    sequences = page.evaluate(
        "[...document.querySelectorAll('[data-sequence]')].map(row => Number(row.dataset.sequence))"
    )
    assert sequences == list(range(sequences[0], 66))


def test_reader_above_the_end_sees_a_badge(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session(*(f"Message {number}" for number in range(1, 101)))
    page.goto(f"/?session={session}#10")
    expect(page.get_by_text("Message 10", exact=True)).to_be_in_viewport()
    expect(page.get_by_role("button", name="Go to the end")).to_be_visible()
    append(client, session, "Message 101")
    append(client, session, "Message 102")
    expect(page.get_by_text("Message 10", exact=True)).to_be_in_viewport()
    page.get_by_role("button", name="2 new messages").click()
    expect(page.get_by_text("Message 102", exact=True)).to_be_in_viewport()
    expect(page.locator(".position")).to_have_count(0)


def test_stream_is_resumed_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/restarted.db"
    with Daemon(database) as first, first.client() as client:
        session = client.post("/sessions").json()["id"]
        append(client, session, "Message 1")
        page = browser.new_page()
        page.goto(f"{first.url}/?session={session}")
        append(client, session, "Message 2")
        expect(page.get_by_text("Message 2", exact=True)).to_be_visible()
    with Daemon(database, "--port", str(first.port)) as second, second.client() as client:
        append(client, session, "Message 3")
        expect(page.get_by_text("Message 3", exact=True)).to_be_visible()
        expect(page.locator("[data-sequence]")).to_have_count(3)
        page.close()


def test_deletion_while_the_stream_is_interrupted_appears(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session("Hello")
    page.route(EVENTS, lambda route: route.abort())
    page.goto(f"/?session={session}")
    expect(page.get_by_text("Hello")).to_be_visible()
    client.delete(f"/sessions/{session}").raise_for_status()
    page.unroute(EVENTS)
    expect(page.get_by_role("alert")).to_have_text("This session was deleted.")


HIDE = """isHidden => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_hidden_page_has_no_stream(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello")
    with page.expect_request(EVENTS):
        page.goto(f"/?session={session}")
    expect(page.get_by_text("Hello")).to_be_visible()
    with page.expect_event("requestfailed", lambda request: EVENTS.search(request.url) is not None):
        page.evaluate(HIDE, True)
    append(client, session, "While it is hidden")
    client.patch(f"/sessions/{session}", json={"name": "Named meanwhile"}).raise_for_status()
    client.patch(f"/sessions/{session}/messages/1", json={"content": "Corrected"}).raise_for_status()
    with page.expect_request(EVENTS):
        page.evaluate(HIDE, False)
    expect(page.get_by_text("While it is hidden")).to_be_visible()
    expect(page.get_by_role("heading", name="Named meanwhile")).to_be_visible()
    expect(page.get_by_text("Corrected")).to_be_visible()
    expect(page.locator("[data-sequence]")).to_have_count(2)


def test_page_opened_in_a_hidden_tab_is_up_to_date(page: Page, new_session: Callable[..., str]) -> None:
    page.add_init_script('Object.defineProperty(document, "hidden", { value: true, configurable: true })')
    new_session("Hello", name="Before the page")
    page.goto("/")
    expect(page.get_by_role("link", name="Before the page")).to_be_visible()
    new_session("Hello", name="After the page")
    page.evaluate(HIDE, False)
    expect(page.get_by_role("link", name="After the page")).to_be_visible()


def test_list_shows_what_changed_while_it_was_hidden(page: Page, new_session: Callable[..., str]) -> None:
    new_session("Hello", name="There before")
    with page.expect_request(EVENTS):
        page.goto("/")
    expect(page.get_by_role("link", name="There before")).to_be_visible()
    with page.expect_event("requestfailed", lambda request: EVENTS.search(request.url) is not None):
        page.evaluate(HIDE, True)
    new_session("Hello", name="New meanwhile")
    page.evaluate(HIDE, False)
    expect(page.get_by_role("link", name="New meanwhile")).to_be_visible()


def test_changes_and_deletion_appear(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello", name="Before")
    page.goto(f"/?session={session}")
    expect(page.get_by_role("heading", name="Before")).to_be_visible()
    client.patch(f"/sessions/{session}", json={"name": "After"}).raise_for_status()
    expect(page.get_by_role("heading", name="After")).to_be_visible()
    client.delete(f"/sessions/{session}").raise_for_status()
    expect(page.get_by_role("alert")).to_have_text("This session was deleted.")
