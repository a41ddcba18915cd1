"""The API reference: it folds responses, contacts no other server, and sends valid requests."""

import re
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from conftest import sqlite_daemon
from daemon import Daemon, http_get
from waits import until

daemon = sqlite_daemon

OPERATION = "/docs#tag/sessions/POST/sessions"
# Before, all responses were listed one below the other, in 6,500 pixels.
MOST_PIXELS = 3_500


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_operation_shows_one_response_at_a_time(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(OPERATION)
    operation = page.locator("[id='api-1/tag/sessions/POST/sessions']")
    expect(operation.get_by_role("tab", name="201")).to_be_visible()
    box = operation.bounding_box()
    assert box is not None
    assert box["height"] < MOST_PIXELS
    assert (page.evaluate("document.body.classList.contains('dark-mode')")) is (scheme == "dark")


def has_sessions(daemon: Daemon, count: int) -> bool:
    return len(http_get(f"{daemon.api}/sessions").json()) == count


def test_same_request_twice_makes_two_sessions(page: Page, daemon: Daemon) -> None:
    page.goto(OPERATION)
    operation = page.locator("[id='api-1/tag/sessions/POST/sessions']")
    operation.get_by_role("button", name=re.compile("Test Request")).click()
    for count in (1, 2):
        page.get_by_role("button", name=re.compile("^Send")).first.click()
        expect(page.get_by_text("201 Created").first).to_be_visible()
        until(partial(has_sessions, daemon, count))
    assert len({session["id"] for session in http_get(f"{daemon.api}/sessions").json()}) == 2
