"""Corrections of messages: made in the page, and made by others while the page shows them."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from conftest import sqlite_daemon
from programs.browser import violations

daemon = sqlite_daemon

EVENTS = re.compile("/api/v1/.*events")
ANSWER = {"role": "assistant", "content": "High tide is at *two*."}
PARTS = [
    {"type": "reasoning", "text": "Look at the table."},
    {"type": "text", "text": "First."},
    {"type": "data", "kind": "app.note", "value": {"a": [1, 2]}},
    {"type": "text", "text": "Second.\n\nThird."},
]


def row(page: Page, sequence: int) -> Locator:
    return page.locator(f"[data-sequence='{sequence}']")


def press(page: Page, sequence: int, name: str) -> Locator:
    """Press a button of a message. Returns the dialog that it opens."""
    row(page, sequence).hover()
    row(page, sequence).get_by_role("button", name=name, exact=True).click()
    return page.get_by_role("dialog")


def message(client: httpx.Client, session: str, sequence: int) -> dict[str, Any]:
    stored: dict[str, Any] = client.get(f"/sessions/{session}/messages/{sequence}").raise_for_status().json()
    return stored


def test_message_is_edited(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("When?", ANSWER)
    page.goto(f"/?session={session}")
    dialog = press(page, 2, "Edit")
    expect(dialog.get_by_label("Text")).to_have_value(ANSWER["content"])
    dialog.get_by_label("Text").fill("At **three**.\nOr later.")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, 2).locator("strong")).to_have_text("three")
    expect(row(page, 2).locator(".edited")).to_contain_text("edited")
    expect(dialog).to_have_count(0)
    assert message(client, session, 2)["content"] == "At **three**.\nOr later."


def test_texts_of_parts_are_edited(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session({"role": "assistant", "parts": PARTS})
    page.goto(f"/?session={session}")
    dialog = press(page, 1, "Edit")
    expect(dialog.get_by_label("Text 1")).to_have_value("First.")
    dialog.get_by_label("Text 2").fill("Last.")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, 1)).to_contain_text("Last.")
    assert message(client, session, 1)["parts"] == [*PARTS[:3], {"type": "text", "text": "Last."}]


def test_message_is_deleted(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("A secret", "Hello")
    page.goto(f"/?session={session}")
    dialog = press(page, 1, "Delete")
    expect(dialog).to_contain_text("permanently deleted")
    dialog.get_by_role("button", name="Delete").click()
    expect(row(page, 1)).to_contain_text("This message was deleted.")
    expect(page.get_by_text("A secret")).to_have_count(0)
    assert message(client, session, 1)["content"] == ""
    row(page, 1).hover()
    expect(row(page, 1).get_by_role("button", name="Fork from here")).to_be_visible()
    expect(row(page, 1).get_by_role("button", name="Edit")).to_have_count(0)


def test_feedback_is_kept_in_metadata(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("When?", {**ANSWER, "metadata": {"trace": "t1"}})
    page.goto(f"/?session={session}")
    press(page, 2, "Good")
    expect(row(page, 2).locator(".sign")).to_have_text("Good")
    assert message(client, session, 2)["metadata"] == {"trace": "t1", "feedback": "up"}
    press(page, 2, "Bad")
    expect(row(page, 2).locator(".sign")).to_have_text("Bad")
    press(page, 2, "Bad")
    expect(row(page, 2).locator(".sign")).to_have_count(0)
    assert message(client, session, 2)["metadata"] == {"trace": "t1"}
    # Only messages of a model can be rated.
    row(page, 1).hover()
    expect(row(page, 1).get_by_role("button", name="Edit")).to_be_visible()
    expect(row(page, 1).get_by_role("button", name="Good")).to_have_count(0)


def test_stale_edit_is_shown_as_a_conflict(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("When?", ANSWER)
    # The page gets no events, as after a sleep of the machine.
    page.route(EVENTS, lambda route: route.abort())
    page.goto(f"/?session={session}")
    dialog = press(page, 2, "Edit")
    client.patch(f"/sessions/{session}/messages/2", json={"content": "Of somebody else"}).raise_for_status()
    dialog.get_by_label("Text").fill("Mine")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("has changed in the meantime")
    expect(page.get_by_text("Of somebody else")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, 2)).to_contain_text("Mine")
    client.patch(f"/sessions/{session}/messages/2", json={"metadata": {"a": 1}}).raise_for_status()
    press(page, 2, "Good")
    expect(page.get_by_role("alert")).to_contain_text("has changed in the meantime")


def test_corrections_of_others_appear(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session(*(f"Message {number}" for number in range(1, 46)))
    # The page receives events once it has opened its stream, after loading the messages.
    with page.expect_response(EVENTS):
        page.goto(f"/?session={session}")
    expect(row(page, 45)).to_be_in_viewport()
    client.patch(f"/sessions/{session}/messages/44", json={"content": "Message *44*"}).raise_for_status()
    expect(row(page, 44).locator("em")).to_have_text("44")
    expect(row(page, 44).locator(".edited")).to_be_visible()
    client.delete(f"/sessions/{session}/messages/45").raise_for_status()
    expect(row(page, 45)).to_contain_text("This message was deleted.")
    expect(row(page, 45)).to_be_in_viewport()
    # The message is far above, so no visible row has to change.
    client.delete(f"/sessions/{session}/messages/1").raise_for_status()
    client.post(f"/sessions/{session}/messages", json={"content": "Message 46"}).raise_for_status()
    expect(page.get_by_text("Message 46", exact=True)).to_be_in_viewport()
    page.get_by_role("region", name="Transcript").press("Home")
    expect(row(page, 1)).to_contain_text("This message was deleted.")


@pytest.mark.parametrize("name", ["Edit", "Delete"])
def test_corrections_have_no_violations(page: Page, new_session: Callable[..., str], name: str) -> None:
    session = new_session("When?", {**ANSWER, "metadata": {"feedback": "up"}})
    page.goto(f"/?session={session}")
    row(page, 2).hover()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert violations(page) == []
    press(page, 2, name)
    assert violations(page) == []
