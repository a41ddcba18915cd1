"""The main path through the page, from the list to a message, a response and a branch, on each kind of database."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect


def test_main_way(page: Page, new_session: Callable[..., str]) -> None:
    session = new_session(*(f"Message {number}" for number in range(1, 121)), name="The main way")
    page.goto("/")
    page.get_by_role("link", name="The main way").click()
    expect(page.get_by_text("Message 120", exact=True)).to_be_in_viewport()
    field = page.get_by_role("textbox", name="Message")
    field.fill("About *damsons*")
    field.press("Control+Enter")
    expect(page.locator("[data-sequence='121'] em")).to_have_text("damsons")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("damsons")
    page.locator("[data-item]", has_text="damsons").click()
    expect(page).to_have_url(re.compile(f"session={session}#121$"))
    expect(page.locator("[data-sequence='121']")).to_be_in_viewport()
    page.goto(f"/?session={session}#60")
    message = page.locator("[data-sequence='60']")
    expect(message).to_be_in_viewport()
    message.hover()
    message.get_by_role("button", name="Fork from here").click()
    expect(page.locator(".session-header")).to_contain_text("60 messages")
